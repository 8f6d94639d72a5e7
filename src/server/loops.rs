//! The loops on a thread of their own, so that flushing takes no turn from answering.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::config::Config;
use crate::metrics::UPKEEP_INTERVAL;
use crate::root::Sharing;
use crate::service::Service;
use crate::service::health::Watched;
use crate::tasks::sync::SyncLoop;
use crate::tasks::{abandoned, audit, tend};

/// The running loops.
pub struct Loops {
    service: Arc<Service>,
    stop_sync: oneshot::Sender<()>,
    stop_others: Vec<oneshot::Sender<()>>,
    flushed: oneshot::Receiver<bool>,
}

impl Loops {
    /// Starts them.
    ///
    /// # Panics
    /// When the system gives no further thread; nothing has been answered then.
    pub fn start(sync: SyncLoop, service: &Arc<Service>, config: &Config) -> Self {
        let (stop_sync, sync_stopped) = oneshot::channel();
        let (stop_tend, tend_stopped) = oneshot::channel();
        let (stop_audit, audit_stopped) = oneshot::channel();
        let (stop_abandoned, abandoned_stopped) = oneshot::channel();
        let (flushed_sender, flushed) = oneshot::channel();
        let (tend_interval, audit_interval) = (config.holds.expire_interval, config.audit.interval);
        let parts = Arc::clone(service);
        let run = async move {
            let Service { meter, store, clock, metrics, health, .. } = &*parts;
            let _watched = Watched(Arc::clone(health));
            let upkeep = metrics.clone();
            tokio::spawn(async move {
                loop {
                    tokio::time::sleep(UPKEEP_INTERVAL).await;
                    upkeep.run_upkeep();
                }
            });
            let tending = tend::run(Arc::clone(meter), clock.clone(), metrics.clone(), tend_interval, tend_stopped);
            let watched = Watched(Arc::clone(health));
            tokio::spawn(async move {
                let _watched = watched;
                tending.await;
            });
            tokio::spawn(audit::run(Arc::clone(&parts), audit_interval, audit_stopped));
            if store.sharing() == Sharing::Many {
                tokio::spawn(abandoned::run(Arc::clone(&parts), abandoned_stopped));
            }
            let flushed = sync.run(sync_stopped).await;
            // Nobody waits any more when the deadline has passed.
            let _ = flushed_sender.send(flushed);
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("the system has room for one more runtime");
        let spawned = thread::Builder::new().name("purser-loops".into()).spawn(move || runtime.block_on(run));
        spawned.expect("the system has room for one more thread");
        Self {
            service: Arc::clone(service),
            stop_sync,
            stop_others: vec![stop_tend, stop_audit, stop_abandoned],
            flushed,
        }
    }

    /// Flushes once more and stops; answers whether everything is in the store. Closes the journal.
    pub async fn stop(self, deadline: Duration) -> bool {
        for stop in self.stop_others {
            // A loop that has ended by itself needs no stopping.
            let _ = stop.send(());
        }
        let _ = self.stop_sync.send(());
        let flushed = matches!(tokio::time::timeout(deadline, self.flushed).await, Ok(Ok(true)));
        let closed = self.service.meter.log().journal().is_none_or(|journal| journal.close().is_ok());
        flushed && closed
    }
}
