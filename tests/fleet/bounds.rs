//! Bounds of lending, measured: for how long an idle sidecar holds credits, for how long another is denied
//! them, and what a killed one keeps until it is back.

use std::thread;
use std::time::Duration;

use purser::clock::Clock;
use serde_json::json;

use crate::counts;
use crate::fleet::{Fleet, debit, micros, soon};
use crate::place::{Kind, Place};

/// The pause between two debits of one credit.
const PAUSE: Duration = Duration::from_millis(10);

/// Debits of one load: it lasts for some of the twenty seconds that a lease is for.
const DEBITS: u32 = 150;

/// What the pool has at first, and is filled up by.
const POOL: u32 = 100_000;

/// The longest of each.
#[derive(Default)]
struct Bounds {
    idle: Duration,
    denied: Duration,
    /// What a killed sidecar keeps, as the time in which it would have spent that.
    kept: Duration,
    back: Duration,
}

/// Takes all measures on one store and prints a row of each.
pub fn measure(kind: Kind) {
    let mut fleet = Fleet::start(Place::start(kind), 2, "os");
    fleet.team("acme", POOL, &[("ana".to_owned(), None)]);
    let mut longest = Bounds::default();
    for round in 0..counts::BOUNDS.get() {
        load(&fleet, &format!("idle-{round}"));
        longest.idle = longest.idle.max(returned(&fleet));
        load(&fleet, &format!("busy-{round}"));
        longest.denied = longest.denied.max(all_elsewhere(&fleet, round));
        let a_debit = load(&fleet, &format!("dead-{round}"));
        fleet.kill(0);
        longest.kept = longest.kept.max(a_debit.mul_f64(lent(&fleet)));
        fleet.restart(0);
        longest.back = longest.back.max(returned(&fleet));
    }
    for (what, time) in [
        ("an idle sidecar holds nothing after", longest.idle),
        ("another is denied what it holds for", longest.denied),
        ("a killed sidecar keeps what it spends in", longest.kept),
        ("and has returned it after its start within", longest.back),
    ] {
        println!("| {} | {what} | {:.2} s |", kind.name(), time.as_secs_f64());
    }
    fleet.stop();
}

/// The first sidecar debits for a while; answers how long a debit took with its pause.
fn load(fleet: &Fleet, name: &str) -> Duration {
    let (clock, mut connection) = (Clock::system(), fleet.client(0).connect().expect("the server takes connections"));
    let start = clock.instant();
    for number in 0..DEBITS {
        debit(&mut connection, "acme", "ana", &format!("{name}-{number}"), "1");
        thread::sleep(PAUSE);
    }
    clock.since(start) / DEBITS
}

/// How long it takes until no sidecar holds anything free.
fn returned(fleet: &Fleet) -> Duration {
    soon(|| lent(fleet) == 0.0).expect("what nobody needs comes back")
}

/// Credits that sidecars hold free, as the other sidecar sees it.
fn lent(fleet: &Fleet) -> f64 {
    let all = fleet.client(1).call("GET", "/v1/sidecars", None);
    let sidecars = all["sidecars"].as_array().expect("there are sidecars");
    sidecars.iter().map(|sidecar| micros(&sidecar["lent"])).sum::<i64>() as f64 / 1e6
}

/// The other sidecar debits all that remains in one go; how long until it is allowed. Then the pool is
/// filled up.
fn all_elsewhere(fleet: &Fleet, round: u64) -> Duration {
    let (mut connection, mut tries) = (fleet.client(1).connect().expect("the server takes connections"), 0);
    let rest = fleet.pool("acme")["remaining"].as_str().expect("something remains").to_owned();
    let waited = soon(|| {
        tries += 1;
        debit(&mut connection, "acme", "ana", &format!("all-{round}-{tries}"), &rest)
    });
    let purchase = json!({"id": format!("more-{round}"), "credits": POOL.to_string()});
    fleet.control(0, "POST", "/v1/subscriptions/sub_acme/purchases", purchase);
    waited.expect("one sidecar gets all that is left")
}
