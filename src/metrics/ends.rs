//! Operations that met several sidecars.

use ::metrics::{Counter, Gauge, Label};
use metrics_exporter_prometheus::PrometheusRecorder;

use super::{counter, families, gauge};
use crate::domain::AskedEnd;

/// Operations that met several sidecars.
#[derive(Clone)]
pub struct Ends {
    /// Draws undone that asked for the same as the one before.
    pub voided_same: Counter,
    /// Draws undone that asked for something else.
    pub voided_other: Counter,
    asked: [Counter; 4],
    /// Ends that others took in and this sidecar entered.
    pub entered: Counter,
    /// Ends that others took in and that came too late.
    pub dropped: Counter,
    /// Ends that others took in of what is not known here.
    pub unknown: Counter,
    /// What the store has for this sidecar to enter.
    pub pending: Gauge,
    /// Ends for which no draw turned up.
    pub orphaned: Counter,
}

impl Ends {
    pub(super) fn new(recorder: &PrometheusRecorder) -> Self {
        let voided = |content: &'static str| counter(recorder, &families::VOIDED, vec![Label::new("content", content)]);
        let asked = |kind: &'static str| counter(recorder, &families::ENDS_ASKED, vec![Label::new("kind", kind)]);
        let taken =
            |outcome: &'static str| counter(recorder, &families::ENDS_TAKEN, vec![Label::new("outcome", outcome)]);
        Self {
            voided_same: voided("same"),
            voided_other: voided("other"),
            asked: ["settle", "release", "extend", "refund"].map(asked),
            entered: taken("entered"),
            dropped: taken("dropped"),
            unknown: taken("unknown"),
            pending: gauge(recorder, &families::ENDS_PENDING, vec![]),
            orphaned: counter(recorder, &families::ORPHANED, vec![]),
        }
    }

    /// An end was taken in for another sidecar.
    pub fn asked(&self, end: &AskedEnd) {
        let kind = match end {
            AskedEnd::Settle { .. } => 0,
            AskedEnd::Release => 1,
            AskedEnd::Extend { .. } => 2,
            AskedEnd::Refund { .. } => 3,
        };
        self.asked[kind].increment(1);
    }
}
