//! Bounds of lending, measured: what an idle sidecar keeps, for how long another is denied that and what a busy one
//! holds, and what a killed one keeps until it is back.

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

/// An idle sidecar is looked at after so long.
const IDLE: Duration = Duration::from_secs(5);

/// The longest of each.
#[derive(Default)]
struct Bounds {
    /// What an idle sidecar keeps, as the time in which it would spend that.
    idle: Duration,
    called: Duration,
    denied: Duration,
    /// As `idle`, of a killed one.
    dead: Duration,
    back: Duration,
}

/// Takes all measures on one store and prints a row of each.
pub fn measure(kind: Kind) {
    let mut fleet = Fleet::start(Place::start(kind), 2, "os");
    fleet.team("acme", POOL, &[("ana".to_owned(), None)]);
    let mut longest = Bounds::default();
    for round in 0..counts::BOUNDS.get() {
        let a_debit = load(&fleet, &format!("idle-{round}"));
        thread::sleep(IDLE);
        longest.idle = longest.idle.max(a_debit.mul_f64(lent(&fleet, 0)));
        longest.called = longest.called.max(all_elsewhere(&fleet, &format!("idle-{round}")));
        load(&fleet, &format!("busy-{round}"));
        longest.denied = longest.denied.max(all_elsewhere(&fleet, &format!("busy-{round}")));
        let a_debit = load(&fleet, &format!("dead-{round}"));
        fleet.kill(0);
        longest.dead = longest.dead.max(a_debit.mul_f64(lent(&fleet, 0)));
        fleet.restart(0);
        longest.back = longest.back.max(all_elsewhere(&fleet, &format!("back-{round}")));
    }
    for (what, time) in [
        ("an idle sidecar keeps after 5 s what it spends in", longest.idle),
        ("another is denied what an idle one keeps for", longest.called),
        ("another is denied what a busy one holds for", longest.denied),
        ("a killed sidecar keeps what it spends in", longest.dead),
        ("another has all of that after its start within", longest.back),
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

/// Credits that a sidecar holds free, as the other one sees it.
fn lent(fleet: &Fleet, at: usize) -> f64 {
    let all = fleet.client(1).call("GET", "/v1/sidecars", None);
    let sidecars = all["sidecars"].as_array().expect("there are sidecars");
    let own = sidecars.iter().find(|sidecar| sidecar["id"] == fleet.id(at)).expect("it has registered");
    micros(&own["lent"]) as f64 / 1e6
}

/// The other sidecar debits all that remains in one go; how long until it is allowed. Then the pool is
/// filled up.
fn all_elsewhere(fleet: &Fleet, name: &str) -> Duration {
    let (mut connection, mut tries) = (fleet.client(1).connect().expect("the server takes connections"), 0);
    let waited = soon(|| {
        tries += 1;
        let rest = fleet.pool("acme")["remaining"].as_str().unwrap_or_default().to_owned();
        debit(&mut connection, "acme", "ana", &format!("all-{name}-{tries}"), &rest)
    });
    let purchase = json!({"id": format!("more-{name}"), "credits": POOL.to_string()});
    fleet.control(0, "POST", "/v1/subscriptions/sub_acme/purchases", purchase);
    waited.expect("one sidecar gets all that is left")
}
