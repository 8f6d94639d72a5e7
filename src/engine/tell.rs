//! What to tell the root, to ask it for and to return where many sidecars share a pool, and taking its answer over.

use std::collections::{BTreeMap, BTreeSet};

use super::cells::{BookCell, TeamCell};
use super::lack::{lent_free, needs_lease, spare};
use super::log::Log;
use super::members::MemberCell;
use super::meter::Meter;
use super::pace::{Pace, Round, Waiting, Waits};
use crate::domain::{Credits, Funds, MemberDraws, SubscriptionId, TeamId, Timestamp, UserId};
use crate::lease::holding;
use crate::root::sync::Reply;
use crate::root::{Flags, Lease, Leased, MemberLease, MemberShare, Position, Want};

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
    /// Works out what to tell the root and to ask it for, and deducts what is returned.
    pub fn tell(&self, waits: &Waits, round: Round) -> Telling {
        let (mut telling, is_crowded) = (Telling::default(), self.paced.lock().is_crowded());
        for account in self.accounts_to_tell(waits, round) {
            match account {
                Leased::Funds(id) => {
                    let Some(cell) = self.book_cell(&id) else { continue };
                    let cell = &mut *cell.lock();
                    cell.pace.as_mut().into_iter().for_each(|pace| pace.turn(is_crowded, round.now));
                    let waiting = waits.books.get(&id).copied().unwrap_or_default();
                    self.tell_book(cell, waiting, round, &mut telling);
                }
                Leased::Limit(team, user) => {
                    let Some(cell) = self.team_cell(&team) else { continue };
                    let TeamCell { pool, members, paces, .. } = &mut *cell.lock();
                    let Some(number) = members.find(&user) else { continue };
                    let (member, pace) = (members.cell_mut(number), paces.of(number));
                    pace.as_mut().into_iter().for_each(|pace| pace.turn(is_crowded, round.now));
                    let waiting = waits.members.get(&(team.clone(), user.clone())).copied().unwrap_or_default();
                    let pool = pool.as_ref().map(|pool| pool.book.lock());
                    self.tell_member((team, user), (member, pace), pool.as_deref(), waiting, round, &mut telling);
                }
            }
        }
        telling
    }

    /// Pools come before members: so do the root's rows.
    fn accounts_to_tell(&self, waits: &Waits, round: Round) -> BTreeSet<Leased> {
        let mut accounts: BTreeSet<_> = waits.books.keys().cloned().map(Leased::Funds).collect();
        accounts.extend(waits.members.keys().map(|(team, user)| Leased::Limit(team.clone(), user.clone())));
        {
            let paced = &mut *self.paced.lock();
            match round.closes {
                true => accounts.extend(paced.all().cloned()),
                false => accounts.extend(paced.told().cloned()),
            }
            if round.is_turn {
                accounts.extend(paced.turn());
            }
        }
        if round.tells_all {
            accounts.extend(self.books.iter().map(|cell| Leased::Funds(cell.key().clone())));
            // Copied out first: a map's own lock is never held while waiting for another.
            let teams: Vec<_> = self.teams.iter().map(|cell| (cell.key().clone(), cell.value().clone())).collect();
            for (team, cell) in teams {
                let cell = cell.lock();
                let holding = cell.members.iter().filter(|(_, member)| !member.draws.shares().is_empty());
                accounts.extend(holding.map(|(user, _)| Leased::Limit(team.clone(), user.clone())));
            }
        }
        accounts
    }

    pub(super) fn books_to_tell(&self, waits: &Waits) -> BTreeSet<SubscriptionId> {
        let mut ids: BTreeSet<_> = waits.books.keys().cloned().collect();
        let of_pool = |account: &Leased| match account {
            Leased::Funds(id) => Some(id.clone()),
            Leased::Limit(..) => None,
        };
        ids.extend(self.paced.lock().told().filter_map(of_pool));
        ids
    }

    fn tell_book(&self, cell: &mut BookCell, waiting: Waiting, round: Round, telling: &mut Telling) {
        let BookCell { book, pace, .. } = cell;
        let id = book.subscription.clone();
        if pace.is_none() && book.funds.is_empty() {
            telling.funds.insert(id, Vec::new());
            return;
        }
        holding::return_ended(book, round.now);
        if round.tells_all {
            // With every sync until the root answers: it may not know the account, and wait for what is held of it.
            self.pace_book(pace, &id, round.now);
        }
        let pace = pace.get_or_insert_with(|| self.pace_anew(Leased::Funds(id.clone()), round.now));
        let made = pace.plan(book.free(round.now), waiting, Credits::ZERO, round);
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
        (cell, pace): (&mut MemberCell, &mut Option<Box<Pace>>),
        pool: Option<&BookCell>,
        waiting: Waiting,
        round: Round,
        telling: &mut Telling,
    ) {
        let member = cell.membership();
        let draws = &mut cell.draws;
        holding::return_ended_of_member(draws, round.now);
        let window = pool.and_then(|pool| Some(pool.book.funds.last()?.window));
        let usual = pool.and_then(|pool| pool.pace.as_deref()).map_or(Credits::ZERO, Pace::usual);
        let free = window.map_or(Credits::ZERO, |window| lent_free(draws, window, round.now));
        let account = || Leased::Limit(person.0.clone(), person.1.clone());
        let pace = pace.get_or_insert_with(|| self.pace_anew(account(), round.now));
        let made = pace.plan(free, waiting, usual, round);
        if let (Some(window), false) = (window, made.give_back.is_zero()) {
            draws.give_up(window.start, made.give_back);
        }
        let want = made.want.filter(|_| !round.closes && needs_lease(&member));
        telling.is_due |= want.is_some() || !made.give_back.is_zero();
        let want = window.filter(|window| window.contains(round.now)).zip(want);
        telling.members.insert(person, MemberShare { positions: holding::member_positions(draws), want });
    }

    /// Takes the root's answer over; answers whether something is free here that was called back. Accounts
    /// that idle here are told of in turn from then on, or not any more.
    pub fn take(&self, reply: &Reply, now: Timestamp) -> bool {
        let none = Default::default();
        let shared = reply.shared.as_deref().unwrap_or(&none);
        let mut is_called = false;
        for (id, leases) in &reply.leases {
            if let Some(cell) = self.book_cell(id) {
                let mut flags = shared.flags.get(id).copied().unwrap_or_default();
                let cell = &mut *cell.lock();
                if let Some(blocks) = shared.blocks.get(id) {
                    // What a block that was called back has brought is to be returned, also where nobody ever asked.
                    let is_asked = self.pace_book(&mut cell.pace, id, now).is_known();
                    flags.recall |= !is_asked && blocks.iter().any(|block| block.is_called);
                }
                is_called |= self.take_book(cell, leases, flags, now);
            }
        }
        for (person, lease) in &shared.members {
            if let Some(cell) = self.team_cell(&person.0)
                && let TeamCell { members, paces, .. } = &mut *cell.lock()
                && let Some(number) = members.find(&person.1)
            {
                let of_member = (&mut members.cell_mut(number).draws, paces.of(number));
                is_called |= self.take_member(person, of_member, lease, now);
            }
        }
        is_called
    }

    fn take_book(&self, cell: &mut BookCell, leases: &[Lease], flags: Flags, now: Timestamp) -> bool {
        let BookCell { book, pace, .. } = cell;
        holding::take(book, leases);
        let is_free = book.funds.iter().any(|funds| !is_spent(funds));
        let account = || Leased::Funds(book.subscription.clone());
        self.place(pace, account, (flags, is_free), now);
        flags.recall && !book.free(now).is_zero()
    }

    fn take_member(
        &self,
        person: &(TeamId, UserId),
        (draws, pace): (&mut MemberDraws, &mut Option<Box<Pace>>),
        lease: &MemberLease,
        now: Timestamp,
    ) -> bool {
        holding::take_member(draws, &lease.leases);
        let shares = draws.shares();
        let is_free = shares.iter().any(|share| !spare(draws, share.window).is_zero());
        let account = || Leased::Limit(person.0.clone(), person.1.clone());
        self.place(pace, account, (lease.flags, is_free), now);
        lease.flags.recall && shares.iter().any(|share| !lent_free(draws, share.window, now).is_zero())
    }
}

fn is_spent(funds: &Funds) -> bool {
    let draws = &funds.draws;
    funds.lent() <= draws.used().plus(draws.tally().held)
}
