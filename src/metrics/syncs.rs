//! Syncs by store.

use ::metrics::{Counter, Histogram, Key, Label, Recorder as _};
use metrics_exporter_prometheus::PrometheusRecorder;

use super::{METADATA, counter, families};

/// Syncs with one store.
#[derive(Clone)]
pub struct Syncs {
    /// Seconds that a sync took which the store confirmed.
    pub seconds: Histogram,
    /// Syncs that failed.
    pub failures: Counter,
}

impl Syncs {
    pub(super) fn new(recorder: &PrometheusRecorder, store: &'static str) -> Self {
        let labels = || vec![Label::new("store", store)];
        Self {
            seconds: recorder.register_histogram(&Key::from_parts(families::SYNC_SECONDS.name, labels()), &METADATA),
            failures: counter(recorder, &families::SYNC_FAILURES, labels()),
        }
    }
}
