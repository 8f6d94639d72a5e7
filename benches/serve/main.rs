//! A debit over HTTP beside the least that an HTTP server can do: a minimal axum server that parses
//! the same JSON and serialises a constant answer; and beside a sidecar that flushes nothing meanwhile, so that what flushing
//! takes is seen. Same run, same cores, rounds interleaved.
//!
//! Not a criterion bench: closed loops over 16 connections are measured as requests a second and
//! latency, and the medians of the rounds are compared.

mod echo;
mod load;
mod purser;

use std::time::Duration;

use load::Round;

/// The allocator of the program that is measured.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Longer than a run.
const NEVER: Duration = Duration::from_secs(3_600);

/// Connections, each with one request in flight.
const CONNECTIONS: usize = 16;

/// Rounds and their length; short ones where only rot is looked for.
fn plan() -> (usize, Duration) {
    let smoke = std::env::var_os("PURSER_BENCH_SMOKE").is_some() || std::env::args().any(|arg| arg == "--test");
    if smoke { (1, Duration::from_millis(200)) } else { (7, Duration::from_secs(3)) }
}

fn main() {
    let (rounds, length) = plan();
    let echo = echo::start();
    let (purser, unflushed) = (purser::start(None), purser::start(Some(NEVER)));
    let (mut of_echo, mut of_purser, mut of_unflushed) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..rounds as u64 {
        of_echo.push(load::run(echo.address(), CONNECTIONS, length, round));
        of_purser.push(load::run(purser.address(), CONNECTIONS, length, 1_000 + round));
        of_unflushed.push(load::run(unflushed.address(), CONNECTIONS, length, 2_000 + round));
    }
    println!("{CONNECTIONS} connections, {rounds} rounds of {length:?}, medians");
    println!("{:<24} {:>10} {:>10} {:>10}", "server", "req/s", "p50 µs", "p99 µs");
    let echo = show("minimal axum echo", &mut of_echo);
    let purser = show("purser debit (os)", &mut of_purser);
    let unflushed = show("the same, not flushing", &mut of_unflushed);
    let (flushing, deciding) = (purser / echo, unflushed / echo);
    println!("purser answers {flushing:.2} of the echo's requests a second, {deciding:.2} while it does not flush");
}

/// Prints the median round; answers its requests a second.
fn show(name: &str, rounds: &mut [Round]) -> f64 {
    rounds.sort_by(|a, b| a.per_second.total_cmp(&b.per_second));
    let Round { per_second, p50_micros, p99_micros } = rounds[rounds.len() / 2];
    println!("{name:<24} {per_second:>10.0} {p50_micros:>10} {p99_micros:>10}");
    per_second
}
