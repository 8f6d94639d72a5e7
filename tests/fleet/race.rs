//! Eight sidecars race for the last credit.

use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use purser::clock::Clock;
use serde_json::json;

use crate::fleet::{Fleet, debit, soon};
use crate::place::{Kind, Place};

/// Sidecars that race.
const RACING: usize = 8;

/// Credits that they race for, one by one.
const CREDITS: u32 = 20_000;

/// For how long a sidecar asks on, every 100 ms, after the last credit was spent anywhere.
const ASKING_ON: Duration = Duration::from_secs(1);

/// The longest that all of them may be denied before the last credit is spent: those are stranded.
const DENIED_MAX: Duration = Duration::from_secs(30);

/// For a pool.
pub fn for_a_pool(kind: Kind) {
    let fleet = Fleet::start(Place::start(kind), RACING, "os");
    fleet.team("acme", CREDITS, &[("ana".to_owned(), None)]);
    race(&fleet, "pool");
    let pool = fleet.pool("acme");
    let (used, none) = (json!(CREDITS.to_string()), json!("0"));
    assert_eq!((&pool["used"], &pool["remaining"], &pool["lent"]), (&used, &none, &none), "{pool}");
    fleet.stop();
}

/// For one member's limit.
pub fn for_a_limit(kind: Kind) {
    let fleet = Fleet::start(Place::start(kind), RACING, "os");
    fleet.team("acme", 10 * CREDITS, &[("ana".to_owned(), Some(CREDITS)), ("bo".to_owned(), None)]);
    race(&fleet, "limit");
    let left = (9 * CREDITS).to_string();
    let mut connection = fleet.client(0).connect().expect("the server takes connections");
    let mut tries = 0;
    let all = || {
        tries += 1;
        debit(&mut connection, "acme", "bo", &format!("all-{tries}"), &left)
    };
    soon(all).expect("none of the pool is stranded: one sidecar gets all that is left");
    fleet.stop();
}

/// All sidecars debit one credit for `ana` until every credit is spent, and a little longer.
fn race(fleet: &Fleet, what: &str) {
    let spent = Spent { clock: Clock::system(), state: Mutex::new((0, Clock::system().instant())) };
    let denied: Vec<Duration> = thread::scope(|scope| {
        let spent = &spent;
        let racing: Vec<_> = (0..RACING).map(|at| scope.spawn(move || exhaust(fleet, at, spent))).collect();
        racing.into_iter().map(|racer| racer.join().expect("no racer panics")).collect()
    });
    let (allowed, _) = spent.now();
    let denied = denied.into_iter().max().unwrap_or_default();
    let store = fleet.place.kind.name();
    println!("| {store} | one {what} | {CREDITS} | {allowed} | {:.1} s |", denied.as_secs_f64());
    assert_eq!(allowed, CREDITS);
    // What the others may still hold of the pool is free again by now.
    thread::sleep(Duration::from_secs(5));
}

/// Debits one credit at a time until all are spent and nothing has been allowed for a while after. Answers the
/// longest that a denial lasted which was followed by an allowed debit.
fn exhaust(fleet: &Fleet, at: usize, spent: &Spent) -> Duration {
    let (clock, mut denied_since, mut longest) = (Clock::system(), None, Duration::ZERO);
    let mut connection = fleet.client(at).connect().expect("the server takes connections");
    for number in 0_u64.. {
        if debit(&mut connection, "acme", "ana", &format!("race-{at}-{number}"), "1") {
            spent.one_more();
            longest = longest.max(denied_since.take().map_or(Duration::ZERO, |since| clock.since(since)));
            continue;
        }
        denied_since.get_or_insert_with(|| clock.instant());
        let (allowed, idle) = spent.now();
        if idle > if allowed < CREDITS { DENIED_MAX } else { ASKING_ON } {
            break;
        }
        thread::sleep(Duration::from_millis(100));
    }
    longest
}

/// What all have spent together, and when the last of it.
struct Spent {
    clock: Clock,
    state: Mutex<(u32, Instant)>,
}

impl Spent {
    fn one_more(&self) {
        let mut state = self.state.lock().expect("no racer panics");
        *state = (state.0 + 1, self.clock.instant());
    }

    /// How much, and for how long nothing was.
    fn now(&self) -> (u32, Duration) {
        let (allowed, last) = *self.state.lock().expect("no racer panics");
        (allowed, self.clock.since(last))
    }
}
