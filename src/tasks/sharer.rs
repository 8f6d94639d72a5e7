//! The part of the sync loop that only many sidecars need: it says what is held and wanted, takes the
//! root's answers over that may be believed, and follows what control changed elsewhere.

use std::time::{Duration, Instant};

use super::sync::SyncError;
use crate::domain::Timestamp;
use crate::engine::pace::{Round, Telling, Waits};
use crate::lease::Session;
use crate::root::Shares;
use crate::root::sync::Reply;
use crate::service::Parts;

/// The longest between two syncs while nothing happens.
pub const BEAT: Duration = Duration::from_secs(1);

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
    beat: Duration,
    closes: bool,
}

impl Sharer {
    /// A conversation that has not begun. `config` is the newest change of control that was loaded.
    pub fn new(host: String, config: u64, origin: Instant) -> Self {
        let mut session = Session::default();
        session.config = config;
        Self { host, session, origin, trip_millis: TRIP_MILLIS, synced_at: None, beat: BEAT, closes: false }
    }

    /// From now on everything free is returned, and the next sync says that no more is spent.
    pub fn close(&mut self) {
        self.closes = true;
    }

    /// Works out what to say, and deducts what is returned. Comes before the batch is read.
    pub fn tell(&self, parts: &Parts, waits: &Waits, now: Timestamp) -> Telling {
        let Self { trip_millis, closes, .. } = *self;
        parts.meter.tell(waits, Round { now, trip_millis, tells_all: self.session.owes_all(), closes })
    }

    /// Whether the last sync was long enough ago.
    pub fn is_due(&self, instant: Instant) -> bool {
        self.closes || self.synced_at.is_none_or(|at| instant.saturating_duration_since(at) >= self.beat)
    }

    /// What goes with a batch that others follow.
    pub fn within(&self) -> Shares {
        self.session.within(&self.host)
    }

    /// What goes with the last batch.
    pub fn begin(&mut self, telling: Telling, instant: Instant) -> Shares {
        let Telling { funds, wants, members, .. } = telling;
        let sent_at = self.millis(instant);
        Shares { closes: self.closes, funds, wants, members, ..self.session.begin(&self.host, sent_at) }
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
        parts.clock.not_before(shared.now);
        parts.meter.take(reply, parts.clock.now());
        let trip = instant.saturating_duration_since(sent_at).as_millis();
        self.trip_millis = (self.trip_millis * 7 + u64::try_from(trip).unwrap_or(u64::MAX / 8).max(1)).div_ceil(8);
        self.synced_at = Some(instant);
        self.beat = BEAT.mul_f64(1.0 - JITTER * rand::random::<f64>());
        shared.config > self.session.config
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
