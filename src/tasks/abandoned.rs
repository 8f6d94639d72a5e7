//! The loop that ends what sidecars have left behind that were given up; only where many share a store. Every
//! sidecar runs it, because nobody knows which of them will live.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::service::Service;

/// How often it looks, about: a hold that nobody ends may be charged so much longer.
const EVERY: Duration = Duration::from_secs(10);

/// Looks again and again until `stop` says so.
pub async fn run(service: Arc<Service>, mut stop: oneshot::Receiver<()>) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(EVERY.mul_f64(0.5 + rand::random::<f64>())) => {}
            _ = &mut stop => return,
        }
        if let Err(unable) = service.end_abandoned().await {
            tracing::debug!(%unable, "what was left behind is ended later");
        }
    }
}
