//! Reading what stands: a member's balance, and what metrics and loops look at.

use std::sync::Arc;

use super::cells::BookCell;
use super::drawn::{Remaining, remaining};
use super::lock::Mutex;
use super::log::Log;
use super::members::MemberCell;
use super::meter::{Meter, Scope};
use super::operations::Operations;
use crate::domain::{
    Access, Asker, Book, Credits, Features, Member, MemberDraws, OperationId, Payer, Role, SubscriptionId, TeamId,
    Timestamp, UserId, Window,
};

/// What a member may still do, and what it did in this window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberBalance {
    /// As control last left it.
    pub member: Member,
    /// The access in effect.
    pub access: Access,
    /// The features in effect.
    pub features: Features,
    /// Whose credits pay.
    pub payer: Payer,
    /// What the member drew on the pool in this window.
    pub used: Credits,
    /// What its open holds on the pool set aside.
    pub held: Credits,
    /// What is left.
    pub remaining: Remaining,
    /// The payer's window; `None` without a payer, or while a sync must come first.
    pub window: Option<Window>,
}

/// How many operations are forgotten under one lock.
const FORGOTTEN_MAX: usize = 1_000;

/// What stands in memory, summed for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Teams known.
    pub teams: u64,
    /// Subscriptions known.
    pub subscriptions: u64,
    /// Holds open.
    pub open_holds: u64,
    /// Operations remembered.
    pub operations: u64,
    /// When the oldest of them was entered.
    pub oldest: Option<Timestamp>,
    /// Debt of all books, in micro-credits.
    pub debt_micros: i64,
    /// What may be spent of all books, in micro-credits.
    pub free_micros: i64,
    /// What of all books is in suspense here, in micro-credits.
    pub lost_micros: i64,
}

impl<L: Log> Meter<L> {
    /// A member's balance; `None` when there is no such member.
    pub fn member_balance(&self, team: &TeamId, user: &UserId, now: Timestamp) -> Option<MemberBalance> {
        let cell = self.team_cell(team)?;
        let cell = cell.lock();
        let number = cell.members.find(user)?;
        let found = cell.members.cell(number);
        let membership = found.membership();
        if membership.removed {
            return None;
        }
        let asker = Asker { user, place: Some((&cell.team, membership)) };
        let owned = self.owned_by(user);
        let book = match asker.payer() {
            Payer::Pool => cell.pool.as_ref().map(|pool| Arc::clone(&pool.book)),
            Payer::Wallet => owned.as_ref().and_then(|owned| self.book_cell(&owned.subscription)),
        };
        let pool_window = cell.pool.as_ref().and_then(|pool| Some(pool.book.lock().book.current(now)?.window));
        let book = book.as_ref().map(|book| book.lock());
        let book = book.as_deref().map(|cell| &cell.book);
        let draws = pool_window.and_then(|window| found.draws.of(window.start));
        Some(MemberBalance {
            member: cell.members.member(number),
            access: asker.access(),
            features: if asker.access() == Access::Seat {
                cell.features
            } else {
                owned.map_or(Features::default(), |owned| owned.features)
            },
            payer: asker.payer(),
            used: draws.map_or(Credits::ZERO, |draws| draws.used()),
            held: draws.map_or(Credits::ZERO, |draws| draws.held(now)),
            remaining: remaining(asker.payer(), membership.limit, book, Some(&found.draws), now),
            window: book.and_then(|book| book.current(now)).map(|funds| funds.window),
        })
    }

    /// Whether the lease that pays for a member has run out, and of which subscription.
    pub fn needs_sync(&self, team: Option<&TeamId>, user: &UserId, now: Timestamp) -> Vec<SubscriptionId> {
        let pool = team
            .and_then(|team| self.team_cell(team))
            .and_then(|cell| cell.lock().pool.as_ref().map(|pool| Arc::clone(&pool.book)));
        let own = self.owned_by(user).and_then(|owned| self.book_cell(&owned.subscription));
        let ended = |cell: Arc<Mutex<BookCell>>| {
            let cell = cell.lock();
            cell.book.current(now).is_none().then(|| cell.book.subscription.clone())
        };
        [pool, own].into_iter().flatten().filter_map(ended).collect()
    }

    /// Every scope that has operations, for the loops that expire and forget.
    pub fn scopes(&self) -> Vec<Scope> {
        let teams = self.teams.iter().map(|cell| Scope::Team(cell.key().clone()));
        let users = self.owned.iter().map(|owned| Scope::User(owned.key().clone()));
        teams.chain(users).collect()
    }

    /// Enters the expiries of a scope that are due, forgets what lies before the horizon, and adds
    /// the scope to `totals`.
    pub fn tend(&self, scope: &Scope, now: Timestamp, totals: &mut Totals) -> usize {
        let is_due = self.with_scope(scope, |operations| operations.due(now).is_some()).unwrap_or(false);
        let expired = if is_due { self.expire(scope, now) } else { 0 };
        // Some at a time, so that no draw waits for many.
        let forget = |operations: &mut Operations| operations.forget(self.horizon(now), FORGOTTEN_MAX);
        while self.with_scope(scope, forget) == Some(FORGOTTEN_MAX) {}
        self.with_scope(scope, |operations| {
            totals.open_holds += operations.open_holds() as u64;
            totals.operations += operations.len() as u64;
            totals.oldest = totals.oldest.into_iter().chain(operations.oldest()).min();
        });
        expired
    }

    fn with_scope<T>(&self, scope: &Scope, act: impl FnOnce(&mut Operations) -> T) -> Option<T> {
        match scope {
            Scope::Team(team) => Some(act(&mut self.team_cell(team)?.lock().operations)),
            Scope::User(user) => {
                let owned = self.owned_by(user)?;
                Some(act(&mut self.book_cell(&owned.subscription)?.lock().operations))
            }
        }
    }

    /// Sums of teams, subscriptions and their books; holds and operations are added by [`Meter::tend`].
    pub fn totals(&self, now: Timestamp) -> Totals {
        // Copied out first: a map's own lock is never held while waiting for another.
        let books: Vec<_> = self.books.iter().map(|cell| Arc::clone(&cell)).collect();
        let (teams, subscriptions) = (self.teams.len() as u64, books.len() as u64);
        let mut totals = Totals { teams, subscriptions, ..Totals::default() };
        for cell in &books {
            let book = &cell.lock().book;
            let lost = book.funds.iter().map(|funds| funds.lost.micros());
            totals.debt_micros = totals.debt_micros.saturating_add(book.debt(now).micros());
            totals.free_micros = totals.free_micros.saturating_add(book.free(now).micros());
            totals.lost_micros = lost.fold(totals.lost_micros, i64::saturating_add);
        }
        totals
    }
}

/// Where a user stands in a team.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// There is no such team.
    NoTeam,
    /// The user is not in it.
    Stranger,
    /// The user is a member with this role.
    Member(Role),
}

impl<L: Log> Meter<L> {
    /// Where a user stands in a team, for the rules of roles.
    pub fn standing(&self, team: &TeamId, user: &UserId) -> Standing {
        let Some(cell) = self.team_cell(team) else { return Standing::NoTeam };
        let cell = cell.lock();
        let found = cell.members.get(user).map(MemberCell::membership).filter(|found| !found.removed);
        found.map_or(Standing::Stranger, |found| Standing::Member(found.role))
    }

    /// Who drew an operation; `None` when it is not known in this scope.
    pub fn drawer(&self, scope: &Scope, id: &OperationId) -> Option<UserId> {
        let key = self.key(id);
        match scope {
            Scope::Team(team) => {
                let cell = self.team_cell(team)?;
                let cell = cell.lock();
                let known = cell.operations.get(key).filter(|known| known.is_answered())?;
                Some(cell.members.user(known.by.member).clone())
            }
            Scope::User(user) => {
                let cell = self.book_cell(&self.owned_by(user)?.subscription)?;
                let cell = cell.lock();
                let known = cell.operations.get(key).filter(|known| known.is_answered())?;
                Some(cell.owners[known.by.member].clone())
            }
        }
    }

    /// Whether there is such a team.
    pub fn has_team(&self, team: &TeamId) -> bool {
        self.teams.contains_key(team)
    }

    /// The subscription that is a team's pool.
    pub fn pool_of(&self, team: &TeamId) -> Option<SubscriptionId> {
        self.team_cell(team)?.lock().team.subscription.clone()
    }

    /// The subscription whose credits are a user's own: none while it is a team's pool (rule 7).
    pub fn wallet_of(&self, user: &UserId) -> Option<SubscriptionId> {
        let owned = self.owned_by(user)?;
        let cell = self.book_cell(&owned.subscription)?;
        let is_own = cell.lock().book.team.is_none();
        is_own.then_some(owned.subscription)
    }

    /// What a subscription's open holds set aside in the current window, and what may still be drawn.
    pub fn book_balance(&self, id: &SubscriptionId, now: Timestamp) -> (Credits, Credits) {
        let Some(cell) = self.book_cell(id) else { return (Credits::ZERO, Credits::ZERO) };
        let cell = cell.lock();
        let held = cell.book.current(now).map_or(Credits::ZERO, |funds| funds.draws.held(now));
        (held, cell.book.free(now))
    }
}

impl<L: Log> Meter<L> {
    /// A copy of a subscription's book as it stands, for audits.
    pub fn book(&self, id: &SubscriptionId) -> Option<Book> {
        Some(self.book_cell(id)?.lock().book.clone())
    }

    /// A copy of what a member, removed or not, drew on the pool by window, for audits.
    pub fn member_draws(&self, team: &TeamId, user: &UserId) -> Option<MemberDraws> {
        let cell = self.team_cell(team)?;
        let cell = cell.lock();
        cell.members.get(user).map(|found| found.draws.clone())
    }
}
