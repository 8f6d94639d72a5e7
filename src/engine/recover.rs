//! Recovery: the store's rows as of the last entry that it confirmed, then the journal after it.
//!
//! Entries that the store has are only noted, for their ids; later ones are applied. Both ways are
//! the folds of the live path (I7).

use std::sync::Arc;

use super::holds::Held;
use super::home::{Cell, Home};
use super::keys::Key;
use super::log::Log;
use super::meter::Meter;
use super::record::Header;
use super::terms::Terms;
use crate::domain::{
    Credits, Drawer, Draws, DrawsView, Entry, Fact, Hold, OperationId, Payer, Posting, Scopes, Share, Tally, TeamId,
    Timestamp, UserId,
};
use crate::lease::{Proof, holding};
use crate::root::{Lease, Sharing};

/// What a member or a subscription had drawn in one window, as the store confirmed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Drawn {
    /// A member's draws on the pool.
    Member(TeamId, UserId),
    /// A subscription's draws.
    Subscription(crate::domain::SubscriptionId),
}

/// A hold that was open at the last entry that the store confirmed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenHold {
    /// Its id.
    pub id: OperationId,
    /// When it was given.
    pub at: Timestamp,
    /// Fingerprint of the request.
    pub content: u64,
    /// Who draws, and on what.
    pub drawer: Drawer,
    /// What is set aside, where and until when.
    pub hold: Hold,
    /// What its settle is priced by, where there was a rate card.
    pub terms: Option<Terms>,
}

/// Before every entry.
const FIRST: (Timestamp, u64) = (Timestamp::MIN, 0);

/// Which entry is taken over.
#[derive(Clone, Copy, Debug)]
pub struct Numbers {
    /// Its number.
    pub seq: u64,
    /// The last one that the store has.
    pub stored: u64,
    /// When the first one was entered that may be known, and its number: unless that is forgotten, nothing is looked for that may go.
    pub first: (Timestamp, u64),
}

/// The journal and the store do not fit together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("entry {seq} of the journal does not follow from what the store has: {why}")]
pub struct Disagreement {
    /// The entry's number.
    pub seq: u64,
    /// What does not fit.
    pub why: &'static str,
}

impl<L: Log> Meter<L> {
    /// Takes over what was drawn in the window that starts at `window`. Open holds come apart.
    pub fn recover_draws(&self, drawn: &Drawn, window: Timestamp, spent: Credits, refunded: Credits) {
        match drawn {
            Drawn::Member(team, user) => {
                let Some(cell) = self.team_cell(team) else { return };
                let mut cell = cell.lock();
                if let Some(member) = cell.members.get_mut(user) {
                    member.draws.put(window, Draws::new(spent, refunded));
                }
            }
            Drawn::Subscription(subscription) => {
                let Some(cell) = self.book_cell(subscription) else { return };
                if let Some(funds) = cell.lock().book.of_mut(window) {
                    funds.draws = Draws::new(spent, refunded);
                }
            }
        }
    }

    /// Takes over what this sidecar was lent, where many share; nothing free of it may be spent.
    pub fn recover_lease(&self, drawn: &Drawn, lease: Lease) {
        if self.options.sharing == Sharing::Sole || lease.granted.is_zero() {
            return;
        }
        let Lease { window, granted, returned, lost, .. } = lease;
        match drawn {
            Drawn::Member(team, user) => {
                let Some(cell) = self.team_cell(team) else { return };
                if let Some(member) = cell.lock().members.get_mut(user) {
                    member.draws.lend(Share { window, granted, returned, lost, until: Timestamp::MIN });
                }
            }
            Drawn::Subscription(subscription) => {
                let Some(cell) = self.book_cell(subscription) else { return };
                let book = &mut cell.lock().book;
                book.lend(window, granted, returned, Timestamp::MIN);
                book.lose(window.start, lost);
            }
        }
    }

    /// After everything has been recovered: what an earlier incarnation had free is returned with the
    /// first sync, but for what it may have spent unheard.
    pub fn close_leases(&self, proof: Proof, now: Timestamp) {
        // Copied out first: a map's own lock is never held while waiting for another.
        let books: Vec<_> = self.books.iter().map(|cell| Arc::clone(&cell)).collect();
        for cell in &books {
            // Nothing waits for a ceiling: there is none.
            let _ = holding::close(&mut cell.lock().book, now, false, |_| proof);
        }
        let teams: Vec<_> = self.teams.iter().map(|cell| Arc::clone(&cell)).collect();
        for cell in &teams {
            for member in cell.lock().members.cells_mut() {
                let _ = holding::close_member(&mut member.draws, false, |_| proof);
            }
        }
    }

    /// Takes over a hold that was open; its sums are not among those of [`Meter::recover_draws`].
    pub fn recover_hold(&self, open: &OpenHold) -> Result<(), Disagreement> {
        let Hold { window, set } = open.hold;
        let disagree = |why| Disagreement { seq: 0, why };
        let recovered = self.cell(&open.drawer).and_then(|cell| {
            self.in_scope(&cell, &open.drawer, |Home { mut scopes, .. }| {
                let posting = Posting { held: Some(set), ..Posting::new(window) };
                if posting.moves_nothing() {
                    return Ok(());
                }
                let funds = scopes.book.of_mut(window).ok_or(disagree("a hold's funds are gone"))?;
                funds.draws.apply(&posting);
                if let (Payer::Pool, Some(member)) = (open.drawer.payer, &mut scopes.member) {
                    member.apply(&posting);
                }
                Ok(())
            })
        });
        recovered.ok_or(disagree("a hold's team, member or book is gone"))?
    }

    /// Remembers a hold that was open and whose own entry is no longer in the journal.
    pub fn remember_hold(&self, open: &OpenHold) {
        let (key, Some(cell)) = (self.key(&open.id), self.cell(&open.drawer)) else { return };
        self.in_scope(&cell, &open.drawer, |Home { operations, by, .. }| {
            if operations.get(key).is_none() {
                let header = Header { at: open.at, seq: 0, content: open.content, by };
                let terms = open.terms.clone();
                operations.hold(
                    key,
                    Held::new(key, header, open.id.clone(), &open.hold, terms),
                    open.hold.set.expires_at,
                );
            }
        });
    }

    /// Notes an entry that the store has: its id only.
    pub fn recover_id(&self, entry: &Entry, seq: u64) {
        self.note(seq);
        let cell = self.cell(&entry.drawer);
        let _ = self.recover(entry, cell.as_ref(), self.key(&entry.id), Numbers { seq, stored: seq, first: FIRST });
    }

    /// Applies an entry that the store lacks, and notes its id.
    pub fn recover_entry(&self, entry: &Entry, seq: u64) -> Result<(), Disagreement> {
        self.note(seq);
        let cell = self.cell(&entry.drawer);
        self.recover(entry, cell.as_ref(), self.key(&entry.id), Numbers { seq, stored: 0, first: FIRST })
    }

    /// Takes an entry over, by the cell of its drawer and the key of its id: applies it where the store lacks it, and notes its
    /// id. Entries of one team, or of one user alone, come in their order, and so do those that draw on one subscription; others
    /// may come at the same time. That the last of all has come is said with [`Meter::recovered_through`].
    pub fn recover(
        &self,
        entry: &Entry,
        cell: Option<&Cell>,
        key: Key,
        Numbers { seq, stored, first }: Numbers,
    ) -> Result<(), Disagreement> {
        let disagree = |why| Disagreement { seq, why };
        let horizon = self.horizon_at(entry.at, seq);
        if matches!(entry.fact, Fact::EndAsked { .. }) {
            self.recover_asked(entry, seq, horizon);
            return Ok(());
        }
        let recovered = cell.and_then(|cell| {
            self.in_scope(cell, &entry.drawer, |Home { mut scopes, operations, by }| {
                if seq > stored {
                    fits(&scopes, entry).map_err(disagree)?;
                    scopes.apply(entry);
                }
                if horizon.is_after(first.0, first.1) {
                    operations.forget(horizon, usize::MAX);
                }
                operations.supersede(key, entry.view());
                operations.note(|id| if *id == entry.id { key } else { self.key(id) }, entry.view(), by, seq);
                Ok(())
            })
        });
        match recovered {
            Some(recovered) => recovered,
            None if seq <= stored => Ok(()),
            None => Err(disagree("its team, member or book is unknown")),
        }
    }

    /// All entries up to this one have been taken over: from it the horizon of remembering is counted.
    pub fn recovered_through(&self, seq: u64) {
        self.note(seq);
    }
}

/// Whether the sums that an entry names follow from those that stand.
fn fits(scopes: &Scopes<'_>, entry: &Entry) -> Result<(), &'static str> {
    if entry.at < scopes.book.latest {
        return Err("it is older than the payer's entry before it");
    }
    for posting in &entry.postings {
        match scopes.book.of(posting.window) {
            None if posting.moves_nothing() => {}
            None => return Err("its window's funds are unknown"),
            Some(funds) if follows(funds.draws.view(), posting, posting.account) => {}
            Some(_) => return Err("the payer's sums differ"),
        }
        if let (Some(member), Some(draws)) = (posting.member, &scopes.member)
            && !follows(draws.of(posting.window).unwrap_or_default(), posting, member)
        {
            return Err("the member's sums differ");
        }
    }
    Ok(())
}

fn follows(before: DrawsView<'_>, posting: &Posting, after: Tally) -> bool {
    let tally = before.tally();
    let is_held = posting.unheld.is_none_or(|set| before.has_set(&set) && tally.held >= set.credits);
    let spent = tally.spent.checked_add(posting.spent);
    let is_spent = tally.refunded.checked_add(posting.refunded).is_some_and(|refunded| Some(refunded) <= spent);
    is_held && is_spent && tally.after(posting) == Some(after)
}
