//! What is borrowed of a lender beside the store, and what it loses.

use std::collections::BTreeMap;

use ::metrics::{Counter, Gauge};
use metrics_exporter_prometheus::PrometheusRecorder;

use super::{counter, families, gauge};
use crate::domain::{Credits, SubscriptionId};

/// Blocks of a lender.
#[derive(Clone)]
pub struct Blocks {
    asked: Counter,
    failed: Counter,
    borrowed_credits: Gauge,
    burned: Counter,
    burned_credits: Gauge,
}

impl Blocks {
    pub(super) fn new(recorder: &PrometheusRecorder) -> Self {
        Self {
            asked: counter(recorder, &families::BLOCKS_ASKED, vec![]),
            failed: counter(recorder, &families::BLOCKS_FAILED, vec![]),
            borrowed_credits: gauge(recorder, &families::BLOCKS_BORROWED, vec![]),
            burned: counter(recorder, &families::BLOCKS_BURNED, vec![]),
            burned_credits: gauge(recorder, &families::BLOCKS_BURNED_CREDITS, vec![]),
        }
    }

    /// The lender was asked so often, did not answer so often, and lent so much.
    pub fn took(&self, asked: u64, failed: u64, credits: impl IntoIterator<Item = Credits>) {
        self.asked.increment(asked);
        self.failed.increment(failed);
        credits.into_iter().for_each(|credits| self.borrowed_credits.increment(credits.micros() as f64 / 1e6));
    }

    /// Blocks of these subscriptions went into suspense.
    pub fn burned(&self, burned: &BTreeMap<SubscriptionId, Credits>) {
        self.burned.increment(burned.len() as u64);
        for (subscription, credits) in burned {
            tracing::warn!(%subscription, %credits, "a block is in suspense: its lender was replaced");
            self.burned_credits.increment(credits.micros() as f64 / 1e6);
        }
    }
}
