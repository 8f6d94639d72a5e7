//! Asking for a sync and waiting for it. All who wait ride on the same one.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::Unable;
use crate::domain::{Credits, SubscriptionId, TeamId, UserId};

/// The most that wait at a time; more are told at once that there is no time for them.
const ASKS_MAX: usize = 65_536;

/// One who asks for a sync.
#[derive(Debug)]
pub struct Ask {
    /// The subscription to lend of anew; `None`: only flush.
    pub subscription: Option<SubscriptionId>,
    /// The draw that waits, where one does.
    pub lacking: Option<Lacking>,
    /// Told when a sync that began after the asking has come through.
    pub done: Option<oneshot::Sender<()>>,
}

impl Ask {
    /// Says that a sync has come through; who has gone away needs no answer.
    pub fn answer(self) {
        if let Some(done) = self.done {
            let _ = done.send(());
        }
    }
}

/// A draw that waits for a lease.
#[derive(Clone, Debug)]
pub struct Lacking {
    /// The member whose limit applies, where one may.
    pub person: Option<(TeamId, UserId)>,
    /// The least that will do.
    pub least: Credits,
    /// What is asked.
    pub credits: Credits,
}

/// Where the sync loop finds who asks.
pub type Asks = mpsc::Receiver<Ask>;

/// A handle to ask with.
#[derive(Clone, Debug)]
pub struct Syncing(mpsc::Sender<Ask>);

impl Syncing {
    /// A handle, and what the sync loop takes.
    pub fn new() -> (Self, Asks) {
        let (asks, taken) = mpsc::channel(ASKS_MAX);
        (Self(asks), taken)
    }

    /// Waits until all that was entered so far is in the store and the leases of `subscription` are
    /// as the root has them.
    pub async fn sync(&self, subscription: Option<SubscriptionId>, wait: Duration) -> Result<(), Unable> {
        self.ask(subscription, None, wait).await
    }

    /// As [`Syncing::sync`], for a draw that waits.
    pub async fn lend(&self, subscription: SubscriptionId, lacking: Lacking, wait: Duration) -> Result<(), Unable> {
        self.ask(Some(subscription), Some(lacking), wait).await
    }

    async fn ask(
        &self,
        subscription: Option<SubscriptionId>,
        lacking: Option<Lacking>,
        wait: Duration,
    ) -> Result<(), Unable> {
        let (done, told) = oneshot::channel();
        self.0.try_send(Ask { subscription, lacking, done: Some(done) }).map_err(|_| Unable::Timeout)?;
        match tokio::time::timeout(wait, told).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Unable::Timeout),
        }
    }

    /// Asks for a flush without waiting; with the queue full one is under way anyway.
    pub fn nudge(&self) {
        drop(self.0.try_send(Ask { subscription: None, lacking: None, done: None }));
    }
}
