//! Where the engine hands its entries: the journal's queue, as the engine sees it.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicI64, Ordering};

use crate::domain::{EntryView, Posting};
use crate::journal::codec::{ENTRY_BYTES_MAX, encode};
use crate::journal::{Journal, Room};

/// There is no room for an entry, or the journal has failed: nothing can be decided safely.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the journal takes no entries")]
pub struct NoRoom;

/// Takes entries in the order of decisions. An operation that may make several takes room for them before any lock, so
/// that handing them over under the locks cannot fail.
pub trait Log: Send + Sync + 'static {
    /// Room for some entries; what is not used is given back when it is dropped.
    type Room<'a>
    where
        Self: 'a;

    /// Takes room for `entries` entries.
    fn reserve(&self, entries: usize) -> Result<Self::Room<'_>, NoRoom>;

    /// Takes an entry; answers its number, one above the last.
    fn push(&self, room: &mut Self::Room<'_>, entry: EntryView<'_>) -> u64;

    /// Whether there is room for an entry: a moment later there may be none.
    fn has_room(&self) -> bool {
        self.reserve(1).is_ok()
    }

    /// Takes an entry and the room for it; answers its number.
    fn push_one(&self, entry: EntryView<'_>) -> Result<u64, NoRoom> {
        self.reserve(1).map(|mut room| self.push(&mut room, entry))
    }
}

/// The journal as a log. Closed until recovery has read it; counts what is charged.
#[derive(Debug, Default)]
pub struct JournalLog {
    journal: OnceLock<Journal>,
    charged_micros: AtomicI64,
}

impl JournalLog {
    /// Begins to take entries.
    ///
    /// # Panics
    /// When it is opened twice.
    pub fn open(&self, journal: Journal) {
        assert!(self.journal.set(journal).is_ok(), "a log is opened once");
    }

    /// The journal; `None` before it is opened.
    pub fn journal(&self) -> Option<&Journal> {
        self.journal.get()
    }

    /// Counts what entries charge that were taken by an earlier run and are still to be flushed.
    /// Comes before any push.
    pub fn count(&self, micros: i64) {
        self.charged_micros.fetch_add(micros, Ordering::Relaxed);
    }

    /// Micro-credits charged by the entries taken so far.
    pub fn charged_micros(&self) -> i64 {
        self.charged_micros.load(Ordering::Relaxed)
    }
}

impl JournalLog {
    /// Writes an entry into the journal's queue, and counts it.
    fn write(&self, entry: EntryView<'_>, place: &mut [u8]) -> usize {
        // One at a time: this runs under the queue's lock, and nobody else adds once it is open.
        let sum = self.charged_micros.load(Ordering::Relaxed).wrapping_add(charged(entry.postings));
        self.charged_micros.store(sum, Ordering::Relaxed);
        encode(entry, place.first_chunk_mut().expect("room was taken for the largest of entries"))
    }
}

impl Log for JournalLog {
    type Room<'a> = Room<'a>;

    fn reserve(&self, entries: usize) -> Result<Room<'_>, NoRoom> {
        let journal = self.journal.get().ok_or(NoRoom)?;
        journal.reserve(entries, entries * ENTRY_BYTES_MAX).map_err(|_| NoRoom)
    }

    fn push(&self, room: &mut Room<'_>, entry: EntryView<'_>) -> u64 {
        room.push(|place| self.write(entry, place)).0
    }

    fn has_room(&self) -> bool {
        self.journal.get().is_some_and(|journal| journal.has_room(ENTRY_BYTES_MAX))
    }

    fn push_one(&self, entry: EntryView<'_>) -> Result<u64, NoRoom> {
        let journal = self.journal.get().ok_or(NoRoom)?;
        let seq = journal.push(ENTRY_BYTES_MAX, |place| self.write(entry, place));
        seq.map(|seq| seq.0).map_err(|_| NoRoom)
    }
}

/// Micro-credits that an entry's postings charge.
pub fn charged(postings: &[Posting]) -> i64 {
    postings.iter().map(|posting| posting.spent.micros()).sum()
}
