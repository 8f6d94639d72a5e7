//! Single operations, each timed by itself, because a mean hides what most of them take and what the slowest do.

use std::hint::black_box;
use std::time::Instant;

/// How often batches are prepared and timed.
const BATCHES: usize = 100;

/// Times the operations of some batches one by one and prints their median and 99th percentile, less what reading
/// the clock itself takes. Where each does `of` things at once, it prints what one of these takes.
pub fn print<T, U>(name: &str, of: u64, mut prepare: impl FnMut() -> Vec<T>, mut act: impl FnMut(&T) -> U) {
    if !is_asked(name) {
        return;
    }
    let mut idle: Vec<_> = (0..10_000).map(|_| nanos(|| ())).collect();
    let clock = percentile(&mut idle, 50);
    let mut taken = Vec::new();
    for _ in 0..BATCHES {
        let items = prepare();
        taken.extend(items.iter().map(|item| nanos(|| act(black_box(item))).saturating_sub(clock)));
    }
    let (median, p99) = (percentile(&mut taken, 50) / of, percentile(&mut taken, 99) / of);
    println!("{name}: median {median} ns, p99 {p99} ns of {} operations (clock: {clock} ns)", taken.len());
}

/// As criterion filters what it runs: by a word without dashes, or several with bars between.
fn is_asked(name: &str) -> bool {
    let mut filters = std::env::args().skip(1).filter(|word| !word.starts_with('-'));
    filters.all(|filter| filter.split('|').any(|word| name.contains(word)))
}

fn nanos<U>(act: impl FnOnce() -> U) -> u64 {
    let start = instant();
    let answer = act();
    let taken = instant() - start;
    drop(black_box(answer));
    taken.as_nanos() as u64
}

fn percentile(of: &mut [u64], percent: usize) -> u64 {
    of.sort_unstable();
    of[(of.len() - 1) * percent / 100]
}

#[expect(clippy::disallowed_methods, reason = "a bench measures; nothing is decided by it")]
fn instant() -> Instant {
    Instant::now()
}
