//! What sharing one hot pool costs: which share of decisions waits for a lease over an hour of calls, and how long
//! decisions take on eight real sidecars and a real store.
//!
//! Not a criterion bench: the figures are shares and quantiles. `PURSER_TRACE` names a trace of real calls; without
//! it the calls are seeded. `cargo bench --bench sharing hour` runs only the simulation.

#[path = "../../tests/sharing/cut.rs"]
mod cut;
mod hour;
mod live;
#[path = "../../tests/support/log.rs"]
mod log;
#[path = "../../tests/support/postgres.rs"]
mod postgres;
#[path = "../../tests/support/redis.rs"]
mod redis;
mod trace;
#[path = "../../tests/sharing/world.rs"]
#[allow(dead_code, reason = "the bench uses a part of it")]
mod world;

use hour::{Outcome, Plenty};

/// The allocator of the program that is measured.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Sidecars that share the pool.
pub const SIDECARS: usize = 8;

/// Calls a second over all sidecars.
const RATES: [f64; 4] = [2.0, 5.4, 48.0, 577.0];

fn is_smoke() -> bool {
    std::env::var_os("PURSER_BENCH_SMOKE").is_some() || std::env::args().any(|arg| arg == "--test")
}

fn main() {
    let wanted = |name: &str| {
        let mut names = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).peekable();
        names.peek().is_none() || names.any(|arg| arg == name)
    };
    if wanted("hour") {
        share();
    }
    if wanted("live") {
        let (seconds, rates) = if is_smoke() { (2, &live::RATES[..1]) } else { (60, &live::RATES[..]) };
        live::latency(seconds, rates);
    }
}

/// The share of decisions that wait.
fn share() {
    let mut calls = trace::calls(SIDECARS);
    if is_smoke() {
        calls.truncate(400);
    }
    let own = calls.len() as f64 * 1e3 / calls.last().expect("there are calls").at_millis.max(1) as f64;
    println!("{} calls, {SIDECARS} sidecars, {} members, {} ms a sync", calls.len(), trace::MEMBERS, hour::TRIP_MILLIS);
    println!(
        "{:<22} {:>8} {:>10} {:>8} {:>9} {:>8} {:>8} {:>8}",
        "credits there are", "calls/s", "decisions", "waited", "share", "denied", "syncs/s", "told/s"
    );
    for (name, plenty) in [
        ("pool x20, limits x20", Plenty { pool: 20.0, limit: 20.0 }),
        ("pool x4, limits x4", Plenty { pool: 4.0, limit: 4.0 }),
        ("pool x1.2, limits x2", Plenty { pool: 1.2, limit: 2.0 }),
    ] {
        for rate in RATES {
            let Outcome { decisions, waited, denied, syncs, told, millis } =
                hour::run(&calls, SIDECARS, rate / own, plenty);
            let share = waited as f64 * 100.0 / decisions as f64;
            let per_second = |count: u64| count as f64 * 1e3 / millis as f64;
            println!(
                "{name:<22} {rate:>8.1} {decisions:>10} {waited:>8} {share:>7.3} % {denied:>8} {:>8.1} {:>8.1}",
                per_second(syncs),
                per_second(told)
            );
        }
    }
}
