//! The audit loop: has the store recompute every sum from the ledger alone, and shows differences.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::service::{Progress, Service};

/// Audits every `interval` until `stop` says so, or waits for an operator's audit that runs then.
pub async fn run(service: Arc<Service>, interval: Duration, mut stop: oneshot::Receiver<()>) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(interval) => {}
            _ = &mut stop => return,
        }
        // An operator's audit in between counts as well as this one.
        let audit = match service.reconcile_within(interval).await {
            Progress::Ended(audit) => audit,
            Progress::Running { since } => {
                tracing::warn!(%since, "an audit takes longer than audit.interval");
                continue;
            }
        };
        match audit {
            Ok(audit) => {
                for difference in &audit.listed {
                    tracing::error!(?difference, "the ledger and the tables differ");
                }
            }
            Err(error) => tracing::warn!(%error, "the audit could not read the store"),
        }
    }
}
