//! One sidecar with its root: team `acme` with a pool, team `beta` without, and wil, whose wallet
//! pays in both and alone. Everything small, so that every limit is met.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use purser::domain::{Access, Credits, Features, OperationId, SubscriptionId, TeamId, Timestamp, UserId};
use purser::engine::{Drawn, Meter, Options, Scope};
use purser::root::control::control;
use purser::root::sync::{Batch, Request, register, sync};
use purser::root::{Actor, Command, Missing, Patch, Rollover, Row, Rows, Settings, Status, Terms};
use shuttle::sync::{Mutex, MutexGuard};

use crate::log::{Append, Queue};

/// The time at which every schedule begins.
const START_MILLIS: i64 = 1_795_000_000_000;
/// The purchased part of the wallet lapses this much later, so that its lease runs out on the way.
const PURCHASE_LASTS_MILLIS: u64 = 10;

pub const POOL_CREDITS: u32 = 10;
pub const WALLET_CREDITS: u32 = 4;
pub const WALLET_PURCHASED: u32 = 3;

pub fn credits(whole: u32) -> Credits {
    Credits::from_credits(whole).expect("a fixed value")
}

pub fn id(text: &str) -> OperationId {
    OperationId::new(text).expect("a fixed value")
}

pub fn team(text: &str) -> TeamId {
    TeamId::new(text).expect("a fixed value")
}

pub fn user(text: &str) -> UserId {
    UserId::new(text).expect("a fixed value")
}

pub fn subscription(text: &str) -> SubscriptionId {
    SubscriptionId::new(text).expect("a fixed value")
}

/// Who asks, and in whose name.
pub const WHO: [(&str, Option<&str>); 4] =
    [("ana", Some("acme")), ("wil", Some("acme")), ("wil", Some("beta")), ("wil", None)];

/// The scope in which an operation id counts for `(user, team)`.
pub fn scope((name, in_team): (&str, Option<&str>)) -> Scope {
    in_team.map_or_else(|| Scope::User(user(name)), |name| Scope::Team(team(name)))
}

/// Every scope.
pub fn scopes() -> [Scope; 3] {
    [Scope::Team(team("acme")), Scope::Team(team("beta")), Scope::User(user("wil"))]
}

/// The most that a member of `acme` may draw in a window.
pub fn limit(member: &str) -> Option<Credits> {
    match member {
        "ana" => Some(credits(6)),
        "wil" => Some(credits(5)),
        _ => None,
    }
}

/// The rows of the root, and how many entries it has.
pub struct Root {
    pub rows: Rows,
    acked: u64,
}

/// See the module.
pub struct World {
    pub meter: Meter<Queue>,
    root: Mutex<Root>,
    clock: AtomicI64,
    purchases: AtomicU64,
}

impl World {
    pub fn new(append: Append) -> Self {
        let world = Self {
            meter: Meter::new(Queue::new(append), Options::default()),
            root: Mutex::new(Root { rows: first_rows(), acked: 0 }),
            clock: AtomicI64::new(START_MILLIS),
            purchases: AtomicU64::new(0),
        };
        world.meter.follow(&world.root().rows.changed());
        world.sync();
        world
    }

    /// The root's transaction: one at a time.
    pub fn root(&self) -> MutexGuard<'_, Root> {
        self.root.lock().expect("no thread panics with it")
    }

    pub fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.clock.load(Ordering::Relaxed)).expect("1970 to 9999")
    }

    pub fn pass(&self, millis: i64) {
        self.clock.fetch_add(millis, Ordering::Relaxed);
    }

    /// Reports and takes what is lent, as the sync task does: one at a time.
    pub fn sync(&self) {
        let mut root = self.root();
        let now = self.now();
        let subscriptions = [subscription("pool"), subscription("wallet")];
        let wants = self.meter.give_back(&subscriptions, now);
        let batch = Batch { first: root.acked + 1, entries: self.meter.log().after(root.acked) };
        let request = Request { sidecar: 1, incarnation: 1, batch, wants, shares: None };
        let (reply, _) =
            sync(&mut root.rows, &request, now).expect("every row is there").expect("registered, and no gap");
        root.acked = reply.acked;
        self.meter.lend(&reply.leases);
    }

    /// wil opts out of the pool, or back in. Rows may reach the meter in another order than control
    /// made them.
    pub fn opt(&self, opted_out: bool) {
        let (team, user) = (team("acme"), user("wil"));
        let patch = Patch { opted_out: Some(opted_out), ..Patch::default() };
        let command = Command::PatchMember { team: team.clone(), user: user.clone(), patch };
        let rows = {
            let mut root = self.root();
            do_control(&mut root.rows, &command, self.now());
            let member = root.rows.member(&team, &user).expect("loaded").expect("put").clone();
            [Row::Team(root.rows.team(&team).expect("loaded").expect("put").clone()), Row::Member(team, member)]
        };
        self.meter.follow(&rows);
    }

    /// Buys one credit for the wallet. What the root lends is taken in the order in which it lent.
    pub fn purchase(&self) {
        let number = self.purchases.fetch_add(1, Ordering::Relaxed);
        let mut root = self.root();
        do_control(&mut root.rows, &purchase(id(&format!("p{number}")), 1, None), self.now());
        let row = root.rows.subscription(&subscription("wallet")).expect("loaded").expect("put").clone();
        self.meter.follow(&[Row::Subscription(Box::new(row))]);
    }

    /// How many purchases were begun.
    pub fn purchased(&self) -> u32 {
        self.purchases.load(Ordering::Relaxed) as u32
    }

    /// Asks; where the lease has run out, syncs and asks once more.
    pub fn with_lease<T>(&self, ask: impl Fn(Timestamp) -> T, is_short: impl Fn(&T) -> bool) -> T {
        let first = ask(self.now());
        self.meter.log().append_waiting();
        if !is_short(&first) {
            return first;
        }
        self.sync();
        let second = ask(self.now());
        self.meter.log().append_waiting();
        second
    }
}

/// A meter that follows the same rows, knows what `world` lends, and has decided nothing.
pub fn follower(world: &World) -> Meter<Queue> {
    let meter = Meter::new(Queue::new(Append::UnderTheLocks), Options::default());
    let root = world.root();
    meter.follow(&root.rows.changed());
    meter
}

/// Whether an answer asks for a sync first.
pub fn is_short(drawn: &Drawn) -> bool {
    matches!(drawn, Drawn::Short(_))
}

/// Runs a rule as a store does whose tables hold only what was put.
fn load_as_asked<T>(rows: &mut Rows, mut rule: impl FnMut(&mut Rows) -> Result<T, Missing>) -> T {
    loop {
        match rule(rows) {
            Ok(done) => return done,
            Err(Missing(key)) => rows.load(key, []),
        }
    }
}

fn do_control(rows: &mut Rows, command: &Command, now: Timestamp) {
    let actor = Actor::Service("admin".to_owned());
    load_as_asked(rows, |rows| control(rows, command, &actor, now)).expect("allowed");
}

fn first_rows() -> Rows {
    let now = Timestamp::from_millis(START_MILLIS).expect("1970 to 9999");
    let (pool, wallet) = (subscription("pool"), subscription("wallet"));
    let lapses = Some(now.plus_millis(PURCHASE_LASTS_MILLIS));
    let put_member = |name, access| {
        let settings = Settings { access, limit: limit(name), ..Settings::default() };
        Command::PutMember { team: team("acme"), user: user(name), settings }
    };
    let mut rows = Rows::default();
    load_as_asked(&mut rows, |rows| register(rows, 1, 1, 1)).expect("the first");
    for command in [
        Command::PutSubscription { id: pool, terms: terms("olga", POOL_CREDITS, now) },
        Command::PutSubscription { id: wallet, terms: terms("wil", WALLET_CREDITS, now) },
        purchase(id("p"), WALLET_PURCHASED, lapses),
        Command::PutTeam { id: team("acme"), name: None, owner: Some(user("olga")) },
        Command::PutTeam { id: team("beta"), name: None, owner: Some(user("wil")) },
        Command::Unassign { team: team("beta") },
        put_member("ana", Access::Seat),
        put_member("wil", Access::Credits),
    ] {
        do_control(&mut rows, &command, now);
    }
    rows
}

fn purchase(id: OperationId, whole: u32, expires_at: Option<Timestamp>) -> Command {
    Command::Purchase { subscription: subscription("wallet"), id, credits: credits(whole), expires_at }
}

fn terms(owner: &str, seats: u32, anchor: Timestamp) -> Terms {
    Terms {
        owner: user(owner),
        plan: "plan".to_owned(),
        status: Status::Active,
        seats,
        credits_per_seat: credits(1),
        anchor,
        rollover: Rollover::default(),
        features: Features::default(),
    }
}

/// What each subscription was granted in all, at the most.
pub fn granted(world: &World) -> BTreeMap<SubscriptionId, Credits> {
    let wallet = credits(WALLET_CREDITS + WALLET_PURCHASED + world.purchased());
    BTreeMap::from([(subscription("pool"), credits(POOL_CREDITS)), (subscription("wallet"), wallet)])
}
