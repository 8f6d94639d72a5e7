//! What every edge calls: decisions that wait for a lease and for durability, control through the
//! store, and balances.
//!
//! Nothing is decided here and nothing of the wire is known. The engine decides, the root rules.

mod abandoned;
mod across;
pub mod balances;
pub mod cards;
pub mod control;
pub mod decisions;
pub mod health;
pub mod job;
pub mod operators;
pub mod pricing;
pub mod recording;
pub mod records;
mod refollow;
pub mod syncing;

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use tokio::sync::{Mutex, watch};

use crate::clock::Clock;
use crate::config::Durability;
use crate::domain::RateVersion;
use crate::engine::{JournalLog, Meter};
use crate::journal::{Journal, Seq};
use crate::metrics::Metrics;
use crate::store::{Store, StoreError};

pub use balances::{FundsBalance, LentOut, MemberView};
pub use cards::Cards;
pub use decisions::{EndError, Taken, Together};
pub use health::Health;
pub use job::Progress;
use operators::Jobs;
pub use operators::{Forgiven, Held, SidecarNow};
pub use pricing::{Cost, Quote};
pub use recording::{Unrecorded, Used};
pub use syncing::{Asks, Syncing};

/// The engine over the journal.
pub type JournalMeter = Meter<JournalLog>;

/// Why the service could not do what was asked; nothing is half done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unable {
    /// The journal takes no entries, or an answer could not be made durable.
    #[error("the journal takes no entries")]
    Journal,
    /// The server is stopping.
    #[error("this sidecar is stopping")]
    Stopping,
    /// A sync did not come through in time.
    #[error("the store did not answer in time")]
    Timeout,
    /// The store is away or has refused.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What a service is told once.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// What an answer waits for.
    pub durability: Durability,
    /// How long a draw waits for a lease.
    pub lease_wait: Duration,
    /// How long control and balances wait for the store.
    pub store_wait: Duration,
}

/// What the service and the loops share.
#[derive(Clone)]
pub struct Parts {
    /// The engine.
    pub meter: Arc<JournalMeter>,
    /// The store.
    pub store: Arc<dyn Store>,
    /// The clock.
    pub clock: Clock,
    /// The metrics.
    pub metrics: Metrics,
    /// Held from a transaction of the store until the engine has followed it, so that the engine
    /// follows in the order of commits.
    pub order: Arc<Mutex<()>>,
    /// What the loops say.
    pub health: Arc<Health>,
}

/// What every edge calls.
pub struct Service {
    pub(crate) meter: Arc<JournalMeter>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Clock,
    pub(crate) metrics: Metrics,
    pub(crate) syncing: Syncing,
    pub(crate) order: Arc<Mutex<()>>,
    pub(crate) health: Arc<Health>,
    cards: Cards,
    options: Options,
    confirmed: watch::Receiver<u64>,
    stopping: AtomicBool,
    jobs: Jobs,
}

impl Service {
    /// A service over parts that have been recovered. `confirmed` is the last entry that the store has.
    pub fn new(parts: Parts, syncing: Syncing, confirmed: watch::Receiver<u64>, options: Options) -> Self {
        let Parts { meter, store, clock, metrics, order, health } = parts;
        let (stopping, jobs, cards) = (AtomicBool::new(false), Jobs::new(&clock), Cards::default());
        Self { meter, store, clock, metrics, syncing, order, health, cards, options, confirmed, stopping, jobs }
    }

    /// The clock that this service decides by.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The metrics that this service counts in.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// The rate cards that it knows.
    pub fn cards(&self) -> &Cards {
        &self.cards
    }

    /// The versions of the rate card that open holds name.
    pub fn named_rates(&self) -> BTreeSet<RateVersion> {
        self.meter.open_rates()
    }

    /// Takes no new draws from now on; what is open may still end.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
    }

    /// Sets whether the whitelist applies to every draw on the pool.
    pub fn set_on_pool_spend(&self, on: bool) {
        self.meter.set_on_pool_spend(on);
    }

    /// Why this sidecar should get no traffic, if so.
    pub fn unready(&self) -> Option<&'static str> {
        if self.stopping.load(Ordering::Acquire) {
            return Some("stopping");
        }
        if let Some(why) = self.health.why_not() {
            return Some(why);
        }
        match self.journal() {
            None => Some("recovering"),
            Some(journal) if journal.failure().is_some() => {
                Some("the journal cannot be written; see the log, make room on its disk, then restart this sidecar")
            }
            Some(_) => None,
        }
    }

    /// Whether a draw can be decided and answered as durably as it must be.
    fn may_draw(&self) -> bool {
        let confirms = self.options.durability != Durability::Store || !self.health.is_store_away();
        confirms && !self.is_stopping() && !self.health.is_lease_ended() && self.health.why_not().is_none()
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    fn journal(&self) -> Option<&Journal> {
        self.meter.log().journal()
    }

    /// Waits until an entry is as durable as answers must be (I8).
    async fn durable(&self, seq: u64) -> Result<(), Unable> {
        let journal = self.journal().ok_or(Unable::Journal)?;
        // Who else is ready decides first: then one write to the journal serves all of them.
        after_others().await;
        journal.durable(Seq(seq), self.options.durability).await.map_err(|_| Unable::Journal)?;
        if self.options.durability == Durability::Store {
            // Apart, so that what waits for the journal alone is as small as it can be.
            Box::pin(self.stored(seq)).await?;
        }
        Ok(())
    }

    /// Waits until the store has an entry.
    async fn stored(&self, seq: u64) -> Result<(), Unable> {
        self.syncing.nudge();
        let mut confirmed = self.confirmed.clone();
        let reached = confirmed.wait_for(|&confirmed| confirmed >= seq);
        let reached = tokio::time::timeout(self.options.store_wait, reached).await;
        reached.map_err(|_| Unable::Timeout)?.map_err(|_| Unable::Stopping)?;
        Ok(())
    }
}

/// Lets every task go first that is ready by now. To yield to the runtime would also ask the system, each time, who else is.
async fn after_others() {
    let mut is_asked = false;
    poll_fn(|cx| {
        if mem::replace(&mut is_asked, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
