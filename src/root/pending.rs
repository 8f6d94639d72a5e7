//! What a sidecar has yet to enter because of what another one entered: a draw of its own to undo, or the
//! end of a draw that somebody asked another sidecar for. It stays here until its owner has said what came of
//! it, so that it is done once whatever gets lost. See docs/decisions/0011-one-operation.md.

use std::collections::BTreeMap;

use super::begun::{self, Begun, contested, operation};
use super::rows::{Key, Missing, Rows};
use super::share::Shares;
use super::sidecar::{Sidecar, State};
use super::sync::Request;
use crate::domain::{AskedEnd, Entry, Fact, Operation, RateVersion, Timestamp};

/// The owner of what nobody is known to have entered yet.
pub const NOBODY: u128 = 0;

/// The most that one answer asks a sidecar to do; the rest follows with the next.
pub const PENDING_MAX: usize = 1_000;

/// The entry that brought it about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PendingKey {
    /// The sidecar that entered it.
    pub by: u128,
    /// Its number in that sidecar's journal.
    pub seq: u64,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// Undo a draw: another sidecar entered one under its id before.
    Void {
        /// The other one was asked with other content.
        reused: bool,
    },
    /// End a draw as was asked elsewhere.
    End(AskedEnd),
}

/// How far a sidecar was when an end was asked for elsewhere: once it has made two more syncs, the second of
/// which began after that, all that it had entered before has been told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heard {
    /// The sidecar.
    pub sidecar: u128,
    /// Its incarnation then.
    pub incarnation: u64,
    /// Its last sync then.
    pub beat: u64,
}

impl Heard {
    /// Whether all that it had entered then has been told.
    fn has_told(&self, sidecars: &BTreeMap<u128, &Sidecar>) -> bool {
        let Some(now) = sidecars.get(&self.sidecar) else { return true };
        let beats = if now.incarnation == self.incarnation { self.beat + 2 } else { 2 };
        !may_tell(now) || now.incarnation >= self.incarnation && now.beat >= beats
    }
}

/// Whether a sidecar may yet tell of what it has entered.
fn may_tell(sidecar: &Sidecar) -> bool {
    matches!(sidecar.state, State::Open | State::Quarantined)
}

/// Something that a sidecar has yet to enter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    /// Who is to do it; [`NOBODY`] while that is not known.
    pub owner: u128,
    /// What brought it about.
    pub key: PendingKey,
    /// The operation that is to end or to be undone.
    pub operation: Operation,
    /// What is to be done.
    pub what: What,
    /// The version of the rate card that priced it, where it is a settle that told what was used.
    pub rates: Option<RateVersion>,
    /// When it was asked for.
    pub at: Timestamp,
    /// While the owner is not known: who may yet tell that it entered the operation.
    pub heard: Vec<Heard>,
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It has been entered.
    Entered,
    /// It came too late, or asked for what cannot be: the draw has ended otherwise.
    Dropped,
    /// No such draw is known to its owner.
    Unknown,
}

/// What one sync does to what is pending.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PendingChanges {
    /// New, or with another owner.
    pub put: Vec<Pending>,
    /// Done with: whose they were, and which.
    pub done: Vec<(u128, PendingKey)>,
    /// Ends for which no draw turned up.
    pub orphaned: Vec<Pending>,
    /// Draws of which another sidecar has entered one before: their places among the batch's entries.
    pub contested: Vec<usize>,
}

impl PendingChanges {
    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.put.is_empty() && self.done.is_empty()
    }

    /// Whether another sidecar has got something to do.
    pub fn calls(&self, sidecar: u128) -> bool {
        self.put.iter().any(|pending| pending.owner != sidecar && pending.owner != NOBODY)
    }
}

/// The rows that a sync will ask for, as far as the request tells.
pub fn first(request: &Request, now: Timestamp) -> Vec<Key> {
    if request.shares.is_none() {
        return Vec::new();
    }
    let mut keys = vec![Key::Pending(request.sidecar), Key::Pending(NOBODY)];
    keys.extend(begun::draws(request, now));
    keys
}

/// All that [`sync`] reads is there.
pub(super) fn need(rows: &Rows, request: &Request, now: Timestamp) -> Result<(), Missing> {
    let Some(shares) = &request.shares else { return Ok(()) };
    rows.pending(request.sidecar)?;
    let unowned = rows.pending(NOBODY)?;
    if let Some(key) = begun::draws(request, now) {
        rows.begun(&key)?;
    }
    let asked = request.batch.entries.iter().filter(|entry| matches!(entry.fact, Fact::EndAsked { .. }));
    let mut ended: Vec<_> = asked.map(operation).collect();
    ended.extend(unowned.iter().map(|pending| pending.operation.clone()));
    if !ended.is_empty() {
        drop(rows.sidecars()?);
    }
    if let Some(key) = begun::of(shares.remembers_millis, ended, false, now) {
        rows.begun(&key)?;
    }
    Ok(())
}

/// Files what the new entries bring about, finds owners, and takes off what is done. Answers what changes,
/// and what the sidecar is asked to do.
pub(super) fn sync(
    rows: &Rows,
    request: &Request,
    shares: &Shares,
    new_from: usize,
    now: Timestamp,
) -> Result<(PendingChanges, Vec<Pending>), Missing> {
    let me = request.sidecar;
    let mut changes = PendingChanges::default();
    let mut mine = rows.pending(me)?.to_vec();
    for (key, outcome) in &shares.done {
        let Some(at) = mine.iter().position(|pending| pending.key == *key) else { continue };
        let pending = mine.remove(at);
        changes.done.push((me, *key));
        if *outcome == Outcome::Unknown && matches!(pending.what, What::End(_)) {
            changes.orphaned.push(pending);
        }
    }
    let new = &request.batch.entries[new_from..];
    let seq_of = |at: usize| PendingKey { by: me, seq: request.batch.first + (new_from + at) as u64 };
    for (at, reused) in contested(me, new, rows.all_begun(), shares) {
        let (entry, what) = (&new[at], What::Void { reused });
        changes.contested.push(new_from + at);
        changes.put.push(Pending { what, rates: None, ..filed(entry, seq_of(at), me) });
    }
    let asked = new.iter().enumerate().filter(|(_, entry)| matches!(entry.fact, Fact::EndAsked { .. }));
    for (at, entry) in asked {
        let Fact::EndAsked { end } = &entry.fact else { continue };
        let owner = owner_of(rows.all_begun(), &operation(entry)).unwrap_or(NOBODY);
        let heard = if owner == NOBODY { heard(rows)? } else { Vec::new() };
        let what = What::End(end.clone());
        changes.put.push(Pending { what, heard, ..filed(entry, seq_of(at), owner) });
    }
    find_owners(rows, &mut changes, shares, now)?;
    mine.extend(changes.put.iter().filter(|pending| pending.owner == me).cloned());
    mine.truncate(PENDING_MAX);
    Ok((changes, mine))
}

fn filed(entry: &Entry, key: PendingKey, owner: u128) -> Pending {
    let what = What::Void { reused: false };
    Pending { owner, key, operation: operation(entry), what, rates: entry.rates, at: entry.at, heard: Vec::new() }
}

fn owner_of(begun: &BTreeMap<Operation, Begun>, operation: &Operation) -> Option<u128> {
    begun.get(operation).map(|begun| begun.sidecar)
}

fn heard(rows: &Rows) -> Result<Vec<Heard>, Missing> {
    let heard = |s: &Sidecar| Heard { sidecar: s.id, incarnation: s.incarnation, beat: s.beat };
    Ok(rows.sidecars()?.filter(|sidecar| may_tell(sidecar)).map(heard).collect())
}

/// Ends whose draw has turned up go to who entered it; those for which none will turn up are orphaned.
fn find_owners(rows: &Rows, changes: &mut PendingChanges, shares: &Shares, now: Timestamp) -> Result<(), Missing> {
    let unowned = rows.pending(NOBODY)?;
    if unowned.is_empty() || shares.remembers_millis == 0 {
        return Ok(());
    }
    let sidecars: BTreeMap<u128, &Sidecar> = rows.sidecars()?.map(|sidecar| (sidecar.id, sidecar)).collect();
    for pending in unowned {
        let is_old = now.millis_since(pending.at) >= shares.remembers_millis;
        match owner_of(rows.all_begun(), &pending.operation) {
            Some(owner) => changes.put.push(Pending { owner, heard: Vec::new(), ..pending.clone() }),
            None if is_old || pending.heard.iter().all(|heard| heard.has_told(&sidecars)) => {
                changes.orphaned.push(pending.clone());
            }
            None => continue,
        }
        changes.done.push((NOBODY, pending.key));
    }
    Ok(())
}
