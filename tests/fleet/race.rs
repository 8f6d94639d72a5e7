//! Eight sidecars race for the last credit.

use std::thread;
use std::time::Duration;

use purser::clock::Clock;
use serde_json::json;

use crate::fleet::{Fleet, debit, soon};
use crate::place::{Kind, Place};

/// Sidecars that race.
const RACING: usize = 8;

/// Credits that they race for, one by one.
const CREDITS: u32 = 20_000;

/// Denials in a row after which nothing more is expected, 100 ms apart.
const DENIALS_MAX: u32 = 30;

/// What came of asking until nothing was left.
struct Outcome {
    allowed: u64,
    /// The longest that a denial lasted which was followed by an allowed debit.
    longest_denied: Duration,
}

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

/// All sidecars debit one credit for `ana` until every one has been denied for a while.
fn race(fleet: &Fleet, what: &str) {
    let outcomes: Vec<Outcome> = thread::scope(|scope| {
        let racing: Vec<_> = (0..RACING).map(|at| scope.spawn(move || exhaust(fleet, at))).collect();
        racing.into_iter().map(|racer| racer.join().expect("no racer panics")).collect()
    });
    let allowed: u64 = outcomes.iter().map(|outcome| outcome.allowed).sum();
    let denied = outcomes.iter().map(|outcome| outcome.longest_denied).max().unwrap_or_default();
    let store = fleet.place.kind.name();
    println!("| {store} | one {what} | {CREDITS} | {allowed} | {:.1} s |", denied.as_secs_f64());
    assert_eq!(allowed, u64::from(CREDITS));
    // Whoever has asked for nothing for a few seconds holds nothing of what is scarce.
    thread::sleep(Duration::from_secs(5));
}

/// Debits one credit at a time until nothing has been allowed for three seconds.
fn exhaust(fleet: &Fleet, at: usize) -> Outcome {
    let (clock, mut denied_since) = (Clock::system(), None);
    let mut connection = fleet.client(at).connect().expect("the server takes connections");
    let (mut outcome, mut denials) = (Outcome { allowed: 0, longest_denied: Duration::ZERO }, 0);
    for number in 0_u64.. {
        if debit(&mut connection, "acme", "ana", &format!("race-{at}-{number}"), "1") {
            let waited = denied_since.take().map_or(Duration::ZERO, |since| clock.since(since));
            outcome.longest_denied = outcome.longest_denied.max(waited);
            (outcome.allowed, denials) = (outcome.allowed + 1, 0);
            continue;
        }
        denied_since.get_or_insert_with(|| clock.instant());
        denials += 1;
        if denials == DENIALS_MAX {
            break;
        }
        thread::sleep(Duration::from_millis(100));
    }
    outcome
}
