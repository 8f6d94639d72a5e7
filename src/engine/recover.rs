//! Recovery: the store's rows as of the last entry that it confirmed, then the journal after it.
//!
//! Entries that the store has are only noted, for their ids; later ones are applied. Both ways are
//! the folds of the live path (I7).

use std::sync::Arc;

use super::holds::Held;
use super::home::{Cell, Home};
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
        let recovered = self.in_scope(self.cell(&open.drawer), &open.drawer, |mut scopes| {
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
        });
        recovered.ok_or(disagree("a hold's team, member or book is gone"))?.0
    }

    /// Remembers a hold that was open and whose own entry is no longer in the journal.
    pub fn remember_hold(&self, open: &OpenHold) {
        let key = self.key(&open.id);
        let found = self.in_scope(self.cell(&open.drawer), &open.drawer, |_| ());
        let Some(((), Home { cell, by })) = found else { return };
        cell.change(|operations| {
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
        let home = self.home(entry, self.cell(&entry.drawer));
        self.remember(entry, seq, home.as_ref(), FIRST);
    }

    /// Applies an entry that the store lacks, and notes its id.
    pub fn recover_entry(&self, entry: &Entry, seq: u64) -> Result<(), Disagreement> {
        let home = self.apply(entry, seq, self.cell(&entry.drawer))?;
        self.remember(entry, seq, home.as_ref(), FIRST);
        Ok(())
    }

    /// Where the id of an entry that the store has is to be noted, by the cell of its drawer.
    pub fn home(&self, entry: &Entry, cell: Option<Cell>) -> Option<Home> {
        let is_asked = matches!(entry.fact, Fact::EndAsked { .. });
        if is_asked { None } else { self.in_scope(cell, &entry.drawer, |_| ()).map(|((), home)| home) }
    }

    /// Applies an entry that the store lacks, by the cell of its drawer. Answers where its id is to be noted with [`Meter::remember`], in the order of
    /// entries, by any thread: that moves no credits, and this looks at no ids.
    pub fn apply(&self, entry: &Entry, seq: u64, cell: Option<Cell>) -> Result<Option<Home>, Disagreement> {
        let disagree = |why| Disagreement { seq, why };
        if matches!(entry.fact, Fact::EndAsked { .. }) {
            return Ok(None);
        }
        let applied = self.in_scope(cell, &entry.drawer, |mut scopes| {
            fits(&scopes, entry).map_err(disagree)?;
            scopes.apply(entry);
            Ok(())
        });
        let (applied, home) = applied.ok_or(disagree("its team, member or book is unknown"))?;
        applied.map(|()| Some(home))
    }

    /// Notes the id of an entry where it belongs. `first` is when the first one was entered that may be known, and its number:
    /// unless that is forgotten, nothing is looked for that may go.
    pub fn remember(&self, entry: &Entry, seq: u64, home: Option<&Home>, first: (Timestamp, u64)) {
        self.note(seq);
        if matches!(entry.fact, Fact::EndAsked { .. }) {
            return self.recover_asked(entry, seq);
        }
        let Some(Home { cell, by }) = home else { return };
        let (own, horizon) = (self.key(&entry.id), self.horizon(entry.at));
        cell.change(|operations| {
            if horizon.is_after(first.0, first.1) {
                operations.forget(horizon, usize::MAX);
            }
            operations.supersede(own, entry.view());
            operations.note(|id| if *id == entry.id { own } else { self.key(id) }, entry.view(), *by, seq);
        });
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
