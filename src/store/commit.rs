//! What one transaction saves, worked out before a store touches its tables: the same for every store.

use std::collections::{BTreeMap, BTreeSet};

use super::error::StoreError;
use super::hold::HoldChanges;
use super::kind::Kind;
use super::ledger::LedgerEntry;
use crate::domain::{Operation, Scope, Tally, TeamId, Timestamp, UserId};
use crate::root::abandoned::Abandoned;
use crate::root::sync::{Request, Synced};
use crate::root::{Actor, Change, Done, PendingChanges, Row, Rows, SOLE, Sharing};

/// The last sums of members by window.
pub type MemberDraws = BTreeMap<(TeamId, UserId, Timestamp), Tally>;

/// What one transaction saves.
#[derive(Clone, Debug, Default)]
pub struct Commit {
    /// Rows that are no longer as they were loaded.
    pub rows: Vec<Row>,
    /// New entries of the ledger, in order.
    pub entries: Vec<LedgerEntry>,
    /// The last sums of the members that the new entries move.
    pub draws: MemberDraws,
    /// What becomes of open holds.
    pub holds: HoldChanges,
    /// What becomes of what sidecars have yet to enter.
    pub pending: PendingChanges,
    /// Entries, by their place here, whose id another sidecar has entered before.
    pub contested: BTreeSet<usize>,
    /// Other sidecars are to sync soon: see [`super::Store::pushes`].
    pub pushes: bool,
}

impl Commit {
    /// What a sync saves.
    pub fn of_sync(
        request: &Request,
        loaded: &Rows,
        rows: &Rows,
        synced: Synced,
        now: Timestamp,
    ) -> Result<Self, StoreError> {
        let entries = new_entries(request, synced.new_from, rows.sharing()).collect::<Result<Vec<_>, _>>()?;
        let mut commit = Self::beside_entries(request, loaded, rows, synced, now)?;
        commit.entries.splice(..0, entries);
        Ok(commit)
    }

    /// What a sync saves beside the entries of its batch.
    pub fn beside_entries(
        request: &Request,
        loaded: &Rows,
        rows: &Rows,
        synced: Synced,
        now: Timestamp,
    ) -> Result<Self, StoreError> {
        let mut commit = Self { rows: changed(loaded, rows), draws: synced.draws, ..Self::default() };
        commit.holds.sidecar = reporter(request, rows.sharing()).unwrap_or(SOLE);
        for (index, entry) in request.batch.entries.iter().enumerate().skip(synced.new_from) {
            commit.holds.take(entry).map_err(|cause| refused(request, index, cause))?;
        }
        commit.entries.extend(synced.changes.iter().map(|change| LedgerEntry::of_change(change, None, now)));
        commit.contested = synced.pending.contested.iter().map(|at| at - synced.new_from).collect();
        commit.entries.extend(synced.pending.orphaned.iter().map(|pending| LedgerEntry::of_orphan(pending, now)));
        commit.pushes = synced.pending.calls(request.sidecar);
        commit.pending = synced.pending;
        Ok(commit)
    }

    /// What a change of control saves.
    pub fn of_control(done: &Done, actor: &Actor, loaded: &Rows, rows: &Rows, now: Timestamp) -> Self {
        let entries = done.changes.iter().map(|change| LedgerEntry::of_change(change, Some(actor), now)).collect();
        let rows_changed = changed(loaded, rows);
        let pushes = rows.sharing() == Sharing::Many && !rows_changed.is_empty();
        let mut commit = Self { rows: rows_changed, entries, pushes, ..Self::default() };
        done.changes.iter().for_each(|change| commit.end_abandoned(change));
        commit
    }

    fn end_abandoned(&mut self, change: &Change) {
        match change {
            Change::HoldEnded(ended) => {
                let Abandoned { sidecar, operation, .. } = &ended.hold;
                self.holds.sidecar = *sidecar;
                self.holds.ended.insert((operation.scope.to_string(), operation.id.clone()));
                self.pending.done.extend(ended.pending.map(|key| (*sidecar, key)));
            }
            Change::EndOrphaned(pending) => self.pending.done.push((pending.owner, pending.key)),
            _ => {}
        }
    }

    /// Draws that are the first of their ids, with the entries that begin them; without those that the same
    /// commit undoes.
    pub fn begun(&self) -> impl Iterator<Item = (Operation, &LedgerEntry)> {
        let undone: BTreeSet<_> = self.undone().collect();
        let begins = |entry: &LedgerEntry| matches!(entry.kind, Kind::Debited | Kind::Held);
        let entries = self.entries.iter().enumerate();
        let entries = entries.filter(move |(at, entry)| begins(entry) && !self.contested.contains(at));
        let begun = entries.filter_map(|(_, entry)| Some((operation(entry)?, entry)));
        begun.filter(move |(operation, _)| !undone.contains(operation))
    }

    /// Draws that its entries undo.
    pub fn undone(&self) -> impl Iterator<Item = Operation> {
        self.entries.iter().filter(|entry| entry.kind == Kind::Voided).filter_map(operation)
    }

    /// Whether there is nothing to save.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.entries.is_empty() && self.pending.is_empty()
    }
}

/// The operation that an entry names.
fn operation(entry: &LedgerEntry) -> Option<Operation> {
    let user = || entry.member.clone().map(Scope::User);
    let scope = entry.team.clone().map(Scope::Team).or_else(user)?;
    Some(Operation { scope, id: entry.id.clone()? })
}

/// The entries of a report from one on, as the ledger keeps them.
pub fn new_entries(
    request: &Request,
    new_from: usize,
    sharing: Sharing,
) -> impl ExactSizeIterator<Item = Result<LedgerEntry, StoreError>> + Clone {
    let sidecar = reporter(request, sharing);
    request.batch.entries.iter().enumerate().skip(new_from).map(move |(index, entry)| {
        let entry = LedgerEntry::of_entry(entry, request.incarnation, request.batch.first + index as u64);
        let entry = entry.map_err(|cause| refused(request, index, cause))?;
        Ok(LedgerEntry { sidecar, ..entry })
    })
}

/// Who reported, where a store serves many.
fn reporter(request: &Request, sharing: Sharing) -> Option<u128> {
    (sharing == Sharing::Many).then_some(request.sidecar)
}

fn refused(request: &Request, index: usize, cause: &'static str) -> StoreError {
    let seq = request.batch.first + index as u64;
    StoreError::rejected("taking an entry", format!("journal entry {seq}"), cause)
}

/// The rows that a rule put and that are not as they were loaded.
pub fn changed(loaded: &Rows, rows: &Rows) -> Vec<Row> {
    let mut changed = rows.changed();
    changed.retain(|row| !is_loaded(loaded, row));
    changed
}

fn is_loaded(loaded: &Rows, row: &Row) -> bool {
    match row {
        Row::Sidecar(row) => loaded.sidecar(row.id) == Ok(Some(row)),
        Row::Root(row) => loaded.root().as_ref() == Ok(row),
        Row::MemberFunds(row) => loaded.member_funds(&row.team, &row.user) == Ok(Some(row)),
        Row::Subscription(row) => loaded.subscription(&row.id) == Ok(Some(row)),
        Row::Purchase(row) => loaded.purchase(&row.subscription, &row.id) == Ok(Some(row)),
        Row::Team(row) => loaded.team(&row.id) == Ok(Some(row)),
        Row::Member(team, row) => loaded.member(team, &row.user) == Ok(Some(row)),
        Row::Owned(..) | Row::Begun(..) | Row::Pending(_) | Row::Hold(_) => true,
    }
}
