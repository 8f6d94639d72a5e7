//! The sync loop: reads entries back from the journal, hands them to the store, takes what it lends.
//!
//! A store that is away stops nothing here: the journal keeps the entries, the loop asks again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{OwnedMutexGuard, oneshot, watch};

use super::batches::Batches;
use super::sharer::{BEAT, Sharer, pushed, waits};
use crate::domain::{Credits, Entry, SubscriptionId, Timestamp};
use crate::engine::log::charged;
use crate::journal::codec::CodecError;
use crate::journal::{Failed, Journal, ReadError, Seq};
use crate::metrics::Syncs;
use crate::root::Shares;
use crate::root::gather::distinct;
use crate::root::sync::{Batch, Reply, Request, SyncRefusal};
use crate::service::syncing::Ask;
use crate::service::{Asks, Parts};
use crate::store::StoreError;

/// The longest pause between two tries while the store is away.
const PAUSE_MAX: Duration = Duration::from_secs(2);

/// The pause before what was called back is returned: another answer may be on its way.
const CALLED_PAUSE: Duration = Duration::from_millis(2);

/// How finely the loop knows which entry was the last at a time.
const MARK_MILLIS: u64 = 60_000;

/// What the loop is told once.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The sidecar's id.
    pub sidecar: u128,
    /// The incarnation's counter.
    pub incarnation: u64,
    /// Its random part.
    pub nonce: u128,
    /// The longest that an entry waits for the store while it answers.
    pub interval: Duration,
    /// Entries of one batch.
    pub entries_max: usize,
    /// The longest that one sync may take.
    pub timeout: Duration,
    /// How long operations are remembered, in milliseconds.
    pub retain_millis: u64,
    /// How many entries are remembered.
    pub remembered_max: u64,
}

/// Why a sync did not come through; it is tried again unless it was fenced.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// Another incarnation or another sidecar has taken over.
    #[error("the store refuses this sidecar: {0}")]
    Refused(SyncRefusal),
    /// The store is away.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store took too long.
    #[error("the store did not answer in time")]
    Timeout,
    /// The journal has failed.
    #[error(transparent)]
    Journal(#[from] Failed),
    /// The journal cannot be read back.
    #[error("entries cannot be read back from the journal: {0}")]
    Read(#[from] ReadError),
    /// An entry in the journal is none.
    #[error("entry {0} of the journal cannot be read: {1}")]
    Entry(Seq, CodecError),
}

/// The sync loop.
pub struct SyncLoop {
    pub(super) parts: Parts,
    options: Options,
    syncs: Syncs,
    asks: Asks,
    pub(super) confirmed: watch::Sender<u64>,
    pub(super) batches: Batches,
    /// Entries at or after which are remembered by time: when, and the last entry then.
    marks: std::collections::VecDeque<(Timestamp, u64)>,
    charged_micros: i64,
    /// When the last sync began that came through: what was entered before is confirmed.
    behind_since: Instant,
    /// Only where many sidecars share.
    pub(super) sharer: Option<Sharer>,
    pushes: Option<watch::Receiver<u64>>,
    pub(super) is_pushed: bool,
    /// Before this the next push waits.
    pub(super) push_after: Instant,
}

impl SyncLoop {
    /// A loop that goes on behind the last entry that the store has. `marks` are times with the last
    /// entry then, from recovery.
    pub fn new(
        parts: Parts,
        options: Options,
        asks: Asks,
        confirmed: watch::Sender<u64>,
        marks: Vec<(Timestamp, u64)>,
        sharer: Option<Sharer>,
    ) -> Self {
        let pushes = parts.store.pushes();
        let sharer = sharer.map(|sharer| sharer.remembering(options.retain_millis));
        let last = *confirmed.borrow();
        let batches = Batches::new(journal(&parts), Seq(last), options.entries_max);
        // Before the first mark nothing is old.
        let marks = if marks.is_empty() { vec![(Timestamp::MIN, 0)] } else { marks };
        let marks = marks.into();
        let syncs = parts.metrics.syncs(parts.store.name());
        let (charged_micros, is_pushed, now) = (0, false, parts.clock.instant());
        let (behind_since, push_after) = (now, now);
        Self {
            parts,
            options,
            syncs,
            asks,
            confirmed,
            batches,
            marks,
            charged_micros,
            behind_since,
            sharer,
            pushes,
            is_pushed,
            push_after,
        }
    }

    /// Syncs until `stop` says so, then once more. Answers whether everything is in the store.
    pub async fn run(mut self, mut stop: oneshot::Receiver<()>) -> bool {
        let longest = if self.sharer.is_some() { BEAT / 2 } else { Duration::MAX };
        let interval = self.options.interval.min(longest);
        let mut pause = interval;
        loop {
            let (first, stopping) = tokio::select! {
                ask = self.asks.recv() => (ask, false),
                () = tokio::time::sleep(pause) => (None, false),
                () = pushed(&mut self.pushes, self.push_after) => {
                    self.is_pushed = true;
                    (None, false)
                }
                _ = &mut stop => (None, true),
            };
            if stopping && let Some(sharer) = &mut self.sharer {
                sharer.close();
            }
            let synced = self.step(first).await;
            self.batches.resize(synced.is_ok());
            self.parts.health.synced(synced.is_ok());
            let instant = self.parts.clock.instant();
            self.parts.health.leases(self.sharer.as_ref().is_none_or(|sharer| sharer.may_spend(instant)));
            if stopping {
                return synced.is_ok();
            }
            pause = match synced {
                Ok(()) if self.sharer.as_ref().is_some_and(|sharer| sharer.is_called) => CALLED_PAUSE,
                Ok(()) => interval,
                Err(error) => {
                    self.syncs.failures.increment(1);
                    if self.is_final(&error).await {
                        self.parts.metrics.leases.fenced.set(1.0);
                        self.parts.health.refuse();
                        tracing::error!(%error, "nothing is decided here any more; see docs/sharing.md");
                        return false;
                    }
                    tracing::warn!(%error, "sync failed; it is tried again");
                    (pause * 2).min(PAUSE_MAX)
                }
            };
        }
    }

    /// Whether no later sync can come through. What the journal does not have any more and the store has lost
    /// nobody can tell: to enter more would only lose more.
    async fn is_final(&mut self, error: &SyncError) -> bool {
        match error {
            SyncError::Refused(_) => !self.came_back(error).await,
            SyncError::Read(ReadError::Gone { .. }) => true,
            _ => false,
        }
    }

    /// After a refusal of a store that many share: whether it has only lost what it knew of this sidecar,
    /// which can be told again from the journal.
    async fn came_back(&mut self, error: &SyncError) -> bool {
        let last = match error {
            SyncError::Refused(SyncRefusal::Gap { last }) if self.sharer.is_some() => *last,
            SyncError::Refused(SyncRefusal::RegisterFirst) if self.sharer.is_some() => {
                let Options { sidecar, incarnation, nonce, .. } = self.options;
                match self.parts.store.register(sidecar, incarnation, nonce).await {
                    Ok(Ok(registered)) => {
                        self.sharer.as_mut().into_iter().for_each(Sharer::forgotten);
                        registered.last
                    }
                    Ok(Err(_)) => return false,
                    // It is away; the next sync asks again.
                    Err(_) => return true,
                }
            }
            _ => return false,
        };
        tracing::error!(last, "the store has lost entries of this sidecar; they are told again from the journal");
        self.confirmed.send_replace(last);
        self.read_again();
        true
    }

    /// One sync for all who ask now.
    async fn step(&mut self, first: Option<Ask>) -> Result<(), SyncError> {
        let mut asks: Vec<Ask> = first.into_iter().collect();
        while let Ok(ask) = self.asks.try_recv() {
            asks.push(ask);
        }
        let began = self.parts.clock.instant();
        let synced = match self.sharer.take() {
            Some(mut sharer) => {
                let synced = self.borrow_and_share(&mut sharer, &mut asks).await;
                self.sharer = Some(sharer);
                synced
            }
            None => {
                let wanted = asks.iter().filter_map(|ask| ask.subscription.clone()).collect();
                self.sync(&wanted).await
            }
        };
        if synced.is_ok() {
            self.behind_since = began;
        }
        self.gauge();
        if synced.is_ok() {
            asks.into_iter().for_each(Ask::answer);
        }
        synced
    }

    /// Who waits for credits that a lender has waits for no sync, and entries wait for their own time.
    async fn borrow_and_share(&mut self, sharer: &mut Sharer, asks: &mut Vec<Ask>) -> Result<(), SyncError> {
        if self.borrow(sharer, &waits(asks)).await {
            let (met, others) = std::mem::take(asks).into_iter().partition(|ask| ask.lacking.is_some());
            *asks = others;
            let met: Vec<Ask> = met;
            let is_met = !met.is_empty();
            met.into_iter().for_each(Ask::answer);
            if is_met && asks.is_empty() && sharer.has_flushed(self.options.interval, self.parts.clock.instant()) {
                return Ok(());
            }
        }
        self.share(sharer, &waits(asks)).await
    }

    /// Hands over everything that was entered before, in batches; the last one carries the wants.
    async fn sync(&mut self, wanted: &BTreeSet<SubscriptionId>) -> Result<(), SyncError> {
        let mut returns = self.parts.meter.give_back(wanted, self.parts.clock.now());
        // Synced first: the store must never have an entry that a loss of power takes from the journal.
        journal(&self.parts).write()?;
        let through = journal(&self.parts).sync()?;
        loop {
            let (first, batch) = self.batches.read(through)?;
            let is_last = self.batches.are_behind(through);
            if batch.is_empty() && returns.is_empty() {
                return Ok(());
            }
            let mut wants = BTreeMap::new();
            if is_last {
                let now = self.parts.clock.now();
                returns = self.parts.meter.give_back(wanted, now);
                wants.extend(returns.clone());
                wants.extend(self.returns_of(&batch, now));
            }
            let charged: i64 = batch.iter().map(|entry| charged(&entry.postings)).sum();
            let result = self.exchange(Batch { first, entries: batch }, wants, None).await;
            match result.map(|(reply, _)| reply) {
                Ok(reply) => self.confirm(&reply, charged)?,
                Err(error) => {
                    self.read_again();
                    return Err(error);
                }
            }
            if is_last {
                return Ok(());
            }
        }
    }

    /// Reads on behind the last entry that the store is known to have.
    pub(super) fn read_again(&mut self) {
        self.batches.read_again(journal(&self.parts), Seq(*self.confirmed.borrow()));
    }

    /// What is free in leases that have run out, of subscriptions that the batch draws on.
    fn returns_of(&self, batch: &[Entry], now: Timestamp) -> BTreeMap<SubscriptionId, Vec<(Timestamp, Credits)>> {
        let drawn = distinct(batch.iter().map(|entry| &entry.drawer.subscription));
        let mut returns = self.parts.meter.give_back(drawn, now);
        returns.retain(|_, windows| !windows.is_empty());
        returns
    }

    pub(super) async fn exchange(
        &mut self,
        batch: Batch,
        wants: BTreeMap<SubscriptionId, Vec<(Timestamp, Credits)>>,
        shares: Option<Shares>,
    ) -> Result<(Reply, OwnedMutexGuard<()>), SyncError> {
        let Parts { meter, store, clock, order, .. } = &self.parts;
        let Options { sidecar, incarnation, .. } = self.options;
        let request = Request { sidecar, incarnation, batch, wants, shares };
        let order = Arc::clone(order).lock_owned().await;
        let start = clock.instant();
        let syncing = tokio::time::timeout(self.options.timeout, store.sync(&request, clock.now()));
        let reply = syncing.await.map_err(|_| SyncError::Timeout)??.map_err(SyncError::Refused)?;
        self.syncs.seconds.record(clock.since(start));
        if request.shares.is_none() {
            meter.lend(&reply.leases);
        }
        self.batches.take_back(request.batch.entries);
        Ok((reply, order))
    }

    pub(super) fn confirm(&mut self, reply: &Reply, charged: i64) -> Result<(), SyncError> {
        self.charged_micros += charged;
        self.confirmed.send_replace(reply.acked);
        let now = self.parts.clock.now();
        let is_new = |(at, _): &(Timestamp, u64)| now.millis_since(*at) >= MARK_MILLIS;
        if self.marks.back().is_none_or(is_new) {
            self.marks.push_back((now, reply.acked));
        }
        while self.marks.get(1).is_some_and(|(at, _)| now.millis_since(*at) >= self.options.retain_millis) {
            self.marks.pop_front();
        }
        let by_time = self.marks.front().map_or(0, |(_, seq)| *seq);
        let by_count = reply.acked.saturating_sub(self.options.remembered_max);
        journal(&self.parts).confirm(Seq(reply.acked), Seq(by_time.max(by_count)))?;
        Ok(())
    }

    fn gauge(&mut self) {
        let (journal, clock) = (journal(&self.parts), &self.parts.clock);
        let entered = journal.next_seq().before().0;
        let unflushed = entered.saturating_sub(*self.confirmed.borrow());
        let behind = if unflushed > 0 { clock.since(self.behind_since) } else { Duration::ZERO };
        let flush = &self.parts.metrics.flush;
        flush.unflushed_entries.set(unflushed as f64);
        let micros = if unflushed == 0 { 0 } else { self.parts.meter.log().charged_micros() - self.charged_micros };
        flush.unflushed_credits.set(micros as f64 / 1e6);
        flush.lag_seconds.set(behind.as_secs_f64());
    }
}

pub(super) fn journal(parts: &Parts) -> &Journal {
    parts.meter.log().journal().expect("the loops start after recovery has opened the journal")
}
