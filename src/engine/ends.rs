//! How draws end or are undone: settle, release, extend, expire, refund.

use super::cells::{BookCell, TeamCell, drawer_in, drawer_of};
use super::drawn::Remaining;
use super::known::{By, End, Key};
use super::log::Log;
use super::meter::{Meter, Scope};
use super::operations::Operations;
use super::work::Work;
use crate::domain::{Credits, OperationId, OutOfRange, Priced, Scopes, SubscriptionId, Timestamp};

/// A hold that was settled, with what its first settle answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settled {
    /// The real cost, all of it charged.
    pub charged: Credits,
    /// What of the hold was not needed.
    pub returned: Credits,
    /// What the payer could not cover.
    pub debt: Credits,
    /// At or after its expiry.
    pub late: bool,
    /// What is left now.
    pub remaining: Remaining,
    /// It had ended just so before.
    pub replayed: bool,
    /// The entry that must be durable before this is answered.
    pub seq: u64,
}

/// A hold that was released or extended, or a debit that was refunded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// What came back, or what stays set aside.
    pub credits: Credits,
    /// When the hold expires, where it still does.
    pub expires_at: Option<Timestamp>,
    /// What is left now.
    pub remaining: Remaining,
    /// It had been done just so before.
    pub replayed: bool,
    /// The entry that must be durable before this is answered.
    pub seq: u64,
}

/// Why an end or a refund is refused; nothing has changed then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndFault {
    /// No such hold or debit is known in this scope.
    #[error("no such hold or debit is known here; ids are remembered for a time only")]
    NotFound,
    /// The hold has ended otherwise.
    #[error("the hold has ended before")]
    HoldEnded(End),
    /// More would be given back than is left of the debit.
    #[error("only {left} of the debit is left to refund")]
    AboveDebit {
        /// What is left of the debit.
        left: Credits,
    },
    /// The refund's id was used for something else.
    #[error("this id was used before with other content; use a new id")]
    IdReused,
    /// A sum would be too large.
    #[error(transparent)]
    OutOfRange(#[from] OutOfRange),
    /// The lease of this subscription has run out: sync, then ask again.
    #[error("the lease of {0} has run out")]
    Short(SubscriptionId),
    /// The journal takes no entries.
    #[error("the journal takes no entries")]
    Unavailable,
}

/// Entries that one end makes at the most: the expiry of a lapsed hold, then the end.
const ENTRIES_MAX: usize = 2;

impl<L: Log> Meter<L> {
    /// Ends a hold with its real cost; never refused for lack of credits. `urged` after a sync: what
    /// is still not covered becomes debt.
    pub fn settle(
        &self,
        scope: &Scope,
        id: &OperationId,
        cost: impl Into<Priced>,
        urged: bool,
        now: Timestamp,
    ) -> Result<Settled, EndFault> {
        let cost = cost.into();
        self.on(scope, id, now, |work| work.settle(id, cost, urged))
    }

    /// Cancels a hold.
    pub fn release(&self, scope: &Scope, id: &OperationId, now: Timestamp) -> Result<Ended, EndFault> {
        self.on(scope, id, now, |work| work.release(id))
    }

    /// Gives a hold a new expiry, `ttl_millis` from now.
    pub fn extend(&self, scope: &Scope, id: &OperationId, ttl_millis: u64, now: Timestamp) -> Result<Ended, EndFault> {
        self.on(scope, id, now, |work| work.extend_to(id, work.now.plus_millis(ttl_millis)))
    }

    /// Gives back `credits` of a debit under the refund's own id, or without both all that is left.
    pub fn refund(
        &self,
        scope: &Scope,
        debit: &OperationId,
        part: Option<(&OperationId, Credits)>,
        now: Timestamp,
    ) -> Result<Ended, EndFault> {
        self.on(scope, debit, now, |work| match part {
            Some((id, credits)) => work.refund_part(debit, id, credits),
            None => work.refund_rest(debit),
        })
    }

    /// Enters the end of every hold that has expired at `now` in a scope; answers how many.
    pub fn expire(&self, scope: &Scope, now: Timestamp) -> usize {
        let mut expired = 0;
        while self.expire_one(scope, now) {
            expired += 1;
        }
        expired
    }

    /// Works on one known operation under the locks of its scope and its book.
    pub(super) fn on<T>(
        &self,
        scope: &Scope,
        id: &OperationId,
        now: Timestamp,
        act: impl FnOnce(&mut Work<'_, '_, L>) -> Result<T, EndFault>,
    ) -> Result<T, EndFault> {
        let key = self.key(id);
        self.on_key(scope, ENTRIES_MAX, now, |_| Some(key), act)
    }

    /// As [`Meter::on`], with room for `entries`.
    pub(super) fn on_key<T>(
        &self,
        scope: &Scope,
        entries: usize,
        now: Timestamp,
        key: impl FnOnce(&Operations) -> Option<Key>,
        act: impl FnOnce(&mut Work<'_, '_, L>) -> Result<T, EndFault>,
    ) -> Result<T, EndFault> {
        let mut room = self.log.reserve(entries).map_err(|_| EndFault::Unavailable)?;
        let room = &mut room;
        match scope {
            Scope::Team(team) => {
                let cell = self.team_cell(team).ok_or(EndFault::NotFound)?;
                let TeamCell { members, sources, operations, .. } = &mut *cell.lock();
                let (key, by) = self.find(operations, key, now)?;
                let drawer = drawer_in(team, members, sources, by);
                let book = self.book_cell(&drawer.subscription).ok_or(EndFault::NotFound)?;
                let member = members.cell_mut(by.member);
                let (limit, member) = (member.membership().limit, Some(&mut member.draws));
                let book = &mut book.lock().book;
                let now = now.max(book.latest);
                let scopes = Scopes { book, member };
                act(&mut Work { meter: self, room, operations, scopes, limit, key, by, drawer, now })
            }
            Scope::User(user) => {
                let owned = self.owned_by(user).ok_or(EndFault::NotFound)?;
                let cell = self.book_cell(&owned.subscription).ok_or(EndFault::NotFound)?;
                let BookCell { book, owners, operations, .. } = &mut *cell.lock();
                let (key, by) = self.find(operations, key, now)?;
                let drawer = drawer_of(book, owners, by);
                let now = now.max(book.latest);
                let scopes = Scopes { book, member: None };
                act(&mut Work { meter: self, room, operations, scopes, limit: None, key, by, drawer, now })
            }
        }
    }

    fn find(
        &self,
        operations: &mut Operations,
        key: impl FnOnce(&Operations) -> Option<Key>,
        now: Timestamp,
    ) -> Result<(Key, By), EndFault> {
        let key = key(operations).ok_or(EndFault::NotFound)?;
        operations.refresh(key, self.horizon(now));
        let known = operations.get(key).ok_or(EndFault::NotFound)?;
        Ok((key, known.by))
    }

    /// Expires one due hold; `false` when there is none, or no room for its entry.
    fn expire_one(&self, scope: &Scope, now: Timestamp) -> bool {
        let due = |operations: &Operations| operations.due(now).map(|id| self.key(id));
        self.on_key(scope, ENTRIES_MAX, now, due, |work| work.expire()).is_ok()
    }
}
