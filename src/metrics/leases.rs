//! What is lent to this sidecar, and what comes of that.

use ::metrics::{Counter, Gauge, Label};
use metrics_exporter_prometheus::PrometheusRecorder;

use super::{counter, families, gauge};

/// What is lent to this sidecar.
#[derive(Clone)]
pub struct Leases {
    /// Credits that it may spend.
    pub held_credits: Gauge,
    /// Accounts that idle here and of which something is kept.
    pub idle_accounts: Gauge,
    /// Credits that it lost track of.
    pub suspense_credits: Gauge,
    /// Requests for more of a subscription.
    pub asked_of_pool: Counter,
    /// Requests for more of a member's limit.
    pub asked_of_limit: Counter,
    /// Decisions that waited for credits to be lent.
    pub waited: Counter,
    /// Decisions that waited in vain.
    pub denied: Counter,
    /// Syncs that were made because a decision waited.
    pub urgent_syncs: Counter,
    /// Leases that the store had forgotten.
    pub regressions: Counter,
    /// The store's generation.
    pub generation: Gauge,
    /// 1 once the store refuses this sidecar, else 0.
    pub fenced: Gauge,
}

impl Leases {
    pub(super) fn new(recorder: &PrometheusRecorder) -> Self {
        let asked = |of: &'static str| counter(recorder, &families::LEASES_ASKED, vec![Label::new("of", of)]);
        Self {
            held_credits: gauge(recorder, &families::LEASES_HELD, vec![]),
            idle_accounts: gauge(recorder, &families::LEASES_IDLE, vec![]),
            suspense_credits: gauge(recorder, &families::SUSPENSE, vec![]),
            asked_of_pool: asked("pool"),
            asked_of_limit: asked("limit"),
            waited: counter(recorder, &families::LEASES_WAITED, vec![]),
            denied: counter(recorder, &families::LEASES_DENIED, vec![]),
            urgent_syncs: counter(recorder, &families::URGENT_SYNCS, vec![]),
            regressions: counter(recorder, &families::REGRESSIONS, vec![]),
            generation: gauge(recorder, &families::GENERATION, vec![]),
            fenced: gauge(recorder, &families::FENCED, vec![]),
        }
    }
}
