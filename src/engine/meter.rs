//! The meter: finds the team and the book of a request, and locks them, team before book.
//!
//! Deciding is in `draw`, ending in `ends`, what control and the root say in `follow`, reading in
//! `balance`. Nothing here waits: a lease that has run out is answered as such.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use dashmap::DashMap;

use super::cells::{BookCell, Owned, TeamCell};
use super::keys::{Key, Keys};
use super::known::Horizon;
use super::lock::Mutex;
use super::log::Log;
use super::pace::PacedLock;
pub use crate::domain::Scope;
use crate::domain::{OperationId, SubscriptionId, TeamId, Timestamp, UserId};
use crate::root::Sharing;

type Map<K, V> = DashMap<K, V, foldhash::fast::RandomState>;

/// What the meter is told once.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How long an operation is remembered, in milliseconds.
    pub retain_millis: u64,
    /// How many of the last entries are remembered.
    pub entries_max: u64,
    /// How many holds one team, or one user alone, may have open; more are denied `unavailable`.
    pub open_holds_max: usize,
    /// What a denial for unavailability asks to wait, in milliseconds.
    pub retry_after_millis: u64,
    /// Whether everything is lent to this sidecar, or parts to many.
    pub sharing: Sharing,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            retain_millis: 24 * 3_600_000,
            entries_max: 10_000_000,
            open_holds_max: 100_000,
            retry_after_millis: 1_000,
            sharing: Sharing::Sole,
        }
    }
}

/// Everything that decides, in memory.
#[derive(Debug)]
pub struct Meter<L> {
    pub(super) teams: Map<TeamId, Arc<Mutex<TeamCell>>>,
    pub(super) books: Map<SubscriptionId, Arc<Mutex<BookCell>>>,
    pub(super) owned: Map<UserId, Owned>,
    pub(super) log: L,
    pub(super) options: Options,
    pub(super) on_pool_spend: AtomicBool,
    pub(super) paced: PacedLock,
    /// Operations up to this entry may have ended before a restart without anybody knowing.
    doubted: AtomicU64,
    last_seq: AtomicU64,
    keys: Keys,
    #[cfg(feature = "shuttle")]
    pub(super) decides_unlocked: AtomicBool,
}

impl<L: Log> Meter<L> {
    /// A meter that knows nobody yet.
    pub fn new(log: L, options: Options) -> Self {
        Self {
            teams: Map::default(),
            books: Map::default(),
            owned: Map::default(),
            log,
            options,
            on_pool_spend: AtomicBool::new(false),
            paced: PacedLock::default(),
            doubted: AtomicU64::new(0),
            last_seq: AtomicU64::new(0),
            keys: Keys::random(),
            #[cfg(feature = "shuttle")]
            decides_unlocked: AtomicBool::new(false),
        }
    }

    /// Seeds a mistake that the exploration of interleavings must find: draws are decided under one
    /// lock section and entered under another.
    #[cfg(feature = "shuttle")]
    pub fn decide_unlocked(&self) {
        self.decides_unlocked.store(true, Ordering::Relaxed);
    }

    /// Where entries are handed.
    pub fn log(&self) -> &L {
        &self.log
    }

    /// Sets whether the whitelist applies to every draw on the pool (`whitelist.on_pool_spend`).
    pub fn set_on_pool_spend(&self, on: bool) {
        self.on_pool_spend.store(on, Ordering::Relaxed);
    }

    /// The key of an operation's id.
    pub fn key(&self, id: &OperationId) -> Key {
        self.keys.of(id)
    }

    /// A team, for whoever draws in its name again and again.
    pub fn team_cell(&self, id: &TeamId) -> Option<Arc<Mutex<TeamCell>>> {
        self.teams.get(id).map(|cell| Arc::clone(&cell))
    }

    pub(super) fn book_cell(&self, id: &SubscriptionId) -> Option<Arc<Mutex<BookCell>>> {
        self.books.get(id).map(|cell| Arc::clone(&cell))
    }

    pub(super) fn owned_by(&self, user: &UserId) -> Option<Owned> {
        self.owned.get(user).map(|owned| owned.clone())
    }

    /// Notes the last entry's number, from which the horizon of remembering is counted. Two at once
    /// may leave the lower one: then a little more is remembered, until the next.
    pub(super) fn note(&self, seq: u64) {
        self.last_seq.store(seq, Ordering::Relaxed);
    }

    /// From now on, what operations up to the entry `seq` give back is in suspense: they may have given it
    /// back before a restart, unheard, and it may have been spent.
    pub fn doubt_through(&self, seq: u64) {
        self.doubted.store(seq, Ordering::Relaxed);
    }

    pub(super) fn doubts(&self, seq: u64) -> bool {
        seq <= self.doubted.load(Ordering::Relaxed)
    }

    /// What lies before this is forgotten (I6).
    pub fn horizon(&self, now: Timestamp) -> Horizon {
        self.horizon_at(now, self.last_seq.load(Ordering::Relaxed))
    }

    /// What lies before this is forgotten once the entry of that number has been entered at that time.
    pub(super) fn horizon_at(&self, now: Timestamp, last: u64) -> Horizon {
        let at = Timestamp::from_millis(now.millis().saturating_sub_unsigned(self.options.retain_millis));
        let seq = (last + 1).saturating_sub(self.options.entries_max);
        Horizon { at: at.unwrap_or(Timestamp::MIN), seq, kept: self.options.entries_max }
    }
}
