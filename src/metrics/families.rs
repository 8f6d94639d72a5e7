//! The list of every metric: what a person may rely on when writing a dashboard or an alert.
//!
//! No label ever holds a team, a member or a model: their number is not bounded.

use ::metrics::Unit;

/// What kind of number a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts by size, in [`DECISION_BUCKETS`].
    Histogram,
}

/// One metric.
#[derive(Clone, Copy, Debug)]
pub struct Family {
    /// Its name.
    pub name: &'static str,
    /// What kind of number it is.
    pub kind: Kind,
    /// What it counts in.
    pub unit: Unit,
    /// The names of its labels.
    pub labels: &'static [&'static str],
    /// What it means.
    pub help: &'static str,
}

/// Upper bounds of `purser_decision_seconds`: a decision takes microseconds, one that waits for a
/// disk milliseconds, one that waits for a store up to a second.
pub const DECISION_BUCKETS: [f64; 16] = [
    0.000_001, 0.000_002, 0.000_005, 0.000_01, 0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005,
    0.01, 0.05, 0.25, 1.0,
];

const fn family(
    name: &'static str,
    kind: Kind,
    unit: Unit,
    labels: &'static [&'static str],
    help: &'static str,
) -> Family {
    Family { name, kind, unit, labels, help }
}

use Kind::{Counter, Gauge, Histogram};
use Unit::{Bytes, Count, Seconds};

/// `purser_decisions_total`
pub(super) const DECISIONS: Family = family(
    "purser_decisions_total",
    Counter,
    Count,
    &["outcome", "reason"],
    "Debits, holds and checks answered, by outcome (allow or deny) and reason of the denial (none when allowed).",
);
/// `purser_decision_seconds`
pub(super) const DECISION_SECONDS: Family = family(
    "purser_decision_seconds",
    Histogram,
    Seconds,
    &[],
    "Time from a request being read to its decision being as durable as configured.",
);
pub(super) const OPEN_HOLDS: Family =
    family("purser_open_holds", Gauge, Count, &[], "Holds that are neither settled, released nor expired.");
pub(super) const HOLD_ENDS: Family =
    family("purser_hold_ends_total", Counter, Count, &["kind"], "Holds ended, by kind: settle, release or expire.");
pub(super) const UNFLUSHED_CREDITS: Family = family(
    "purser_unflushed_credits",
    Gauge,
    Count,
    &[],
    "Credits spent that the store has not confirmed: the most that the store's totals are behind.",
);
pub(super) const UNFLUSHED_ENTRIES: Family =
    family("purser_unflushed_entries", Gauge, Count, &[], "Entries that the store has not confirmed.");
pub(super) const FLUSH_LAG: Family = family(
    "purser_flush_lag_seconds",
    Gauge,
    Seconds,
    &[],
    "Age of the oldest entry that the store has not confirmed.",
);
pub(super) const FLUSH_SECONDS: Family =
    family("purser_flush_seconds", Gauge, Seconds, &[], "How long the last flush that the store confirmed took.");
pub(super) const FLUSH_FAILURES: Family =
    family("purser_flush_failures_total", Counter, Count, &[], "Flushes that failed or timed out; each is repeated.");
pub(super) const JOURNAL_BYTES: Family =
    family("purser_journal_bytes", Gauge, Bytes, &[], "Size of all files of the journal.");
pub(super) const JOURNAL_FAILED: Family = family(
    "purser_journal_failed",
    Gauge,
    Count,
    &[],
    "1 when a write or sync of the journal failed, so that every decision is denied until a restart; else 0.",
);
pub(super) const REPLAY_SECONDS: Family =
    family("purser_replay_seconds", Gauge, Seconds, &[], "How long the replay of the journal took at the last start.");
pub(super) const DEBT_CREDITS: Family =
    family("purser_debt_credits", Gauge, Count, &[], "Credits settled above what was left and not covered since.");
pub(super) const AUDIT_DIFFERENCES: Family = family(
    "purser_audit_differences",
    Gauge,
    Count,
    &[],
    "Balances in the last audit that differ from the ledger; anything but 0 is a fault.",
);
pub(super) const REMEMBERED_OPERATIONS: Family =
    family("purser_remembered_operations", Gauge, Count, &[], "Operation ids whose first answer is remembered.");
pub(super) const REMEMBERED_AGE: Family = family(
    "purser_remembered_age_seconds",
    Gauge,
    Seconds,
    &[],
    "Age of the oldest remembered operation id; below idempotency.retain when the cap on their number pushed it out.",
);
pub(super) const LEASES_WAITED: Family =
    family("purser_leases_waited_total", Counter, Count, &[], "Decisions that waited for credits to be lent.");
pub(super) const HTTP_REQUESTS: Family = family(
    "purser_http_requests_total",
    Counter,
    Count,
    &["route", "status"],
    "HTTP requests answered, by route as the interface documents it and status.",
);
pub(super) const CONNECTIONS: Family = family("purser_connections", Gauge, Count, &[], "Open connections.");
pub(super) const CONNECTIONS_REFUSED: Family = family(
    "purser_connections_refused_total",
    Counter,
    Count,
    &[],
    "Connections closed at once because server.connections_max were open.",
);
pub(super) const CLOCK_STEPS: Family =
    family("purser_clock_steps_total", Counter, Count, &[], "Times that the machine's clock was set back.");
pub(super) const BUILD_INFO: Family =
    family("purser_build_info", Gauge, Count, &["version"], "Always 1; the label says which version runs.");

/// Every metric there is.
pub const FAMILIES: [Family; 22] = [
    DECISIONS,
    DECISION_SECONDS,
    OPEN_HOLDS,
    HOLD_ENDS,
    UNFLUSHED_CREDITS,
    UNFLUSHED_ENTRIES,
    FLUSH_LAG,
    FLUSH_SECONDS,
    FLUSH_FAILURES,
    JOURNAL_BYTES,
    JOURNAL_FAILED,
    REPLAY_SECONDS,
    DEBT_CREDITS,
    AUDIT_DIFFERENCES,
    REMEMBERED_OPERATIONS,
    REMEMBERED_AGE,
    LEASES_WAITED,
    HTTP_REQUESTS,
    CONNECTIONS,
    CONNECTIONS_REFUSED,
    CLOCK_STEPS,
    BUILD_INFO,
];
