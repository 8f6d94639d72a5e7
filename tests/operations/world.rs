//! Three sidecars on one store, and one thing that happens at a time.

use std::collections::BTreeMap;
use std::future::Future;
use std::task::{Context, Poll, Waker};

use purser::domain::{
    Access, Ask, AskedEnd, Credits, Features, OperationId, SubscriptionId, TeamId, Timestamp, UserId,
};
use purser::engine::{Draw, Drawn, EndFault, Scope};
use purser::root::control::control;
use purser::root::sync::Request;
use purser::root::{Actor, Command, Rollover, Settings, Status, Terms};
use purser::store::{Filter, Kind, Memory, Store};

use crate::sidecar::Sidecar;
use crate::truth::Truth;

pub const REMEMBERS_MILLIS: u64 = 24 * 3_600_000;

/// Ids are few, so that they meet.
const IDS: u64 = 14;

/// The store in memory never waits.
pub fn block_on<T>(work: impl Future<Output = T>) -> T {
    match std::pin::pin!(work).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer,
        Poll::Pending => unreachable!("it never waits"),
    }
}

pub fn subscription() -> SubscriptionId {
    SubscriptionId::new("s").expect("an id")
}

/// The member who has a limit.
pub fn limited() -> (TeamId, UserId) {
    (TeamId::new("t").expect("an id"), user("bob"))
}

fn user(name: &str) -> UserId {
    UserId::new(name).expect("an id")
}

fn whole(credits: u64) -> Credits {
    Credits::from_credits(u32::try_from(credits).expect("small")).expect("small")
}

pub struct World {
    pub truth: Truth,
    store: Memory,
    sidecars: Vec<Sidecar>,
    late: Vec<Request>,
    now: Timestamp,
    random: u64,
}

impl World {
    pub fn new(seed: u64) -> Self {
        let (store, now) = (Memory::shared(), "2026-11-22T12:00:00Z".parse().expect("a time"));
        let terms = Terms {
            owner: user("ana"),
            plan: String::new(),
            status: Status::Active,
            seats: 1,
            credits_per_seat: whole(100_000),
            anchor: now,
            rollover: Rollover::default(),
            features: Features::default(),
        };
        let team = limited().0;
        let mut commands = vec![
            Command::PutSubscription { id: subscription(), terms },
            Command::PutTeam { id: team.clone(), name: None, owner: Some(user("ana")) },
        ];
        for (name, limit) in [("ana", None), ("bob", Some(whole(10_000)))] {
            let settings = Settings { access: Access::Credits, limit, role: Default::default(), opted_out: false };
            let role = if name == "ana" { purser::domain::Role::Owner } else { settings.role };
            commands.push(Command::PutMember {
                team: team.clone(),
                user: user(name),
                settings: Settings { role, ..settings },
            });
        }
        let actor = Actor::Service("sim".to_owned());
        for command in &commands {
            let rule = |rows: &mut purser::root::Rows| control(rows, command, &actor, now);
            block_on(store.control(&rule, &actor, now)).expect("the store answers").answer.expect("it is allowed");
        }
        let sidecars = (1..=3).map(|id| Sidecar::start(id, &store, now)).collect();
        Self { truth: Truth::default(), store, sidecars, late: Vec::new(), now, random: seed }
    }

    fn below(&mut self, end: u64) -> u64 {
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.random ^ (self.random >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % end
    }

    fn any(&mut self) -> usize {
        usize::try_from(self.below(3)).expect("three")
    }

    pub fn run(&mut self, steps: u32) {
        for step in 0..steps {
            match self.below(20) {
                0..7 => self.draw(),
                7..12 => self.end(),
                12..18 => self.sync(),
                18 => self.pass(),
                _ => self.mishap(),
            }
            if step % 16 == 0 {
                self.audit();
            }
        }
    }

    fn audit(&self) {
        let audit = block_on(self.store.audit()).expect("the store answers");
        assert_eq!((audit.differences, &audit.listed[..]), (0, &[][..]));
    }

    /// A draw under one of few ids; its content follows from the id, but now and then.
    fn draw(&mut self) {
        let (at, number) = (self.any(), self.below(IDS));
        let other = u64::from(self.below(12) == 0);
        let (is_hold, credits) = (number % 2 == 0, whole(1 + number + other));
        let id = OperationId::new(&format!("o{number}")).expect("an id");
        let (team, member) = (limited().0, user(if number % 3 == 0 { "bob" } else { "ana" }));
        let ask = Ask { credits, min_credits: None, model: None };
        let draw = Draw {
            id: id.clone(),
            team: Some(team),
            member,
            ask,
            ttl_millis: is_hold.then_some(3_600_000),
            pricing: Default::default(),
        };
        let sidecar = &self.sidecars[at];
        if let Ok(Drawn::Allowed(allowed)) = sidecar.meter.draw(&draw, self.now) {
            let (by, known) = (sidecar.id, self.truth.of(&id));
            let is_repeated = !known.allowed_by.is_empty() && !known.allowed_by.contains(&by);
            known.allowed_by.insert(by);
            known.asked.insert((is_hold, allowed.credits));
            self.truth.repeated += u64::from(is_repeated);
        }
    }

    /// An end at any sidecar of what somebody has drawn.
    fn end(&mut self) {
        let (at, pick, how) = (self.any(), self.below(IDS), self.below(6));
        let drawn: Vec<_> = self.truth.known.keys().cloned().collect();
        let Some(id) = drawn.get(usize::try_from(pick).expect("few")).cloned() else { return };
        let is_hold = self.truth.known[&id].asked.iter().any(|(is_hold, _)| *is_hold);
        let cost = whole(self.below(20));
        let part = OperationId::new(&format!("r{}-{}", id, how)).expect("an id");
        let (meter, scope, now) = (&self.sidecars[at].meter, Scope::Team(limited().0), self.now);
        let (here, end) = match (is_hold, how) {
            (true, 0..4) => {
                let end = AskedEnd::Settle { credits: cost };
                (meter.settle(&scope, &id, cost, true, now).map(drop), end)
            }
            (true, _) => (meter.release(&scope, &id, now).map(drop), AskedEnd::Release),
            (false, 0..4) => {
                let credits = Credits::from_micros(1).expect("small");
                let asked = AskedEnd::Refund { part: Some((part.clone(), credits)) };
                (meter.refund(&scope, &id, Some((&part, credits)), now).map(drop), asked)
            }
            (false, _) => (meter.refund(&scope, &id, None, now).map(drop), AskedEnd::Refund { part: None }),
        };
        let accepted = match here {
            Err(EndFault::NotFound) => {
                self.truth.elsewhere += 1;
                meter.ask_end(&scope, &id, end.clone(), now).map(drop)
            }
            here => here,
        };
        if accepted.is_err() {
            return;
        }
        let known = self.truth.of(&id);
        match end {
            AskedEnd::Settle { credits } => drop(known.settles.insert(credits)),
            AskedEnd::Release => known.released = true,
            AskedEnd::Refund { part: Some((part, credits)) } => drop(known.parts.insert(part, credits)),
            _ => known.refunded = true,
        }
    }

    /// A sync of which the request or the answer may be lost, and that may come again much later.
    fn sync(&mut self) {
        let at = self.any();
        let request = self.sidecars[at].request(whole(200), self.now);
        match self.below(8) {
            0 => {}
            1 => drop(self.deliver(&request)),
            2 => self.late.push(request),
            _ => self.answer(at, &request),
        }
        if self.below(4) == 0
            && let Some(late) = self.late.pop()
        {
            drop(self.deliver(&late));
        }
    }

    fn deliver(&self, request: &Request) -> Option<purser::root::sync::Reply> {
        block_on(self.store.sync(request, self.now)).expect("the store answers").ok()
    }

    fn answer(&mut self, at: usize, request: &Request) {
        if let Some(reply) = self.deliver(request) {
            self.sidecars[at].take(&reply, self.now);
        }
    }

    fn pass(&mut self) {
        let millis = self.below(30_000);
        self.now = self.now.plus_millis(millis);
        for sidecar in &self.sidecars {
            sidecar.meter.expire(&Scope::Team(limited().0), self.now);
        }
    }

    fn mishap(&mut self) {
        let at = self.any();
        self.sidecars[at].restart(&self.store, self.now);
    }

    /// Everybody syncs until nobody has anything to say; then everything must have come about.
    pub fn heal(&mut self) {
        for _ in 0..40 {
            for at in 0..self.sidecars.len() {
                let request = self.sidecars[at].request(Credits::ZERO, self.now);
                self.answer(at, &request);
            }
        }
        assert!(self.sidecars.iter().all(Sidecar::is_quiet), "nothing is pending for ever");
        self.audit();
        let filter = Filter { kind: Some(Kind::Orphaned), ..Filter::default() };
        let mut orphans: BTreeMap<OperationId, u32> = BTreeMap::new();
        for entry in block_on(self.store.entries(&filter, None, 1_000)).expect("the store answers") {
            *orphans.entry(entry.id.expect("it names its operation")).or_default() += 1;
        }
        let entries: Vec<_> = self.sidecars.iter().map(|sidecar| (sidecar.id, sidecar.entries())).collect();
        self.truth.check(&entries, &orphans);
        self.check_sums();
    }

    /// What the sidecars' engines say and what the store says is the same.
    fn check_sums(&mut self) {
        let row = block_on(self.store.subscription(&subscription())).expect("the store answers").expect("it is there");
        let account = row.open_account();
        let mut told: Vec<_> = account.holders.iter().map(|h| (h.sidecar, h.spent, h.refunded, h.held)).collect();
        told.sort_unstable();
        for sidecar in &self.sidecars {
            let mut sums = BTreeMap::new();
            for posting in sidecar.entries().iter().flat_map(|entry| entry.postings.clone()) {
                sums.insert(posting.window, posting.account);
            }
            let last = sums.get(&account.window.start).copied().unwrap_or_default();
            let of_store = told.iter().find(|(id, ..)| *id == sidecar.id);
            let of_store = of_store.map_or((last.spent, last.refunded, last.held), |(_, s, r, h)| (*s, *r, *h));
            assert_eq!((last.spent, last.refunded, last.held), of_store, "sidecar {}", sidecar.id);
        }
    }
}
