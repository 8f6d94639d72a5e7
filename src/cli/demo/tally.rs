//! What a demo counts while it runs. Not here: how it is shown.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;

use crate::domain::Credits;

/// What a request was, for latencies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Debit,
    Hold,
    Settle,
    Release,
    Refund,
    /// Opting out and back in, which the store decides.
    Control,
}

impl Kind {
    pub(super) const ALL: [Self; 6] =
        [Self::Debit, Self::Hold, Self::Settle, Self::Release, Self::Refund, Self::Control];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Debit => "debit",
            Self::Hold => "hold",
            Self::Settle => "settle",
            Self::Release => "release",
            Self::Refund => "refund",
            Self::Control => "opt out or in",
        }
    }
}

/// A number of things and the credits that they come to, in micro-credits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) count: u64,
    pub(super) micros: i128,
}

impl Count {
    pub(super) fn add(&mut self, credits: Credits) {
        self.count += 1;
        self.micros += i128::from(credits.micros());
    }
}

/// What is counted of a decision.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Outcome {
    pub(super) call: &'static str,
    /// `allow` or `deny`.
    pub(super) decision: String,
    /// Who paid, or why not.
    pub(super) why: String,
}

/// The longest latency that is told apart: above the client's time limit.
const LATENCY_MICROS_MAX: u64 = 60_000_000;

/// Significant digits of a latency.
const LATENCY_DIGITS: u8 = 3;

/// Everything that is counted.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    latencies: BTreeMap<Kind, Latencies>,
    pub(super) decisions: BTreeMap<Outcome, Count>,
    /// Ends of holds, and refunds.
    pub(super) ends: BTreeMap<&'static str, Count>,
    pub(super) debt: Count,
    /// Repeated ids that got the first answer again, and those that did not.
    pub(super) repeats: u64,
    pub(super) contradictions: u64,
    /// Requests that were refused, by code.
    pub(super) refused: BTreeMap<String, u64>,
    /// Requests without an answer, by what went wrong.
    pub(super) unanswered: BTreeMap<String, u64>,
    pub(super) sent: u64,
}

#[derive(Clone, Debug)]
struct Latencies(Histogram<u64>);

impl Default for Latencies {
    fn default() -> Self {
        Self(Histogram::new_with_bounds(1, LATENCY_MICROS_MAX, LATENCY_DIGITS).expect("the bounds are in order"))
    }
}

impl Tally {
    /// Counts an answer that came so long after its request was due.
    pub(super) fn latency(&mut self, kind: Kind, latency: Duration) {
        let micros = u64::try_from(latency.as_micros()).unwrap_or(LATENCY_MICROS_MAX);
        self.latencies.entry(kind).or_default().0.saturating_record(micros.max(1));
    }

    /// The latencies of a kind in microseconds, where there are any.
    pub(super) fn latencies(&self, kind: Kind) -> Option<&Histogram<u64>> {
        self.latencies.get(&kind).map(|latencies| &latencies.0)
    }

    /// How many were allowed of `call`; repeats are no new ones.
    pub(super) fn allowed(&self, call: &str) -> u64 {
        let of_call = self.decisions.iter().filter(|(outcome, _)| outcome.call == call && outcome.decision == "allow");
        of_call.map(|(_, count)| count.count).sum()
    }

    /// How many were denied.
    pub(super) fn denied(&self) -> u64 {
        self.decisions.iter().filter(|(outcome, _)| outcome.decision == "deny").map(|(_, count)| count.count).sum()
    }
}
