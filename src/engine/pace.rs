//! Where many sidecars share a pool: how each account is asked of here, what to ask the root for and to
//! return, and taking its answer over. An account is known here from its first draw until it is idle
//! and nothing of it is held.

use std::collections::{BTreeMap, BTreeSet};

use super::cells::{BookCell, TeamCell};
use super::lack::{lent_free, needs_lease, spare};
use super::lock::Mutex;
use super::log::Log;
use super::members::MemberCell;
use super::meter::Meter;
use crate::domain::{Credits, Funds, SubscriptionId, TeamId, Timestamp, UserId, Window};
use crate::lease::{Demand, Plan, Standing, holding, plan};
use crate::root::sync::Reply;
use crate::root::{Flags, Lease, MemberLease, MemberShare, Position, Want};

/// For how long after the root had nothing draws are denied without asking it again: long enough for others
/// to return what they do not need, which the root has called for.
pub const SHORT_MILLIS: u64 = 250;

/// How one account is asked of here.
#[derive(Debug)]
pub struct Pace {
    demand: Demand,
    excess_since: Option<Timestamp>,
    is_called: bool,
    /// Until when the root need not be asked: it had nothing.
    short_until: Timestamp,
}

impl Pace {
    fn new(now: Timestamp) -> Self {
        let (excess_since, is_called, short_until) = (None, false, Timestamp::MIN);
        Self { demand: Demand::new(now), excess_since, is_called, short_until }
    }

    /// Somebody asked for `credits`.
    pub fn ask(&mut self, credits: Credits, now: Timestamp) {
        self.demand.ask(credits, now);
    }

    /// Whether the root has just said that it has nothing.
    pub fn is_short(&self, now: Timestamp) -> bool {
        now < self.short_until
    }

    fn plan(&mut self, free: Credits, waiting: Waiting, round: Round) -> Plan {
        let Waiting { least, all } = waiting;
        let (is_called, excess_since) = (self.is_called || round.closes, self.excess_since);
        let standing = Standing { free, least, waiting: all, is_called, excess_since };
        let made = plan(&standing, &self.demand, round.trip_millis, round.now);
        self.excess_since = made.excess_since;
        made
    }

    /// What it wants; what has been called back is not wanted.
    pub(super) fn wants(&mut self, free: Credits, waiting: Waiting, round: Round) -> Option<Want> {
        if self.is_called || round.closes { None } else { self.plan(free, waiting, round).want }
    }

    fn take(&mut self, flags: Flags, now: Timestamp) {
        self.is_called = flags.recall;
        // What is withheld may be there: that is no reason to deny for good.
        let is_short = flags.short && !flags.withheld;
        self.short_until = if is_short { now.plus_millis(SHORT_MILLIS) } else { Timestamp::MIN };
    }

    fn is_idle(&self, now: Timestamp) -> bool {
        self.demand.idle_millis(now) >= crate::lease::pace::IDLE_MILLIS
    }
}

/// Accounts that are asked of.
#[derive(Debug, Default)]
pub struct Paced {
    pub(super) books: BTreeSet<SubscriptionId>,
    members: BTreeSet<(TeamId, UserId)>,
}

/// What waits for a lease of one account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// The smallest draw that waits; zero: none.
    pub least: Credits,
    /// All that wait.
    pub all: Credits,
}

impl Waiting {
    /// One more waits, for at least `least` of `credits`.
    pub fn add(&mut self, least: Credits, credits: Credits) {
        self.least = if self.all.is_zero() { least } else { self.least.min(least) };
        self.all = self.all.checked_add(credits).unwrap_or(Credits::MAX);
    }
}

/// What waits, by account.
#[derive(Clone, Debug, Default)]
pub struct Waits {
    /// For a subscription's funds.
    pub books: BTreeMap<SubscriptionId, Waiting>,
    /// For a part of a member's limit.
    pub members: BTreeMap<(TeamId, UserId), Waiting>,
}

/// One sync to be made.
#[derive(Clone, Copy, Debug)]
pub struct Round {
    /// When.
    pub now: Timestamp,
    /// How long a sync takes.
    pub trip_millis: u64,
    /// Everything that is held is to be named, whether it is asked of or not.
    pub tells_all: bool,
    /// Everything that is free is to be returned: this sidecar spends no more.
    pub closes: bool,
}

/// What to tell the root and to ask it for. What is returned has been deducted.
#[derive(Clone, Debug, Default)]
pub struct Telling {
    /// What is held of subscriptions.
    pub funds: BTreeMap<SubscriptionId, Vec<Position>>,
    /// What is wanted of them.
    pub wants: BTreeMap<SubscriptionId, Want>,
    /// What is held and wanted of members' limits.
    pub members: BTreeMap<(TeamId, UserId), MemberShare>,
    /// Something is wanted, or has been returned: there is a reason to sync.
    pub is_due: bool,
}

impl<L: Log> Meter<L> {
    /// How a book is asked of, from now on.
    pub(super) fn pace_book<'a>(
        &self,
        pace: &'a mut Option<Box<Pace>>,
        subscription: &SubscriptionId,
        now: Timestamp,
    ) -> &'a mut Pace {
        pace.get_or_insert_with(|| {
            self.paced.lock().books.insert(subscription.clone());
            Box::new(Pace::new(now))
        })
    }

    /// How a member's limit is asked of, from now on.
    pub(super) fn pace_member<'a>(
        &self,
        pace: &'a mut Option<Box<Pace>>,
        (team, user): (&TeamId, &UserId),
        now: Timestamp,
    ) -> &'a mut Pace {
        pace.get_or_insert_with(|| {
            self.paced.lock().members.insert((team.clone(), user.clone()));
            Box::new(Pace::new(now))
        })
    }

    /// Works out what to tell the root and to ask it for, and deducts what is returned.
    pub fn tell(&self, waits: &Waits, round: Round) -> Telling {
        let mut telling = Telling::default();
        for id in self.books_to_tell(waits, round.tells_all) {
            if let Some(cell) = self.book_cell(&id) {
                let waiting = waits.books.get(&id).copied().unwrap_or_default();
                self.tell_book(&mut cell.lock(), waiting, round, &mut telling);
            }
        }
        for (team, user) in self.members_to_tell(waits, round.tells_all) {
            let Some(cell) = self.team_cell(&team) else { continue };
            let TeamCell { pool, members, .. } = &mut *cell.lock();
            let window = pool.as_ref().and_then(|pool| Some(pool.book.lock().book.funds.last()?.window));
            let Some(member) = members.get_mut(&user) else { continue };
            let waiting = waits.members.get(&(team.clone(), user.clone())).copied().unwrap_or_default();
            self.tell_member((team, user), member, window, waiting, round, &mut telling);
        }
        telling
    }

    pub(super) fn books_to_tell(&self, waits: &Waits, all: bool) -> BTreeSet<SubscriptionId> {
        let mut ids: BTreeSet<_> = waits.books.keys().cloned().collect();
        ids.extend(self.paced.lock().books.iter().cloned());
        if all {
            ids.extend(self.books.iter().map(|cell| cell.key().clone()));
        }
        ids
    }

    fn members_to_tell(&self, waits: &Waits, all: bool) -> BTreeSet<(TeamId, UserId)> {
        let mut people: BTreeSet<_> = waits.members.keys().cloned().collect();
        people.extend(self.paced.lock().members.iter().cloned());
        if all {
            // Copied out first: a map's own lock is never held while waiting for another.
            let teams: Vec<_> = self.teams.iter().map(|cell| (cell.key().clone(), cell.value().clone())).collect();
            for (team, cell) in teams {
                let cell = cell.lock();
                let holding = cell.members.iter().filter(|(_, member)| !member.draws.shares().is_empty());
                people.extend(holding.map(|(user, _)| (team.clone(), user.clone())));
            }
        }
        people
    }

    fn tell_book(&self, cell: &mut BookCell, waiting: Waiting, round: Round, telling: &mut Telling) {
        let BookCell { book, pace, .. } = cell;
        let id = book.subscription.clone();
        holding::return_ended(book, round.now);
        let made = self.pace_book(pace, &id, round.now).plan(book.free(round.now), waiting, round);
        let start = book.funds.last().map(|funds| funds.window.start);
        if let (Some(start), false) = (start, made.give_back.is_zero()) {
            book.give_up(start, made.give_back);
        }
        telling.is_due |= made.want.is_some() || !made.give_back.is_zero() || made.is_urgent;
        telling.funds.insert(id.clone(), holding::positions(book));
        if let Some(want) = made.want.filter(|_| !round.closes) {
            telling.wants.insert(id, want);
        }
    }

    fn tell_member(
        &self,
        person: (TeamId, UserId),
        cell: &mut MemberCell,
        window: Option<Window>,
        waiting: Waiting,
        round: Round,
        telling: &mut Telling,
    ) {
        let member = cell.membership();
        let MemberCell { draws, pace, .. } = cell;
        holding::return_ended_of_member(draws, round.now);
        let free = window.map_or(Credits::ZERO, |window| lent_free(draws, window, round.now));
        let made = self.pace_member(pace, (&person.0, &person.1), round.now).plan(free, waiting, round);
        if let (Some(window), false) = (window, made.give_back.is_zero()) {
            draws.give_up(window.start, made.give_back);
        }
        let want = made.want.filter(|_| !round.closes && needs_lease(&member));
        telling.is_due |= want.is_some() || !made.give_back.is_zero();
        let want = window.filter(|window| window.contains(round.now)).zip(want);
        telling.members.insert(person, MemberShare { positions: holding::member_positions(draws), want });
    }

    /// Takes the root's answer over; answers whether something is free here that was called back. Accounts
    /// that are idle here and of which nothing is held are not told of any more.
    pub fn take(&self, reply: &Reply, now: Timestamp) -> bool {
        let none = Default::default();
        let shared = reply.shared.as_deref().unwrap_or(&none);
        let mut is_called = false;
        for (id, leases) in &reply.leases {
            if let Some(cell) = self.book_cell(id) {
                let flags = shared.flags.get(id).copied().unwrap_or_default();
                let cell = &mut *cell.lock();
                if shared.blocks.contains_key(id) {
                    // What a block that was called back has brought is to be returned, also where nobody asks.
                    self.pace_book(&mut cell.pace, id, now);
                }
                is_called |= self.take_book(cell, leases, flags, now);
            }
        }
        for (person, lease) in &shared.members {
            if let Some(cell) = self.team_cell(&person.0)
                && let Some(member) = cell.lock().members.get_mut(&person.1)
            {
                is_called |= self.take_member(person, member, lease, now);
            }
        }
        is_called
    }

    fn take_book(&self, cell: &mut BookCell, leases: &[Lease], flags: Flags, now: Timestamp) -> bool {
        let BookCell { book, pace, .. } = cell;
        holding::take(book, leases);
        let is_done = pace.as_mut().is_some_and(|pace| {
            pace.take(flags, now);
            pace.is_idle(now) && book.funds.iter().all(is_returned)
        });
        if is_done {
            *pace = None;
            self.paced.lock().books.remove(&book.subscription);
        }
        flags.recall && !book.free(now).is_zero()
    }

    fn take_member(
        &self,
        person: &(TeamId, UserId),
        cell: &mut MemberCell,
        lease: &MemberLease,
        now: Timestamp,
    ) -> bool {
        let MemberCell { draws, pace, .. } = cell;
        holding::take_member(draws, &lease.leases);
        let shares = draws.shares();
        let is_done = pace.as_mut().is_some_and(|pace| {
            pace.take(lease.flags, now);
            let is_free = |start| draws.of(start).is_none_or(|draws| draws.tally().held.is_zero());
            pace.is_idle(now)
                && shares.iter().all(|share| is_free(share.window.start) && spare(draws, share.window).is_zero())
        });
        if is_done {
            *pace = None;
            self.paced.lock().members.remove(person);
        }
        lease.flags.recall && shares.iter().any(|share| !lent_free(draws, share.window, now).is_zero())
    }
}

fn is_returned(funds: &Funds) -> bool {
    funds.draws.tally().held.is_zero() && funds.lent() <= funds.draws.used()
}

/// The set of accounts that are asked of, behind its own short lock: the last one taken.
pub(super) type PacedLock = Mutex<Paced>;
