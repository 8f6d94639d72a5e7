//! The audit loop: has the store recompute every sum from the ledger alone, and shows differences.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::metrics::Metrics;
use crate::store::Store;

/// Audits every `interval` until `stop` says so.
pub async fn run(store: Arc<dyn Store>, metrics: Metrics, interval: Duration, mut stop: oneshot::Receiver<()>) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(interval) => {}
            _ = &mut stop => return,
        }
        match store.audit().await {
            Ok(audit) => {
                metrics.books.audit_differences.set(audit.differences as f64);
                for difference in &audit.listed {
                    tracing::error!(?difference, "the ledger and the tables differ");
                }
            }
            Err(error) => tracing::warn!(%error, "the audit could not read the store"),
        }
    }
}
