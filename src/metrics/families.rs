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
    /// Counts by size, in [`DECISION_BUCKETS`] or [`SYNC_BUCKETS`].
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

/// Upper bounds of `purser_sync_seconds`: SQLite takes a millisecond, a server across the network a few,
/// a large batch a good part of a second; what takes longer than `store.timeout` has failed.
pub const SYNC_BUCKETS: [f64; 13] = [0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];

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
pub(super) const HOLDS_REPRICED: Family = family(
    "purser_holds_repriced_total",
    Counter,
    Count,
    &[],
    "Settles priced by the rate card in force, because the card of the hold is lost.",
);
pub(super) const HOLDS_UNTOLD: Family = family(
    "purser_holds_untold_total",
    Counter,
    Count,
    &[],
    "Holds whose call was answered through Envoy without telling what it used: they expire uncharged.",
);
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
    "While entries are not confirmed, how long ago the last sync began that came through: none of them is older.",
);
pub(super) const SYNC_SECONDS: Family = family(
    "purser_sync_seconds",
    Histogram,
    Seconds,
    &["store"],
    "How long a sync with the store took that it confirmed, by store.",
);
pub(super) const SYNC_FAILURES: Family = family(
    "purser_sync_failures_total",
    Counter,
    Count,
    &["store"],
    "Syncs that failed or timed out, by store; each is repeated.",
);
pub(super) const URGENT_SYNCS: Family = family(
    "purser_urgent_syncs_total",
    Counter,
    Count,
    &[],
    "Syncs that were made at once because a decision waited for credits to be lent.",
);
pub(super) const JOURNAL_BYTES: Family =
    family("purser_journal_bytes", Gauge, Bytes, &[], "Size of all files of the journal.");
pub(super) const JOURNAL_FAILED: Family = family(
    "purser_journal_failed",
    Gauge,
    Count,
    &[],
    "1 when a write or sync of the journal failed, so that every decision is denied until a restart; else 0.",
);
pub(super) const LOAD_SECONDS: Family =
    family("purser_load_seconds", Gauge, Seconds, &[], "How long loading the store's rows took at the last start.");
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
pub(super) const LEASES_DENIED: Family = family(
    "purser_leases_denied_total",
    Counter,
    Count,
    &[],
    "Decisions denied as unavailable because no credits were lent in time.",
);
pub(super) const LEASES_HELD: Family = family(
    "purser_lease_credits",
    Gauge,
    Count,
    &[],
    "Credits that are lent to this sidecar and free: what it may spend alone, and what is stranded if it is lost.",
);
pub(super) const LEASES_IDLE: Family = family(
    "purser_lease_idle_accounts",
    Gauge,
    Count,
    &[],
    "Pools and limits that nobody asks of here and of which credits are kept until others need them; 2048 at most.",
);
pub(super) const LEASES_ASKED: Family = family(
    "purser_leases_asked_total",
    Counter,
    Count,
    &["of"],
    "Requests to be lent more of an account, by what it is: pool or limit. A wallet counts as a pool.",
);
pub(super) const SUSPENSE: Family = family(
    "purser_suspense_credits",
    Gauge,
    Count,
    &[],
    "Credits lent to this sidecar of which a crash took the knowledge whether they were spent.",
);
pub(super) const REGRESSIONS: Family = family(
    "purser_lease_regressions_total",
    Counter,
    Count,
    &[],
    "Leases of this sidecar that the store had forgotten and learnt of again; anything but 0 needs a look at the store.",
);
pub(super) const GENERATION: Family = family(
    "purser_store_generation",
    Gauge,
    Count,
    &[],
    "Rises whenever the store may have forgotten what it lent: it was restored, or another took its place.",
);
pub(super) const FENCED: Family = family(
    "purser_fenced",
    Gauge,
    Count,
    &[],
    "1 when the store refuses this sidecar, because a newer run of it has registered or it was written off; else 0.",
);
pub(super) const VOIDED: Family = family(
    "purser_voided_total",
    Counter,
    Count,
    &["content"],
    "Draws undone because another sidecar had entered one under the same id before, by content: same or other.",
);
pub(super) const ENDS_ASKED: Family = family(
    "purser_ends_asked_total",
    Counter,
    Count,
    &["kind"],
    "Ends taken in for draws of other sidecars, by kind: settle, release, extend or refund.",
);
pub(super) const ENDS_TAKEN: Family = family(
    "purser_ends_taken_total",
    Counter,
    Count,
    &["outcome"],
    "Ends of draws of this sidecar that others took in, by outcome: entered, dropped (it had ended otherwise) or unknown.",
);
pub(super) const ENDS_PENDING: Family = family(
    "purser_ends_pending",
    Gauge,
    Count,
    &[],
    "Ends and undone draws that the store has for this sidecar to enter, as of its last sync.",
);
pub(super) const ORPHANED: Family = family(
    "purser_orphaned_total",
    Counter,
    Count,
    &[],
    "Ends for which no draw turned up, as found by this sidecar's syncs; each is in the ledger.",
);
pub(super) const BLOCKS_ASKED: Family = family(
    "purser_blocks_asked_total",
    Counter,
    Count,
    &[],
    "Times that the lender of blocks beside the store was asked instead of the store.",
);
pub(super) const BLOCKS_FAILED: Family = family(
    "purser_blocks_failed_total",
    Counter,
    Count,
    &[],
    "Times that the lender of blocks did not answer in time, or was another one; the store was asked then.",
);
pub(super) const BLOCKS_BORROWED: Family = family(
    "purser_blocks_borrowed_credits",
    Gauge,
    Count,
    &[],
    "Credits that this sidecar has borrowed of blocks since it started.",
);
pub(super) const BLOCKS_BURNED: Family = family(
    "purser_blocks_burned_total",
    Counter,
    Count,
    &[],
    "Blocks that this sidecar found to be in suspense from then on, because their lender was replaced.",
);
pub(super) const BLOCKS_BURNED_CREDITS: Family = family(
    "purser_blocks_burned_credits",
    Gauge,
    Count,
    &[],
    "Credits of those blocks, what others had borrowed and not told yet included.",
);
pub(super) const HTTP_REQUESTS: Family = family(
    "purser_http_requests_total",
    Counter,
    Count,
    &["route", "status"],
    "HTTP requests answered, by route as the interface documents it and status.",
);
pub(super) const GRPC_REQUESTS: Family = family(
    "purser_grpc_requests_total",
    Counter,
    Count,
    &["method", "code"],
    "gRPC requests answered, by method and code; those of a stream of decisions one by one.",
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
pub const FAMILIES: [Family; 45] = [
    DECISIONS,
    DECISION_SECONDS,
    OPEN_HOLDS,
    HOLD_ENDS,
    HOLDS_REPRICED,
    HOLDS_UNTOLD,
    UNFLUSHED_CREDITS,
    UNFLUSHED_ENTRIES,
    FLUSH_LAG,
    SYNC_SECONDS,
    SYNC_FAILURES,
    URGENT_SYNCS,
    JOURNAL_BYTES,
    JOURNAL_FAILED,
    LOAD_SECONDS,
    REPLAY_SECONDS,
    DEBT_CREDITS,
    AUDIT_DIFFERENCES,
    REMEMBERED_OPERATIONS,
    REMEMBERED_AGE,
    LEASES_WAITED,
    LEASES_DENIED,
    LEASES_HELD,
    LEASES_IDLE,
    LEASES_ASKED,
    SUSPENSE,
    REGRESSIONS,
    GENERATION,
    FENCED,
    VOIDED,
    ENDS_ASKED,
    ENDS_TAKEN,
    ENDS_PENDING,
    ORPHANED,
    BLOCKS_ASKED,
    BLOCKS_FAILED,
    BLOCKS_BORROWED,
    BLOCKS_BURNED,
    BLOCKS_BURNED_CREDITS,
    HTTP_REQUESTS,
    GRPC_REQUESTS,
    CONNECTIONS,
    CONNECTIONS_REFUSED,
    CLOCK_STEPS,
    BUILD_INFO,
];
