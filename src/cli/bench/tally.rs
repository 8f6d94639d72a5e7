//! What a benchmark counts while it runs. Not here: how it is shown.

use std::collections::BTreeMap;
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

/// Everything that one thread counts.
#[derive(Clone, Debug)]
pub(super) struct Tally {
    /// Requests that were due before count as warm-up.
    from: Duration,
    pub(super) warm_up: Counts,
    pub(super) measured: Counts,
    /// Measured requests that were answered.
    pub(super) requests: u64,
    /// Of those, in nanoseconds.
    pub(super) latencies: Histogram<u64>,
}

impl Tally {
    /// Measures what is due from `from` on.
    pub(super) fn new(from: Duration) -> Self {
        let latencies = Histogram::new_with_bounds(1, LATENCY_NANOS_MAX, LATENCY_DIGITS);
        Self {
            from,
            warm_up: Counts::default(),
            measured: Counts::default(),
            requests: 0,
            latencies: latencies.expect("the bounds are in order"),
        }
    }

    /// Counts a request that was due then and is answered now; where its debits are counted.
    pub(super) fn answered(&mut self, due: Duration, now: Duration) -> &mut Counts {
        if due < self.from {
            return &mut self.warm_up;
        }
        self.requests += 1;
        let nanos = u64::try_from(now.saturating_sub(due).as_nanos()).unwrap_or(LATENCY_NANOS_MAX);
        self.latencies.saturating_record(nanos.max(1));
        &mut self.measured
    }

    /// Where the debits of a request without an answer are counted.
    pub(super) fn unanswered(&mut self, due: Duration) -> &mut Counts {
        if due < self.from { &mut self.warm_up } else { &mut self.measured }
    }

    /// Adds what another thread has counted.
    pub(super) fn add(&mut self, other: &Self) {
        self.warm_up.add(&other.warm_up);
        self.measured.add(&other.measured);
        self.requests += other.requests;
        self.latencies.add(&other.latencies).expect("the same bounds");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warming_up_is_counted_apart_and_has_no_latency() {
        let millis = Duration::from_millis;
        let mut tally = Tally::new(millis(10));
        let one = Credits::from_credits(1).expect("small");
        tally.answered(millis(9), millis(50)).allow(one);
        tally.answered(millis(10), millis(12)).deny("held");
        tally.unanswered(millis(11)).fail("gone", 3);
        let mut both = tally.clone();
        both.add(&tally);
        assert_eq!((both.warm_up.allowed, both.warm_up.charged_micros), (2, 2_000_000));
        assert_eq!((both.requests, both.measured.decisions(), both.measured.errors["gone"]), (2, 2, 6));
        assert!(both.latencies.max().abs_diff(2_000_000) < 2_000, "{}", both.latencies.max());
    }

    #[test]
    fn no_server_makes_the_list_of_errors_grow_for_ever() {
        let mut counts = Counts::default();
        (0..100).for_each(|n| counts.fail(&n.to_string(), 1));
        assert_eq!((counts.errors.len(), counts.errors["others"]), (ERRORS_MAX + 1, 100 - ERRORS_MAX as u64));
    }
}
