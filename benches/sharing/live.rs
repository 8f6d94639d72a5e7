//! Eight real sidecars in this process, each with a data folder of its own, on a real store that the bench starts.

use std::sync::Arc;
use std::time::Duration;

use purser::clock::Clock;
use purser::domain::Credits;
use tokio::task::JoinSet;

use crate::SIDECARS;
use crate::trace::{self, MEMBERS};
use crate::world::{Place, Sidecar, World};

/// Calls a second over all sidecars.
pub const RATES: [u64; 3] = [50, 500, 5_000];

/// How long decisions take, and which share waits, in `seconds` on each store at each of `rates`.
pub fn latency(seconds: u64, rates: &[u64]) {
    println!(
        "{:<12} {:>8} {:>10} {:>9} {:>9} {:>9} {:>9}",
        "store", "calls/s", "decisions", "p50 µs", "p99 µs", "waited", "denied"
    );
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    for place in [Place::Postgres, Place::Redis] {
        runtime.block_on(async {
            let world = World::start(place, SIDECARS).await;
            let names: Vec<String> = (0..MEMBERS).map(|member| format!("user-{member}")).collect();
            let members: Vec<(&str, Option<u32>)> =
                names.iter().map(|name| (name.as_str(), Some(100_000_000))).collect();
            world.team(1_000_000_000, &members).await;
            tokio::time::sleep(Duration::from_secs(2)).await;
            for &rate in rates {
                measure(place, &world, rate, seconds).await;
            }
        });
    }
}

async fn measure(place: Place, world: &World, rate: u64, seconds: u64) {
    let (clock, waited_before) = (Clock::system(), waited(world));
    let calls = trace::calls(SIDECARS);
    let count = usize::try_from(rate * seconds).expect("some");
    let start = clock.instant();
    let mut working = JoinSet::new();
    for at in 0..SIDECARS {
        let (sidecar, clock) = (Arc::clone(&world.sidecars[at]), clock.clone());
        // Every call has its place in time, whichever sidecar it goes to.
        let numbered = calls.iter().cycle().take(count).enumerate();
        let own: Vec<_> = numbered.filter(|(_, call)| call.sidecar == at).map(|(n, call)| (n, *call)).collect();
        working.spawn(async move {
            let (mut micros, mut denied) = (Vec::with_capacity(own.len()), 0_u64);
            for (number, call) in own {
                let due = start + Duration::from_micros(number as u64 * 1_000_000 / rate);
                tokio::time::sleep_until(due.into()).await;
                let begun = clock.instant();
                let credits = Credits::from_micros(call.micros).expect("small");
                denied += u64::from(sidecar.debit(&format!("user-{}", call.member), credits).await.is_err());
                micros.push(clock.since(begun).as_micros());
            }
            (micros, denied)
        });
    }
    let (micros, denied): (Vec<_>, Vec<u64>) = working.join_all().await.into_iter().unzip();
    let mut micros = micros.concat();
    micros.sort_unstable();
    let quantile = |of: usize| micros[(micros.len() * of / 100).min(micros.len() - 1)];
    println!(
        "{:<12} {rate:>8} {:>10} {:>9} {:>9} {:>9} {:>9}",
        format!("{place:?}"),
        micros.len(),
        quantile(50),
        quantile(99),
        waited(world) - waited_before,
        denied.iter().sum::<u64>()
    );
}

/// Decisions that have waited so far, over all sidecars.
fn waited(world: &World) -> u64 {
    let waited = world.sidecars.iter().map(|sidecar| metric(sidecar, "purser_leases_waited_total"));
    waited.sum::<f64>() as u64
}

/// A number of a sidecar's page of metrics.
fn metric(sidecar: &Sidecar, name: &str) -> f64 {
    let page = sidecar.service().metrics().render();
    let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("{name} is not in {page}")).parse().expect("a number")
}
