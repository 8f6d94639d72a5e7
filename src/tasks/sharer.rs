//! The part of the sync loop that only many sidecars need: it says what is held and wanted, takes the
//! root's answers over that may be believed, and follows what control changed elsewhere.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::sync::{SyncError, SyncLoop, journal};
use crate::domain::Timestamp;
use crate::engine::log::charged;
use crate::engine::pace::{Round, Waits};
use crate::engine::tell::Telling;
use crate::lease::Session;
use crate::metrics::Leases;
use crate::root::pending::{Outcome, What};
use crate::root::sync::{Batch, Reply};
use crate::root::{Pending, PendingKey, Shares};
use crate::service::Parts;
use crate::service::syncing::{Ask, Lacking};

/// The longest between two syncs while nothing happens.
pub const BEAT: Duration = Duration::from_secs(1);

/// The shortest between two syncs that pushes bring about: near exhaustion many push at once.
const PUSH_PAUSE: Duration = Duration::from_millis(100);

/// How much of a beat is random, so that sidecars do not sync in step.
const JITTER: f64 = 0.2;

/// What is assumed of a sync's length before one was measured, in milliseconds.
const TRIP_MILLIS: u64 = 10;

/// One sidecar's conversation with the root.
pub struct Sharer {
    host: String,
    session: Session,
    /// What instants are counted from.
    origin: Instant,
    trip_millis: u64,
    synced_at: Option<Instant>,
    /// When some of what idles was last told of.
    turned_at: Option<Instant>,
    beat: Duration,
    closes: bool,
    /// Something is free here that others were denied: it is returned at once.
    pub is_called: bool,
    /// How long operations are remembered here.
    remembers_millis: u64,
    /// What came of what the last answer asked to be done.
    done: Vec<(PendingKey, Outcome)>,
    /// When entries were last handed over, or there were none.
    pub flushed_at: Option<Instant>,
    /// Called once, when the root has first heard of this run.
    heard: Option<Box<dyn FnOnce() + Send + Sync>>,
}

impl Sharer {
    /// A conversation that has not begun; `session` knows which store was loaded, up to which change.
    pub fn new(host: String, session: Session, origin: Instant, heard: Box<dyn FnOnce() + Send + Sync>) -> Self {
        Self {
            host,
            session,
            origin,
            trip_millis: TRIP_MILLIS,
            synced_at: None,
            turned_at: None,
            beat: BEAT,
            closes: false,
            is_called: false,
            remembers_millis: 0,
            done: Vec::new(),
            flushed_at: None,
            heard: Some(heard),
        }
    }

    /// Tells the root how long operations are remembered here.
    pub fn remembering(self, remembers_millis: u64) -> Self {
        Self { remembers_millis, ..self }
    }

    /// From now on everything free is returned, and the next sync says that no more is spent.
    pub fn close(&mut self) {
        self.closes = true;
    }

    /// Works out what to say, and deducts what is returned. Comes before the batch is read.
    pub fn tell(&self, parts: &Parts, waits: &Waits, is_turn: bool, now: Timestamp) -> Telling {
        let Self { trip_millis, closes, .. } = *self;
        parts.meter.tell(waits, Round { now, trip_millis, is_turn, tells_all: self.session.owes_all(), closes })
    }

    /// Whether it is time to tell of some of what idles: once a beat, and where others brought the sync about, who may
    /// need it.
    fn takes_turn(&mut self, is_pushed: bool, instant: Instant) -> bool {
        let takes = is_pushed || self.turned_at.is_none_or(|at| instant.saturating_duration_since(at) >= self.beat);
        self.turned_at = self.turned_at.filter(|_| !takes).or(Some(instant));
        takes
    }

    /// What would be said now, where nothing is told but what waits or runs low.
    fn round(&self, now: Timestamp) -> Round {
        Round { now, trip_millis: self.trip_millis, is_turn: false, tells_all: false, closes: self.closes }
    }

    /// Whether entries may still wait for their turn.
    pub fn has_flushed(&self, interval: Duration, instant: Instant) -> bool {
        self.flushed_at.is_some_and(|at| instant.saturating_duration_since(at) < interval)
    }

    /// Whether the last sync was long enough ago.
    pub fn is_due(&self, instant: Instant) -> bool {
        self.closes || self.synced_at.is_none_or(|at| instant.saturating_duration_since(at) >= self.beat)
    }

    /// The store has registered this run anew: it knows nothing of it.
    pub fn forgotten(&mut self) {
        self.session.forgotten();
    }

    /// What goes with a batch that others follow.
    pub fn within(&self) -> Shares {
        Shares { remembers_millis: self.remembers_millis, ..self.session.within(&self.host) }
    }

    /// What goes with the last batch.
    pub fn begin(&mut self, telling: Telling, metrics: &Leases, instant: Instant) -> Shares {
        let Telling { funds, wants, members, .. } = telling;
        metrics.asked_of_pool.increment(wants.len() as u64);
        metrics.asked_of_limit.increment(members.values().filter(|share| share.want.is_some()).count() as u64);
        let sent_at = self.millis(instant);
        let (remembers_millis, done) = (self.remembers_millis, self.done.clone());
        let begun = self.session.begin(&self.host, sent_at);
        Shares { closes: self.closes, remembers_millis, done, funds, wants, members, ..begun }
    }

    /// Takes an answer over that arrived at `instant` to what was sent at `sent_at`; answers whether
    /// control has changed something elsewhere.
    pub fn take(&mut self, parts: &Parts, reply: &Reply, sent_at: Instant, instant: Instant) -> bool {
        let Some(shared) = &reply.shared else { return false };
        if !self.session.believes(shared) {
            tracing::warn!(
                beat = shared.beat,
                generation = shared.generation,
                "an answer of the root was not believed"
            );
            return false;
        }
        if let Some(heard) = self.heard.take() {
            heard();
        }
        parts.metrics.leases.regressions.increment(shared.regressions);
        parts.metrics.blocks.burned(&shared.burned);
        parts.metrics.leases.generation.set(shared.generation as f64);
        parts.clock.not_before(shared.now);
        self.is_called = parts.meter.take(reply, parts.clock.now());
        parts.metrics.leases.idle_accounts.set(parts.meter.kept() as f64);
        parts.metrics.ends.orphaned.increment(shared.orphaned);
        self.obey(parts, &shared.pending);
        let trip = instant.saturating_duration_since(sent_at).as_millis();
        self.trip_millis = (self.trip_millis * 7 + u64::try_from(trip).unwrap_or(u64::MAX / 8).max(1)).div_ceil(8);
        self.synced_at = Some(instant);
        self.beat = BEAT.mul_f64(1.0 - JITTER * rand::random::<f64>());
        if self.session.follows_anew() {
            tracing::warn!(generation = shared.generation, "the store may have forgotten: control is followed anew");
            parts.meter.forget_epochs();
        }
        shared.config > self.session.config
    }

    /// Does what others brought about, and has the next sync say so at once.
    fn obey(&mut self, parts: &Parts, pending: &[Pending]) {
        let ends = &parts.metrics.ends;
        ends.pending.set(pending.len() as f64);
        self.done.clear();
        if self.closes {
            return;
        }
        for pending in pending {
            let Some(outcome) = parts.meter.obey(pending, parts.clock.now()) else { continue };
            let counter = match (&pending.what, outcome) {
                (What::Void { reused: false }, _) => &ends.voided_same,
                (What::Void { reused: true }, _) => &ends.voided_other,
                (What::End(_), Outcome::Entered) => &ends.entered,
                (What::End(_), Outcome::Dropped) => &ends.dropped,
                (What::End(_), Outcome::Unknown) => &ends.unknown,
            };
            counter.increment(1);
            self.done.push((pending.key, outcome));
        }
        self.is_called |= !self.done.is_empty();
    }

    /// Whether what is held may still be spent.
    pub fn may_spend(&self, instant: Instant) -> bool {
        self.session.may_spend(self.millis(instant))
    }

    /// Follows what control changed elsewhere. The caller keeps the order of commits.
    pub async fn follow(&mut self, parts: &Parts) -> Result<(), SyncError> {
        loop {
            let changes = parts.store.changes(self.session.config).await?;
            parts.meter.follow(&changes.rows);
            self.session.config = self.session.config.max(changes.upto);
            if !changes.more {
                return Ok(());
            }
        }
    }

    fn millis(&self, instant: Instant) -> u64 {
        u64::try_from(instant.saturating_duration_since(self.origin).as_millis()).unwrap_or(u64::MAX)
    }
}

impl SyncLoop {
    /// Borrows from a lender beside the store what waits or runs low; answers whether nobody waits any more.
    pub(super) async fn borrow(&self, sharer: &Sharer, waits: &Waits) -> bool {
        let Parts { meter, store, clock, metrics, .. } = &self.parts;
        if !store.has_lender() {
            return false;
        }
        if sharer.closes {
            meter.borrowed(&store.call_in().await.credits, clock.now());
            return false;
        }
        let lacks = meter.lacks(waits, sharer.round(clock.now()));
        let borrowing = store.borrow(&lacks.asked, clock.now()).await;
        if borrowing.asked == 0 {
            return !lacks.is_waited_for;
        }
        let credits = borrowing.credits.iter().map(|(_, credits)| *credits);
        metrics.blocks.took(borrowing.asked, borrowing.failed, credits);
        meter.borrowed(&borrowing.credits, clock.now());
        !meter.lacks(waits, sharer.round(clock.now())).is_waited_for
    }

    /// Hands over everything that was entered before; the last batch carries what is held and wanted.
    pub(super) async fn share(&mut self, sharer: &mut Sharer, waits: &Waits) -> Result<(), SyncError> {
        let instant = self.parts.clock.instant();
        let is_turn = sharer.takes_turn(self.is_pushed, instant);
        let telling = sharer.tell(&self.parts, waits, is_turn, self.parts.clock.now());
        let is_urgent = waits.books.values().any(|waiting| !waiting.all.is_zero());
        sharer.flushed_at = Some(instant);
        let owes = !sharer.done.is_empty();
        let mut is_due = telling.is_due || is_turn || owes || !waits.books.is_empty() || sharer.is_due(instant);
        if std::mem::take(&mut self.is_pushed) {
            (is_due, self.push_after) = (true, instant + PUSH_PAUSE);
        }
        // Synced first: the store must never have an entry that a loss of power takes from the journal.
        journal(&self.parts).write()?;
        let through = journal(&self.parts).sync()?;
        let mut telling = Some(telling);
        loop {
            let (first, entries) = self.batches.read(through)?;
            let is_last = self.batches.are_behind(through);
            if entries.is_empty() && !is_due {
                return Ok(());
            }
            if is_last && is_urgent {
                self.parts.metrics.leases.urgent_syncs.increment(1);
            }
            let charged: i64 = entries.iter().map(|entry| charged(&entry.postings)).sum();
            let shared = self.hand_over(sharer, Batch { first, entries }, telling.take_if(|_| is_last)).await;
            match shared {
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

    async fn hand_over(
        &mut self,
        sharer: &mut Sharer,
        batch: Batch,
        telling: Option<Telling>,
    ) -> Result<Reply, SyncError> {
        let (sent_at, is_last) = (self.parts.clock.instant(), telling.is_some());
        let mut shares = match telling {
            Some(telling) => sharer.begin(telling, &self.parts.metrics.leases, sent_at),
            None => sharer.within(),
        };
        self.parts.store.tell(&mut shares);
        let (reply, _order) = self.exchange(batch, BTreeMap::new(), Some(shares)).await?;
        let instant = self.parts.clock.instant();
        if is_last && sharer.take(&self.parts, &reply, sent_at, instant) {
            sharer.follow(&self.parts).await?;
        }
        Ok(reply)
    }
}

/// What waits, by account.
pub(super) fn waits(asks: &[Ask]) -> Waits {
    let mut waits = Waits::default();
    for ask in asks {
        let Some(subscription) = &ask.subscription else { continue };
        let of_book = waits.books.entry(subscription.clone()).or_default();
        let Some(Lacking { person, least, credits }) = &ask.lacking else { continue };
        of_book.add(*least, *credits);
        if let Some(person) = person {
            waits.members.entry(person.clone()).or_default().add(*least, *credits);
        }
    }
    waits
}

/// Returns when the store pushes something; never where it does not.
pub(super) async fn pushed(pushes: &mut Option<watch::Receiver<u64>>, after: Instant) {
    tokio::time::sleep_until(after.into()).await;
    if let Some(receiver) = pushes
        && receiver.changed().await.is_ok()
    {
        return;
    }
    *pushes = None;
    std::future::pending().await
}
