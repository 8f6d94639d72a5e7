//! The share of decisions that wait for a lease over an hour of calls, in a simulation: the engine, the sidecar's
//! half and the root's are the real ones, the store is the one in memory, the clock is made. A sync takes a fixed
//! time, is begun as the sync loop begins one, and one is under way at a time.

use purser::domain::{Access, Ask, Credits, Features, OperationId, Role, SubscriptionId, TeamId, Timestamp, UserId};
use purser::engine::pace::{Round, Waiting, Waits};
use purser::engine::{Draw, Drawn, Meter, Options};
use purser::lease::Session;
use purser::root::sync::{Batch, Reply, Request};
use purser::root::{Actor, Command, Rollover, Settings, Sharing, Status, Terms, control::control};
use purser::store::{Memory, Store};
use tokio::runtime::Runtime;
use tokio::sync::watch::Receiver;

use crate::log::VecLog;
use crate::trace::{Call, MEMBERS};

/// What a sync with its commit takes.
pub const TRIP_MILLIS: u64 = 6;

/// The flush interval, the beat, and how long a decision may wait: the defaults.
const INTERVAL_MILLIS: u64 = 200;
const BEAT_MILLIS: u64 = 1_000;
const WAIT_MILLIS: u64 = 50;

/// Between two syncs that pushes bring about, before a draw that waits asks again, and before what was called
/// back is returned: as the sync loop and the service have them.
const PUSH_PAUSE_MILLIS: u64 = 100;
const ASK_PAUSE_MILLIS: u64 = 5;
const CALLED_PAUSE_MILLIS: u64 = 2;

/// Before the first call, as long as a sidecar takes to hear of a team.
const EARLY_MILLIS: u64 = 5_000;

/// What came of the calls.
#[derive(Clone, Copy, Debug, Default)]
pub struct Outcome {
    pub decisions: u64,
    /// Did not fit in what was lent at first.
    pub waited: u64,
    pub denied: u64,
    pub syncs: u64,
    /// Accounts told of in all syncs.
    pub told: u64,
    pub millis: u64,
}

/// How much there is, as a multiple of what the calls cost.
#[derive(Clone, Copy)]
pub struct Plenty {
    pub pool: f64,
    pub limit: f64,
}

struct Sidecar {
    id: u128,
    meter: Meter<VecLog>,
    session: Session,
    pushes: Receiver<u64>,
    push_after: u64,
    acked: u64,
    due_at: u64,
    beat_at: u64,
    turned_at: u64,
    arrives: Option<(u64, Box<Reply>)>,
    /// Draws that wait, since when and from when on they ask.
    waiting: Vec<(u64, u64, Draw)>,
}

/// Runs `calls` at `speed` times their own.
pub fn run(calls: &[Call], sidecars: usize, speed: f64, plenty: Plenty) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let store = Memory::shared();
    let mut fleet: Vec<Sidecar> = (0..sidecars).map(|at| Sidecar::new(&runtime, &store, at as u128 + 1)).collect();
    found(&runtime, &store, calls, plenty);
    let mut outcome = Outcome::default();
    let mut next = calls.iter().peekable();
    let last = calls.last().expect("there are calls").at_millis;
    let end = EARLY_MILLIS + (last as f64 / speed) as u64 + 1_000;
    let due_at = |call: &Call| EARLY_MILLIS + (call.at_millis as f64 / speed) as u64;
    let mut at = 0;
    while at < end {
        let syncs = outcome.syncs;
        for sidecar in &mut fleet {
            sidecar.pass(&runtime, &store, at, &mut outcome);
        }
        while let Some(call) = next.next_if(|call| due_at(call) <= at) {
            outcome.decisions += 1;
            fleet[call.sidecar].call(call, outcome.decisions, at, &mut outcome);
        }
        // Who was called upon by a sync hears it a millisecond later.
        let has_synced = outcome.syncs > syncs;
        let others = fleet.iter().map(Sidecar::next_at).chain(next.peek().map(|call| due_at(call)));
        at = if has_synced { at + 1 } else { others.min().unwrap_or(end).max(at + 1) };
    }
    assert!(fleet.iter().all(|sidecar| sidecar.waiting.is_empty()), "nobody waits for ever");
    outcome.millis = end - EARLY_MILLIS;
    outcome
}

impl Sidecar {
    fn new(runtime: &Runtime, store: &Memory, id: u128) -> Self {
        let registering = runtime.block_on(store.register(id, 1, id));
        registering.expect("the store is there").expect("it is the first");
        let options = Options { sharing: Sharing::Many, ..Options::default() };
        Self {
            id,
            meter: Meter::new(VecLog::default(), options),
            session: Session::default(),
            pushes: store.pushes().expect("it is shared"),
            push_after: 0,
            acked: 0,
            // Not in step.
            due_at: id as u64 * 17,
            beat_at: 0,
            turned_at: 0,
            arrives: None,
            waiting: Vec::new(),
        }
    }

    fn call(&mut self, call: &Call, number: u64, at: u64, outcome: &mut Outcome) {
        let credits = Credits::from_micros(call.micros).expect("small");
        let draw = Draw {
            id: OperationId::new(&format!("c{number}")).expect("an id"),
            team: Some(team()),
            member: user(call.member),
            ask: Ask { credits, min_credits: None, model: None },
            ttl_millis: None,
            pricing: Default::default(),
        };
        match self.meter.draw(&draw, now(at)).expect("in range") {
            Drawn::Allowed(_) => {}
            Drawn::Denied(_) => outcome.denied += 1,
            Drawn::Short(_) => {
                outcome.waited += 1;
                self.waiting.push((at, at, draw));
            }
        }
    }

    /// When it has something to do next.
    fn next_at(&self) -> u64 {
        let asks_at = self.waiting.iter().map(|(_, asks_at, _)| *asks_at);
        self.arrives.as_ref().map_or_else(|| asks_at.chain([self.due_at]).min().unwrap_or(0), |(at, _)| *at)
    }

    fn pass(&mut self, runtime: &Runtime, store: &Memory, at: u64, outcome: &mut Outcome) {
        if let Some((_, reply)) = self.arrives.take_if(|(arrives, _)| *arrives <= at) {
            self.take(runtime, store, &reply, at, outcome);
        }
        let asks = self.waiting.iter().any(|(_, asks_at, _)| *asks_at <= at);
        if self.arrives.is_none() && (asks || self.is_pushed(at) || at >= self.due_at) {
            self.sync(runtime, store, at, outcome);
        }
    }

    /// Whether something was pushed that may be heard by now.
    fn is_pushed(&self, at: u64) -> bool {
        at >= self.push_after && self.pushes.has_changed().expect("the store is there")
    }

    fn sync(&mut self, runtime: &Runtime, store: &Memory, at: u64, outcome: &mut Outcome) {
        let mut waits = Waits::default();
        for (.., draw) in self.waiting.iter().filter(|(_, asks_at, _)| *asks_at <= at) {
            let add = |waiting: &mut Waiting| waiting.add(draw.ask.credits, draw.ask.credits);
            add(waits.books.entry(subscription()).or_default());
            add(waits.members.entry((team(), draw.member.clone())).or_default());
        }
        let is_pushed = self.is_pushed(at);
        let is_turn = is_pushed || at >= self.turned_at + BEAT_MILLIS * 9 / 10;
        self.turned_at = if is_turn { at } else { self.turned_at };
        let (trip_millis, tells_all) = (TRIP_MILLIS, self.session.owes_all());
        let round = Round { now: now(at), trip_millis, is_turn, tells_all, closes: false };
        let telling = self.meter.tell(&waits, round);
        if is_pushed {
            self.pushes.mark_unchanged();
            self.push_after = at + PUSH_PAUSE_MILLIS;
        }
        let is_due = telling.is_due || is_turn || !waits.books.is_empty() || at >= self.beat_at || is_pushed;
        let entries = self.meter.log().after(self.acked);
        self.due_at = at + INTERVAL_MILLIS;
        if entries.is_empty() && !is_due {
            return;
        }
        outcome.syncs += 1;
        outcome.told += (telling.funds.len() + telling.members.len()) as u64;
        let mut shares = self.session.begin("host", at);
        (shares.funds, shares.wants, shares.members) = (telling.funds, telling.wants, telling.members);
        let batch = Batch { first: self.acked + 1, entries };
        let request = Request { sidecar: self.id, incarnation: 1, batch, shares: Some(shares), ..Request::default() };
        let reply = runtime.block_on(store.sync(&request, now(at))).expect("the store is there").expect("registered");
        self.arrives = Some((at + TRIP_MILLIS, Box::new(reply)));
    }

    fn take(&mut self, runtime: &Runtime, store: &Memory, reply: &Reply, at: u64, outcome: &mut Outcome) {
        let shared = reply.shared.as_deref().expect("there are many");
        assert!(self.session.believes(shared), "one is under way at a time");
        self.acked = reply.acked;
        let is_called = self.meter.take(reply, now(at));
        if shared.config > self.session.config {
            let changes = runtime.block_on(store.changes(self.session.config)).expect("the store is there");
            self.meter.follow(&changes.rows);
            self.session.config = changes.upto;
        }
        self.beat_at = at + BEAT_MILLIS * 9 / 10;
        self.due_at = at + if is_called { CALLED_PAUSE_MILLIS } else { INTERVAL_MILLIS };
        for (since, asks_at, draw) in std::mem::take(&mut self.waiting) {
            match self.meter.draw_again(&draw, now(at)).expect("in range") {
                Drawn::Allowed(_) => {}
                Drawn::Short(_) if at < since + WAIT_MILLIS => {
                    let again = if asks_at <= at { at + ASK_PAUSE_MILLIS } else { asks_at };
                    self.waiting.push((since, again, draw));
                }
                Drawn::Short(_) | Drawn::Denied(_) => outcome.denied += 1,
            }
        }
    }
}

/// The team, its pool and its members with their limits.
fn found(runtime: &Runtime, store: &Memory, calls: &[Call], plenty: Plenty) {
    let times = |micros: i64, times: f64| Credits::from_micros((micros as f64 * times) as i64).expect("in range");
    let terms = Terms {
        owner: user(0),
        plan: String::new(),
        status: Status::Active,
        seats: 1,
        credits_per_seat: times(calls.iter().map(|call| call.micros).sum(), plenty.pool),
        anchor: now(0),
        rollover: Rollover::default(),
        features: Features::default(),
    };
    let mut commands = vec![
        Command::PutSubscription { id: subscription(), terms },
        Command::PutTeam { id: team(), name: None, owner: Some(user(0)) },
        Command::Assign { team: team(), subscription: subscription() },
    ];
    for member in 0..MEMBERS {
        let used: i64 = calls.iter().filter(|call| call.member == member).map(|call| call.micros).sum();
        let role = if member == 0 { Role::Owner } else { Role::Member };
        let limit = Some(times(used.max(1_000_000), plenty.limit));
        let settings = Settings { role, access: Access::Credits, limit, ..Settings::default() };
        commands.push(Command::PutMember { team: team(), user: user(member), settings });
    }
    let actor = Actor::Service("bench".into());
    for command in commands {
        let rule = |rows: &mut _| control(rows, &command, &actor, now(0));
        let controlled = runtime.block_on(store.control(&rule, &actor, now(0))).expect("the store is there");
        controlled.answer.unwrap_or_else(|refusal| panic!("{command:?}: {refusal:?}"));
    }
}

fn now(millis: u64) -> Timestamp {
    Timestamp::from_millis(1_795_000_000_000).expect("1970 to 9999").plus_millis(millis)
}

fn user(member: usize) -> UserId {
    UserId::new(&format!("user-{member}")).expect("an id")
}

fn team() -> TeamId {
    TeamId::new("acme").expect("an id")
}

fn subscription() -> SubscriptionId {
    SubscriptionId::new("sub").expect("an id")
}
