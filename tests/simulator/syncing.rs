//! What the sync task does: returns and wants are planned, deducted and told with a batch of entries;
//! an answer is taken over once, and who waits asks again.

use purser::domain::{Credits, Timestamp};
use purser::lease::{Standing, holding, plan};
use purser::root::sync::{Batch, Reply, Request, SyncRefusal};
use purser::root::{Flags, Lease, MemberShare, Position, Shares, Want};

use super::lender::Lenders;
use super::process::{Need, Phase, Process, Shared};
use super::store::Store;
use super::world::{SUBSCRIPTION, TEAM, USERS, id, team, user};

#[cfg(feature = "faults")]
use purser::root::faults::{Fault, has};

/// Entries of a batch, small so that many syncs take several.
pub const BATCH_MAX: usize = 12;

/// A round trip as a sidecar expects it.
pub const ROUND_TRIP_MILLIS: u64 = 20;

impl Process {
    /// One sync's request.
    pub fn request(&mut self, shared: &mut Shared, now: Timestamp) -> Request {
        self.expire(shared, now);
        holding::return_ended(&mut self.book, now);
        self.members.iter_mut().for_each(|draws| holding::return_ended_of_member(draws, now));
        // The store must never have an entry that a loss of power takes from the journal.
        (self.disk.written, self.disk.synced) = (self.disk.entries.len(), self.disk.entries.len());
        let confirmed = usize::try_from(self.confirmed).expect("few entries");
        let rest = &self.disk.entries[confirmed.min(self.disk.entries.len())..];
        let batch = Batch { first: self.confirmed + 1, entries: rest.iter().take(BATCH_MAX).cloned().collect() };
        let is_last = batch.entries.len() == rest.len();
        let mut request = Request { sidecar: self.id, incarnation: self.incarnation, batch, ..Request::default() };
        if !is_last {
            let mut shares = self.session.within("host");
            self.tabs.tell(&mut shares, "lender");
            request.shares = Some(shares);
            return request;
        }
        let mut shares = self.session.begin("host", shared.mono);
        let want = self.plan_pool(now);
        let mut positions = holding::positions(&self.book);
        self.twist(&mut positions, want.0);
        shares.funds.insert(id(SUBSCRIPTION), positions);
        shares.wants.extend(want.1.map(|want| (id(SUBSCRIPTION), want)));
        for (at, name) in USERS.iter().enumerate() {
            let share = self.plan_member(at, now);
            shares.members.insert((team(TEAM), user(name)), share);
        }
        self.tabs.tell(&mut shares, "lender");
        request.shares = Some(shares);
        request
    }

    #[cfg(not(feature = "faults"))]
    fn twist(&self, _positions: &mut [Position], _given_back: Credits) {}

    /// Seeded mistakes of what is told.
    #[cfg(feature = "faults")]
    fn twist(&self, positions: &mut [Position], given_back: Credits) {
        let Some(last) = positions.last_mut() else { return };
        if has(Fault::ReturnAfterAck) {
            last.returned = last.returned.plus(given_back);
        }
        if has(Fault::GrantsAsDeltas) {
            last.granted = Credits::ZERO;
        }
        if has(Fault::ForgetLives) {
            last.granted = last.granted.saturating_sub(self.lent_before);
        }
    }

    fn plan_pool(&mut self, now: Timestamp) -> (Credits, Option<Want>) {
        let free = self.book.free(now);
        let (need, waiting) = (&mut self.pool, self.waiting.map_or(Credits::ZERO, |waiting| waiting.credits));
        let (give_back, want) = need.plan(free, waiting, Credits::ZERO, now);
        if let Some(start) = self.book.current(now).map(|funds| funds.window.start) {
            #[cfg(feature = "faults")]
            if has(Fault::ReturnAfterAck) {
                return (give_back, want);
            }
            self.book.give_up(start, give_back);
        }
        (give_back, want)
    }

    fn plan_member(&mut self, at: usize, now: Timestamp) -> MemberShare {
        let waiting =
            self.waiting.filter(|waiting| waiting.user == at).map_or(Credits::ZERO, |waiting| waiting.credits);
        let window = self.book.funds.last().map(|funds| funds.window).filter(|window| window.contains(now));
        let mut asked = None;
        if let Some(window) = window {
            let draws = &mut self.members[at];
            let free = draws
                .share(window.start)
                .map_or(Credits::ZERO, |share| share.free(draws.of(window.start).unwrap_or_default(), now));
            let (give_back, want) = self.needs[at].plan(free, waiting, self.pool.demand.top(), now);
            draws.give_up(window.start, give_back);
            asked = want.map(|want| (window, want));
        }
        MemberShare { positions: holding::member_positions(&self.members[at]), want: asked }
    }

    /// Takes an answer over; who waited asks again.
    pub fn answered(
        &mut self,
        (sent, answer): (Shares, Result<Reply, SyncRefusal>),
        before: &[Lease],
        (store, lenders): (&mut Store, &mut Lenders),
        shared: &mut Shared,
        now: Timestamp,
    ) {
        let mut reply = match answer {
            Ok(reply) => reply,
            Err(SyncRefusal::Fenced) => return self.phase = Phase::Gone,
            Err(SyncRefusal::RegisterFirst) => return self.register_again(store),
            Err(SyncRefusal::Gap { last }) => return self.confirmed = self.confirmed.min(last),
        };
        self.confirmed = self.confirmed.max(reply.acked.min(self.disk.entries.len() as u64));
        let Some(answer) = reply.shared.clone() else { return };
        if !self.session.believes(&answer) {
            return;
        }
        self.heard(&sent, &mut reply, lenders);
        assert!(before.len() < 100, "few windows");
        self.not_before = self.not_before.max(answer.now);
        if let Some(leases) = reply.leases.get(&id(SUBSCRIPTION)) {
            #[cfg(feature = "faults")]
            let leases = &self.counted_up(leases, before);
            holding::take(&mut self.book, leases);
        }
        self.pool.is_called = answer.flags.get(&id(SUBSCRIPTION)).is_some_and(is_called);
        for (at, name) in USERS.iter().enumerate() {
            if let Some(lease) = answer.members.get(&(team(TEAM), user(name))) {
                holding::take_member(&mut self.members[at], &lease.leases);
                self.needs[at].is_called = is_called(&lease.flags);
            }
        }
        self.session.follows_anew();
        self.is_behind |= answer.config > self.session.config;
        let now = now.max(self.not_before);
        if let Some(waiting) = self.waiting.take() {
            self.decide(waiting, true, shared, now);
        }
    }

    #[cfg(feature = "faults")]
    fn counted_up(&self, leases: &[Lease], before: &[Lease]) -> Vec<Lease> {
        let mut leases = leases.to_vec();
        if has(Fault::GrantsAsDeltas) {
            for lease in &mut leases {
                let seen = before.iter().find(|before| before.window == lease.window).map(|before| before.granted);
                let more = lease.granted.saturating_sub(seen.unwrap_or_default());
                let known = self.book.of(lease.window.start).map(|funds| funds.granted).unwrap_or_default();
                lease.granted = known.plus(more);
            }
        }
        leases
    }

    /// Takes over what control has changed.
    pub fn follow(&mut self, store: &Store) {
        let (number, rows) = store.config();
        for row in rows {
            match (row, &mut self.config) {
                (purser::root::Row::Team(row), Some((team, _))) => *team = row,
                (purser::root::Row::Team(team), none) => *none = Some((team, Vec::new())),
                (purser::root::Row::Member(_, member), Some((_, members))) => {
                    // What the store does not name stays.
                    members.retain(|known| known.user != member.user);
                    members.push(member);
                }
                _ => {}
            }
        }
        (self.session.config, self.is_behind) = (number, false);
    }
}

fn is_called(flags: &Flags) -> bool {
    flags.recall
}

impl Need {
    fn plan(&mut self, free: Credits, waiting: Credits, usual: Credits, now: Timestamp) -> (Credits, Option<Want>) {
        let (is_called, excess_since) = (self.is_called, self.excess_since);
        let (least, standing) = (waiting, Standing::default());
        let standing = Standing { free, least, waiting, is_called, usual, excess_since, ..standing };
        let planned = plan(&standing, &self.demand, ROUND_TRIP_MILLIS, now);
        self.excess_since = planned.excess_since;
        (planned.give_back, planned.want)
    }
}
