//! Sidecars, their store and the network between them, and one thing that happens at a time.

use std::collections::{BTreeMap, VecDeque};

use purser::domain::{Access, Credits, Features, Role, SubscriptionId, TeamId, Timestamp, UserId};
use purser::root::control::control;
use purser::root::operate::{identify, write_off};
use purser::root::sync::sync;
use purser::root::{Actor, Command, Rollover, Settings, Status, Terms};

use super::lender::Lenders;
use super::network::{Message, UNDER_WAY_MAX};
use super::process::{Before, Disk, Durability, Phase, Process, Shared, Waiting};
use super::store::Store;
use super::truth::Truth;

pub const SUBSCRIPTION: &str = "s";
pub const TEAM: &str = "t";

/// The first has no limit, the second always has one, the third sometimes.
pub const USERS: [&str; 3] = ["ana", "bob", "cyd"];

const DAY_MILLIS: u64 = 86_400_000;

pub fn id(name: &str) -> SubscriptionId {
    SubscriptionId::new(name).expect("an id")
}

pub fn team(name: &str) -> TeamId {
    TeamId::new(name).expect("an id")
}

pub fn user(name: &str) -> UserId {
    UserId::new(name).expect("an id")
}

pub fn credits(whole: u64) -> Credits {
    Credits::from_credits(u32::try_from(whole).expect("small")).expect("small")
}

/// What breaks beside the network. A store that forgets and a copy that takes over from a living
/// process are not tried together: then nobody who is heard knows what was lent; see the bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chaos {
    None,
    Crashes,
    TakeOvers,
    RollBacks,
    /// The store forgets everything, and control is asked for again. Nobody dies: only who lives can tell.
    Emptied,
}

/// Numbers from one seed.
pub struct Random(u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    pub fn once_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }
}

pub struct World {
    pub random: Random,
    pub store: Store,
    pub lenders: Lenders,
    pub shared: Shared,
    pub processes: Vec<Process>,
    pub under_way: Vec<Message>,
    pub start: Timestamp,
    /// What breaks.
    pub chaos: Chaos,
    pub purchases: u64,
    pub terms: Terms,
    /// What control was asked for beside: purchases, and the limits that members have now.
    pub bought: Vec<Command>,
    pub limits: BTreeMap<&'static str, Option<Credits>>,
    /// What is still to be asked for again of a store that has forgotten it.
    pub asked_again: VecDeque<Command>,
}

impl World {
    pub fn new(seed: u64, is_told: bool) -> Self {
        Self::with(seed, is_told, false)
    }

    /// With a lender of blocks beside the store.
    pub fn beside_a_lender(seed: u64, is_told: bool) -> Self {
        Self::with(seed, is_told, true)
    }

    /// With a store that is emptied again and again.
    pub fn emptied(seed: u64, is_told: bool) -> Self {
        let mut world = Self::with(seed, is_told, false);
        world.chaos = Chaos::Emptied;
        world
    }

    fn with(seed: u64, is_told: bool, has_lender: bool) -> Self {
        let mut random = Random(seed);
        let start: Timestamp = "2026-03-10T00:00:00Z".parse().expect("a time");
        let terms = Terms {
            owner: user("ana"),
            plan: String::new(),
            status: Status::Active,
            seats: 3,
            // Half of the pools are soon exhausted.
            credits_per_seat: credits(if random.once_in(2) { 3 + random.below(12) } else { 20 + random.below(60) }),
            anchor: "2026-01-31T00:00:00Z".parse().expect("a time"),
            rollover: Rollover { cap: Some(credits(30)), windows: 1 },
            features: Features::default(),
        };
        let shared = Shared { truth: Truth::default(), next_id: 0, mono: 0, is_told };
        let chaos = [Chaos::None, Chaos::Crashes, Chaos::TakeOvers, Chaos::RollBacks][random.below(4) as usize];
        let mut world = Self {
            lenders: Lenders::new(Random(!seed), has_lender),
            random,
            store: Store::new(start),
            shared,
            processes: Vec::new(),
            under_way: Vec::new(),
            start,
            chaos,
            purchases: 0,
            terms,
            bought: Vec::new(),
            limits: [("ana", None), ("bob", Some(credits(40))), ("cyd", None)].into(),
            asked_again: VecDeque::new(),
        };
        world.store.run(|rows| identify(rows, "0"));
        for command in world.all_of_control() {
            world.control(&command);
        }
        world.shared.truth.caps.insert("bob", credits(40).micros());
        for number in 1..=2 + world.random.below(3) {
            world.add_process(u128::from(number));
        }
        for at in 0..world.processes.len() {
            let (nonce, now) = (u128::from(world.random.next()), world.start);
            world.processes[at].mint(nonce, &world.store);
            world.register(at, now);
            world.processes[at].follow(&world.store);
        }
        world
    }

    pub fn add_process(&mut self, id: u128) {
        let durability = [Durability::Memory, Durability::Os, Durability::Os, Durability::Disk];
        let durability = durability[self.random.below(4) as usize];
        let disk = Disk {
            incarnation: 0,
            registered: [0].into(),
            entries: Vec::new(),
            written: 0,
            synced: 0,
            ceilings: Default::default(),
            closing: Default::default(),
        };
        let mut process = Process::new(id, durability, disk, Before::New, self.start);
        process.skew_millis = [0, 0, 40, 2_500][self.random.below(4) as usize] - 20;
        self.processes.push(process);
    }

    pub fn run(&mut self, steps: u32) {
        for _ in 0..steps {
            self.step();
            self.check();
        }
        self.heal();
    }

    pub fn tell(&self, what: impl FnOnce() -> String) {
        if self.shared.is_told {
            println!("{} {}", self.shared.mono, what());
        }
    }

    /// All that control was asked for, as it stands now.
    pub fn all_of_control(&self) -> Vec<Command> {
        let mut all = vec![
            Command::PutSubscription { id: id(SUBSCRIPTION), terms: self.terms.clone() },
            Command::PutTeam { id: team(TEAM), name: None, owner: Some(user("ana")) },
        ];
        all.extend(self.limits.iter().map(|(name, limit)| {
            let role = if *name == "ana" { Role::Owner } else { Role::Member };
            let settings = Settings { role, access: Access::Credits, limit: *limit, opted_out: false };
            Command::PutMember { team: team(TEAM), user: user(name), settings }
        }));
        all.extend(self.bought.iter().cloned());
        all
    }

    pub fn control(&mut self, command: &Command) {
        let (actor, now) = (Actor::Service("sim".to_owned()), self.store.now);
        let done = self.store.run(|rows| control(rows, command, &actor, now));
        // What people decide is not rolled back here: they would see it and decide again.
        self.store.keep();
        if let Ok(done) = done {
            self.tell(|| format!("control {command:?}"));
            self.shared.truth.came_in(&done.changes, self.store.known());
        }
    }

    fn step(&mut self) {
        self.lenders.step();
        if !self.asked_again.is_empty() && self.random.once_in(4) {
            self.ask_again();
        }
        match self.random.below(100) {
            0..34 => self.act(),
            34..54 => self.begin_sync(),
            54..86 => self.deliver(),
            86..95 => self.pass(),
            95..97 => self.change(),
            _ if self.chaos != Chaos::None => self.break_something(),
            _ => self.pass(),
        }
    }

    pub fn any(&mut self) -> usize {
        self.random.below(self.processes.len() as u64) as usize
    }

    pub fn act(&mut self) {
        let (at, what) = (self.any(), self.random.below(10));
        let most = if self.random.once_in(6) { 25 } else { 6 };
        let amount = self.lenders.scaled(credits(1 + self.random.below(most)));
        let (who, is_hold, pick) = (self.random.below(3) as usize, self.random.once_in(3), self.random.next() as usize);
        let process = &mut self.processes[at];
        let now = process.now(&self.shared, self.start);
        match (process.phase, what) {
            (Phase::Starting, _) => {
                let nonce = u128::from(self.random.next());
                process.mint(nonce, &self.store);
            }
            (Phase::Registering, _) => self.register(at, now),
            (Phase::Gone, _) => {}
            (Phase::Running, _) if process.is_behind => process.follow(&self.store),
            (Phase::Running, 0..7) => {
                for _ in 0..self.lenders.asks_at_once() {
                    process.ask(Waiting { user: who, credits: amount, is_hold }, &mut self.shared, now);
                    if process.waiting.is_some() {
                        process.borrow_and_decide(&mut self.lenders, &mut self.shared, now);
                    }
                }
            }
            (Phase::Running, 7..9) => {
                let open = process.holds.keys().nth(pick % process.holds.len().max(1)).cloned();
                if let Some(hold) = open {
                    process.end(&hold, (pick & 3 != 0).then_some(amount), &mut self.shared, now);
                }
            }
            (Phase::Running, _) => {
                if !process.debits.is_empty() {
                    process.refund(pick % process.debits.len(), &mut self.shared, now);
                }
            }
        }
    }

    pub fn register(&mut self, at: usize, now: Timestamp) {
        let process = &mut self.processes[at];
        let is_new = self.store.sidecars().all(|sidecar| sidecar.id != process.id);
        let before = process.before;
        process.register(&mut self.store, &mut self.lenders, &mut self.shared, now);
        let told = (process.id, process.incarnation, process.phase, before);
        // Who is forgotten can be asked for nothing, and who is fenced must stay so: see the bounds.
        let id = self.processes[at].id;
        let others = self.processes.iter().filter(|other| other.id == id && other.phase != Phase::Gone);
        if is_new || before == Before::Copied || others.count() > 1 {
            self.store.keep();
        }
        self.tell(|| format!("process {at} registers {told:?}"));
    }

    pub fn begin_sync(&mut self) {
        let at = self.any();
        let process = &mut self.processes[at];
        if process.phase == Phase::Running && self.under_way.len() < UNDER_WAY_MAX {
            let now = process.now(&self.shared, self.start);
            process.borrow_and_decide(&mut self.lenders, &mut self.shared, now);
            let request = process.request(&mut self.shared, now);
            self.tell(|| format!("process {at} syncs {request:?}"));
            let sender = (at, self.processes[at].serial);
            self.under_way.push(Message::Ask(sender, Box::new(request)));
        }
    }

    pub fn deliver(&mut self) {
        if self.under_way.is_empty() {
            return;
        }
        let at = self.random.below(self.under_way.len() as u64) as usize;
        let message = self.under_way.swap_remove(at);
        match self.random.below(12) {
            0 => {}
            1 => {
                self.under_way.push(message.clone());
                self.hand_over(message);
            }
            _ => self.hand_over(message),
        }
    }

    pub fn hand_over(&mut self, message: Message) {
        match message {
            Message::Ask(from, request) => {
                let now = self.store.now;
                let before = self.store.known().map_or(Vec::new(), |row| row.leases_of(request.sidecar));
                let answer = self.store.run(|rows| sync(rows, &request, now));
                let answer = answer.map(|(reply, synced)| {
                    let new = &request.batch.entries[synced.new_from..];
                    self.store.ledger.entry(request.sidecar).or_default().extend_from_slice(new);
                    self.shared.truth.came_in(&synced.changes, self.store.known());
                    assert!(!synced.overdrawn || faulty(), "sidecar {} is quarantined", request.sidecar);
                    // What a power failure took is counted as lent a second time where a copy of the folder ran as well.
                    let is_lossy = self.shared.truth.is_lossy;
                    let may_forget =
                        self.shared.truth.is_rolled_back || is_lossy || self.lenders.has_lost_track || faulty();
                    assert!(synced.regressions == 0 || may_forget, "the store has forgotten nothing");
                    reply
                });
                self.tell(|| format!("the store answers {from:?}: {answer:?}"));
                let sent = request.shares.unwrap_or_default();
                self.under_way.push(Message::Answer(from, Box::new((sent, answer)), before));
            }
            Message::Answer(to, answer, before) => {
                let process = &mut self.processes[to.0];
                let now = process.now(&self.shared, self.start);
                if process.phase == Phase::Running && process.serial == to.1 {
                    let record = (&mut self.store, &mut self.lenders);
                    process.answered(*answer, &before, record, &mut self.shared, now);
                }
            }
        }
    }

    fn pass(&mut self) {
        let millis = match self.random.below(40) {
            // Of windows that have passed an emptied store is not told everything.
            0 if self.chaos != Chaos::Emptied => 3_600_000 + self.random.below(6 * DAY_MILLIS),
            1..4 => 20_000 + self.random.below(100_000),
            4..12 => 2_000 + self.random.below(5_000),
            _ => self.random.below(1_200),
        };
        self.pass_millis(millis);
    }

    pub fn pass_millis(&mut self, millis: u64) {
        self.shared.mono += millis;
        self.store.now = self.store.now.plus_millis(millis);
    }

    /// An operator gives up who will not come back.
    pub fn give_up(&mut self, sidecar: u128) {
        self.store.run(|rows| write_off(rows, sidecar));
    }
}

/// Whether a mistake is seeded that is to overspend before the root notices. Of grants that are added up
/// it notices the first credit.
fn faulty() -> bool {
    #[cfg(feature = "faults")]
    return {
        use purser::root::faults::{Fault, has};
        let mut all = Fault::ALL.into_iter().chain(Fault::OF_EMPTIED);
        all.any(|fault| fault != Fault::GrantsAsDeltas && has(fault))
    };
    #[cfg(not(feature = "faults"))]
    false
}
