//! What a benchmark counts while it runs. Not here: how it is shown.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use hdrhistogram::Histogram;

use crate::domain::Credits;

/// The longest latency that is told apart: above what is waited for the last answers.
const LATENCY_NANOS_MAX: u64 = 60_000_000_000;

/// Significant digits of a latency.
const LATENCY_DIGITS: u8 = 3;

/// Different errors that are told apart; further ones are counted together.
const ERRORS_MAX: usize = 16;

/// Decisions by what was decided.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) allowed: u64,
    /// By reason.
    pub(super) denied: BTreeMap<String, u64>,
    /// Debits without a decision, by what went wrong.
    pub(super) errors: BTreeMap<String, u64>,
    /// What the allowed ones cost, in micro-credits.
    pub(super) charged_micros: i128,
}

impl Counts {
    /// Counts an allowed debit.
    pub(super) fn allow(&mut self, credits: Credits) {
        self.allowed += 1;
        self.charged_micros += i128::from(credits.micros());
    }

    /// Counts a denied one.
    pub(super) fn deny(&mut self, reason: &str) {
        increase(&mut self.denied, reason, 1);
    }

    /// Counts debits without a decision.
    pub(super) fn fail(&mut self, why: &str, debits: u64) {
        let is_new = self.errors.len() >= ERRORS_MAX && !self.errors.contains_key(why);
        increase(&mut self.errors, if is_new { "others" } else { why }, debits);
    }

    /// How many debits were decided.
    pub(super) fn decisions(&self) -> u64 {
        self.allowed + self.denied.values().sum::<u64>()
    }

    fn add(&mut self, other: &Self) {
        self.allowed += other.allowed;
        self.charged_micros += other.charged_micros;
        other.denied.iter().for_each(|(reason, count)| increase(&mut self.denied, reason, *count));
        other.errors.iter().for_each(|(why, count)| self.fail(why, *count));
    }
}

/// Looks before it inserts: a reason is new once, and counted a million times.
fn increase(counts: &mut BTreeMap<String, u64>, what: &str, by: u64) {
    match counts.get_mut(what) {
        Some(count) => *count += by,
        None => drop(counts.insert(what.to_owned(), by)),
    }
}

/// What is measured, of all of the time or of a part of it.
#[derive(Clone, Debug)]
pub(super) struct Measured {
    pub(super) counts: Counts,
    /// Requests that were answered.
    pub(super) requests: u64,
    /// Of those, in nanoseconds.
    pub(super) latencies: Histogram<u64>,
}

impl Default for Measured {
    fn default() -> Self {
        let latencies = Histogram::new_with_bounds(1, LATENCY_NANOS_MAX, LATENCY_DIGITS);
        Self { counts: Counts::default(), requests: 0, latencies: latencies.expect("the bounds are in order") }
    }
}

impl Measured {
    fn add(&mut self, other: &Self) {
        self.counts.add(&other.counts);
        self.requests += other.requests;
        self.latencies.add(&other.latencies).expect("the same bounds");
    }
}

/// Everything that one thread counts.
#[derive(Clone, Debug)]
pub(super) struct Tally {
    /// Requests that were due before count as warm-up.
    from: Duration,
    every_seconds: u64,
    pub(super) warm_up: Counts,
    /// The parts of what is measured, of so many seconds each; the last may be shorter. Never empty.
    pub(super) parts: Vec<Measured>,
}

impl Tally {
    /// Measures what is due within a span of time, in parts of so many seconds.
    pub(super) fn new(measured: Range<Duration>, every_seconds: u64) -> Self {
        let parts = (measured.end - measured.start).as_secs().div_ceil(every_seconds).max(1);
        let parts = (0..parts).map(|_| Measured::default()).collect();
        Self { from: measured.start, every_seconds, warm_up: Counts::default(), parts }
    }

    /// All parts together.
    pub(super) fn measured(&self) -> Measured {
        let mut all = Measured::default();
        self.parts.iter().for_each(|part| all.add(part));
        all
    }

    /// The part in which something was due that is measured.
    fn part(&mut self, due: Duration) -> &mut Measured {
        let number = (due - self.from).as_secs() / self.every_seconds;
        let last = self.parts.len() - 1;
        &mut self.parts[last.min(number as usize)]
    }

    /// Counts a request that was due then and is answered now; where its debits are counted.
    pub(super) fn answered(&mut self, due: Duration, now: Duration) -> &mut Counts {
        if due < self.from {
            return &mut self.warm_up;
        }
        let part = self.part(due);
        part.requests += 1;
        let nanos = u64::try_from(now.saturating_sub(due).as_nanos()).unwrap_or(LATENCY_NANOS_MAX);
        part.latencies.saturating_record(nanos.max(1));
        &mut part.counts
    }

    /// Where the debits of a request without an answer are counted.
    pub(super) fn unanswered(&mut self, due: Duration) -> &mut Counts {
        if due < self.from { &mut self.warm_up } else { &mut self.part(due).counts }
    }

    /// Adds what another thread has counted of the same time.
    pub(super) fn add(&mut self, other: &Self) {
        assert_eq!(self.parts.len(), other.parts.len());
        self.warm_up.add(&other.warm_up);
        self.parts.iter_mut().zip(&other.parts).for_each(|(part, other)| part.add(other));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warming_up_is_counted_apart_and_has_no_latency() {
        let millis = Duration::from_millis;
        let mut tally = Tally::new(millis(10)..millis(20), 1);
        let one = Credits::from_credits(1).expect("small");
        tally.answered(millis(9), millis(50)).allow(one);
        tally.answered(millis(10), millis(12)).deny("held");
        tally.unanswered(millis(11)).fail("gone", 3);
        let mut both = tally.clone();
        both.add(&tally);
        assert_eq!((both.warm_up.allowed, both.warm_up.charged_micros), (2, 2_000_000));
        let all = both.measured();
        assert_eq!((all.requests, all.counts.decisions(), all.counts.errors["gone"]), (2, 2, 6));
        assert!(all.latencies.max().abs_diff(2_000_000) < 2_000, "{}", all.latencies.max());
    }

    #[test]
    fn a_request_counts_in_the_part_in_which_it_was_due() {
        let seconds = Duration::from_secs;
        let mut tally = Tally::new(seconds(1)..seconds(6), 2);
        let one = Credits::from_credits(1).expect("small");
        for due in [0, 1, 2, 3, 5] {
            tally.answered(seconds(due), seconds(9)).allow(one);
        }
        tally.unanswered(seconds(6)).fail("gone", 1);
        assert_eq!(tally.parts.iter().map(|part| part.requests).collect::<Vec<_>>(), [2, 1, 1]);
        assert_eq!((tally.warm_up.allowed, tally.parts[2].counts.errors["gone"]), (1, 1));
    }

    #[test]
    fn no_server_makes_the_list_of_errors_grow_for_ever() {
        let mut counts = Counts::default();
        (0..100).for_each(|n| counts.fail(&n.to_string(), 1));
        assert_eq!((counts.errors.len(), counts.errors["others"]), (ERRORS_MAX + 1, 100 - ERRORS_MAX as u64));
    }
}
