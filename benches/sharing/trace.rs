//! Calls of a team's members over an hour: a trace of real ones, or a seeded workload of the same shape.

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

/// Calls of the hour, as many as the real ones of docs/sharing.md.
const CALLS: usize = 19_366;

/// The hour.
const HOUR_MILLIS: u64 = 3_600_000;

/// Members of the team; the n-th calls as often as 1/n.
pub const MEMBERS: usize = 50;

/// One call.
#[derive(Clone, Copy)]
pub struct Call {
    /// From the start.
    pub at_millis: u64,
    /// Which member.
    pub member: usize,
    /// Which sidecar the load balancer chose.
    pub sidecar: usize,
    /// Its cost: a token is a thousandth of a credit.
    pub micros: i64,
}

/// The calls of the file that `PURSER_TRACE` names (`TIMESTAMP,ContextTokens,GeneratedTokens`), or seeded ones.
pub fn calls(sidecars: usize) -> Vec<Call> {
    let mut random = SmallRng::seed_from_u64(20_261_122);
    let times_and_tokens = match std::env::var_os("PURSER_TRACE") {
        Some(file) => read(&std::fs::read_to_string(&file).expect("PURSER_TRACE names a file that can be read")),
        None => seeded(&mut random),
    };
    let weights: Vec<f64> = (1..=MEMBERS)
        .scan(0.0, |sum, n| {
            *sum += 1.0 / n as f64;
            Some(*sum)
        })
        .collect();
    let calls = times_and_tokens.into_iter().map(|(at_millis, tokens)| {
        let at = random.random::<f64>() * weights[MEMBERS - 1];
        let member = weights.partition_point(|sum| *sum < at);
        let sidecar = random.random_range(0..sidecars);
        Call { at_millis, member, sidecar, micros: tokens.max(1) * 1_000 }
    });
    calls.collect()
}

fn read(text: &str) -> Vec<(u64, i64)> {
    let line = |line: &str| -> Option<(u64, i64)> {
        let mut fields = line.split(',');
        let (time, context, generated) = (fields.next()?, fields.next()?, fields.next()?);
        let mut clock = time.split(' ').nth(1)?.split(':');
        let hours: f64 = clock.next()?.parse().ok()?;
        let minutes: f64 = clock.next()?.parse().ok()?;
        let seconds: f64 = clock.next()?.parse().ok()?;
        let millis = ((hours * 60.0 + minutes) * 60.0 + seconds) * 1e3;
        Some((millis as u64, context.parse::<i64>().ok()? + generated.trim().parse::<i64>().ok()?))
    };
    let calls: Vec<_> = text.lines().skip(1).filter_map(line).collect();
    let start = calls.first().expect("a trace has calls").0;
    calls.into_iter().map(|(at, tokens)| (at - start, tokens)).collect()
}

/// Bursts of calls some hundred milliseconds apart with pauses between them, and sizes of which few are ten times
/// the usual one: as in those of docs/sharing.md.
fn seeded(random: &mut SmallRng) -> Vec<(u64, i64)> {
    let mut at = 0.0;
    let mut calls: Vec<(f64, i64)> = Vec::with_capacity(CALLS);
    for _ in 0..CALLS {
        let mean = if random.random_range(0..8) == 0 { 1_000.0 } else { 70.0 };
        at -= mean * (1.0 - random.random::<f64>()).ln();
        // The sum of some uniform numbers is near enough to a bell.
        let bell: f64 = (0..6).map(|_| random.random::<f64>()).sum::<f64>() - 3.0;
        calls.push((at, (900.0 * (bell * 1.3).exp()) as i64));
    }
    calls.into_iter().map(|(millis, tokens)| ((millis * HOUR_MILLIS as f64 / at) as u64, tokens)).collect()
}
