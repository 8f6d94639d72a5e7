//! One sidecar: the real engine over a log that survives, and its conversation with the store.

use std::collections::BTreeMap;

use purser::domain::{Credits, Entry, Hold, Set, Timestamp};
use purser::engine::pace::{Round, Waiting, Waits};
use purser::engine::recover::{Drawn, OpenHold};
use purser::engine::{Log, Meter, Options};
use purser::lease::{Proof, Session};
use purser::root::pending::Outcome;
use purser::root::sync::{Batch, Reply, Request};
use purser::root::{PendingKey, Row, Shares, Sharing};
use purser::store::{Loaded, Memory, Store};

use crate::log::VecLog;
use crate::world::{REMEMBERS_MILLIS, block_on, subscription};

fn options() -> Options {
    Options { sharing: Sharing::Many, retain_millis: REMEMBERS_MILLIS, ..Options::default() }
}

pub struct Sidecar {
    pub id: u128,
    pub meter: Meter<VecLog>,
    pub acked: u64,
    incarnation: u64,
    session: Session,
    done: Vec<(PendingKey, Outcome)>,
    mono: u64,
}

impl Sidecar {
    pub fn start(id: u128, store: &Memory, now: Timestamp) -> Self {
        let meter = Meter::new(VecLog::default(), options());
        let mut sidecar =
            Self { id, meter, acked: 0, incarnation: 0, session: Session::default(), done: Vec::new(), mono: 0 };
        sidecar.restart(store, now);
        sidecar
    }

    /// Dies and comes back with its log.
    pub fn restart(&mut self, store: &Memory, now: Timestamp) {
        self.incarnation += 1;
        let registered = block_on(store.register(self.id, self.incarnation, u128::from(self.incarnation)));
        let last = registered.expect("the store answers").expect("it is the newest").last;
        let entries = self.meter.log().after(0);
        let meter = Meter::new(VecLog::default(), options());
        for entry in &entries {
            meter.log().push(&mut (), entry.view());
        }
        let holds = load(&meter, store, self.id, now);
        let mut holds = Some(holds);
        for (entry, seq) in entries.iter().zip(1..) {
            if seq > last {
                holds.take().into_iter().flatten().for_each(|hold| meter.remember_hold(&hold));
                meter.recover_entry(entry, seq).expect("the log follows from the store");
            } else {
                meter.recover_id(entry, seq);
            }
        }
        holds.take().into_iter().flatten().for_each(|hold| meter.remember_hold(&hold));
        meter.close_leases(Proof::Exact, now);
        (self.meter, self.acked, self.session, self.done) = (meter, last, Session::default(), Vec::new());
    }

    /// What it says; what it returns has been deducted.
    pub fn request(&mut self, wants: Credits, now: Timestamp) -> Request {
        let mut waits = Waits::default();
        if !wants.is_zero() {
            let mut waiting = Waiting::default();
            waiting.add(wants, wants);
            waits.books.insert(subscription(), waiting);
            waits.members.insert(crate::world::limited(), waiting);
        }
        self.mono += 10;
        let round = Round { now, trip_millis: 10, is_turn: true, tells_all: self.session.owes_all(), closes: false };
        let telling = self.meter.tell(&waits, round);
        let batch = Batch { first: self.acked + 1, entries: self.meter.log().after(self.acked) };
        let shares = Shares {
            funds: telling.funds,
            wants: telling.wants,
            members: telling.members,
            remembers_millis: REMEMBERS_MILLIS,
            done: self.done.clone(),
            ..self.session.begin("host", self.mono)
        };
        let (sidecar, incarnation) = (self.id, self.incarnation);
        Request { sidecar, incarnation, batch, wants: BTreeMap::new(), shares: Some(shares) }
    }

    /// Takes an answer over and does what it asks.
    pub fn take(&mut self, reply: &Reply, now: Timestamp) {
        self.acked = self.acked.max(reply.acked);
        let shared = reply.shared.as_deref().expect("there are many");
        if !self.session.believes(shared) {
            return;
        }
        assert_eq!(shared.regressions, 0, "the store forgets nothing");
        self.meter.take(reply, now);
        self.done.clear();
        for pending in &shared.pending {
            let outcome = self.meter.obey(pending, now).expect("there is room");
            self.done.push((pending.key, outcome));
        }
    }

    /// Whether it has nothing left to say.
    pub fn is_quiet(&self) -> bool {
        self.done.is_empty() && self.acked == self.meter.log().last()
    }

    pub fn entries(&self) -> Vec<Entry> {
        self.meter.log().after(0)
    }
}

/// Takes the store's rows over; answers the holds that are open.
fn load(meter: &Meter<VecLog>, store: &Memory, sidecar: u128, now: Timestamp) -> Vec<OpenHold> {
    let mut holds = Vec::new();
    let mut visit = |row| match row {
        Loaded::Subscription(row) => {
            meter.follow(&[Row::Subscription(row.clone())]);
            for account in &row.accounts {
                let (drawn, own) = (Drawn::Subscription(row.id.clone()), account.of(sidecar));
                meter.recover_lease(&drawn, account.lease_of(sidecar));
                meter.recover_draws(&drawn, account.window.start, own.spent, own.refunded);
            }
        }
        Loaded::Team(team) => meter.follow(&[Row::Team(team)]),
        Loaded::Members(team, members) => meter.follow_members(&team, &members),
        Loaded::MemberFunds(row) => {
            for account in &row.accounts {
                let (drawn, own) = (Drawn::Member(row.team.clone(), row.user.clone()), account.holder(sidecar));
                meter.recover_lease(&drawn, account.lease_of(sidecar));
                meter.recover_draws(&drawn, account.window.start, own.spent, own.refunded);
            }
        }
        Loaded::Hold(row) => {
            let set = Set { credits: row.credits, expires_at: row.expires_at };
            let hold = Hold { window: row.window, set };
            let open =
                OpenHold { id: row.id, at: row.held_at, content: row.content, drawer: row.drawer, hold, terms: None };
            meter.recover_hold(&open).expect("the store's holds fit its sums");
            holds.push(open);
        }
        _ => {}
    };
    block_on(store.load(sidecar, now, &mut visit)).expect("the store loads");
    holds
}
