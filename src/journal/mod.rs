//! This sidecar's local, append-only file of entries: what was decided is here before it is answered.
//!
//! A payload is opaque here. The journal knows no clock, no team and no store; what may be dropped it is told by
//! [`Journal::confirm`]. The files are drawn in `docs/journal-format.md`.
//!
//! An entry's way: [`Journal::reserve`] before the engine's locks, [`Room::push`] under them, [`Journal::durable`] after them.

mod bell;
mod claim;
pub mod codec;
mod error;
mod format;
pub mod identity;
pub mod media;
mod options;
mod pen;
mod queue;
mod reader;
mod recovery;
mod retention;
mod scan;
mod segment;
mod shared;
mod sync;
mod threads;
mod torn;
mod writer;

use std::fmt;
use std::sync::Arc;

use uuid::Uuid;

pub use crate::config::Durability;
pub use claim::{Claim, ClaimError};
pub use error::{Corrupt, DiskError, Failed, OpenError, ReadError, Refused};
pub use format::{PAYLOAD_BYTES_MAX, RECORD_HEADER_BYTES};
pub use identity::{Identity, IdentityError};
pub use options::Options;
pub use queue::Room;
pub use reader::Reader;
pub use recovery::{Cut, Recovered};

use error::Latch;
use shared::Shared;
use threads::Threads;

/// Entries that may wait for the background write at [`Durability::Memory`].
pub const MEMORY_RECORDS_MAX: u64 = 256;

/// The number of an entry: 1, 2, 3 and so on over the life of a journal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seq(pub u64);

impl Seq {
    /// Before the first entry.
    pub const NONE: Self = Self(0);

    /// The next one.
    pub fn after(self) -> Self {
        Self(self.0 + 1)
    }

    /// The one before.
    ///
    /// # Panics
    ///
    /// At [`Self::NONE`].
    pub fn before(self) -> Self {
        assert!(self > Self::NONE, "nothing comes before the first");
        Self(self.0 - 1)
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What [`Journal::confirm`] dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Confirmed {
    /// Segments dropped.
    pub dropped: usize,
    /// Those of them that the engine would have kept: the size cap pressed.
    pub dropped_early: usize,
}

/// The journal's figures at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stats {
    /// Bytes of all segments and of the prepared one.
    pub bytes_on_disk: u64,
    /// Segments, without the prepared one.
    pub segments: usize,
    /// Entries pushed and not yet written.
    pub queued_records: usize,
    /// Their bytes.
    pub queued_bytes: usize,
    /// Where the oldest segment begins.
    pub first: Seq,
    /// Everything up to here is written.
    pub written: Seq,
    /// Everything up to here is synced.
    pub synced: Seq,
    /// The store has everything up to here.
    pub confirmed: Seq,
    /// Segments dropped, since the start, although the engine would have kept them.
    pub dropped_early: u64,
}

/// A journal that takes entries.
///
/// When dropped without [`Self::close`], what is queued is lost as in a crash.
#[derive(Debug)]
pub struct Journal {
    shared: Arc<Shared>,
    threads: Threads,
}

impl Journal {
    /// Opens the journal in the claimed folder, or begins one, and hands every entry in it to `visit`, in order. Blocks.
    ///
    /// A torn end is cut and reported; damage to synced entries refuses to open.
    pub fn open<E>(
        claim: Claim,
        options: Options,
        sidecar: Uuid,
        visit: impl FnMut(Seq, &[u8]) -> Result<(), E>,
    ) -> Result<(Self, Recovered), OpenError<E>> {
        options.check().map_err(OpenError::Options)?;
        let opened = recovery::recover(&*claim.folder, options.segment_bytes, sidecar, visit)?;
        let recovered = opened.recovered.clone();
        let shared = Arc::new(Shared::new(claim, options, sidecar, opened));
        let threads = Threads::start(&shared).map_err(DiskError::on("starting the threads of", "the journal"))?;
        Ok((Self { shared, threads }, recovered))
    }

    /// Room for `records` entries whose payloads have at most `bytes` bytes together. To be taken before the engine's locks,
    /// so that under them nothing can fail.
    pub fn reserve(&self, records: usize, bytes: usize) -> Result<Room<'_>, Refused> {
        self.shared.queue.reserve(records, bytes)
    }

    /// Whether there is room for an entry whose payload has at most so many bytes: a moment later there may be none.
    pub fn has_room(&self, bytes: usize) -> bool {
        self.shared.queue.check(1, bytes).is_ok()
    }

    /// Queues one entry of at most so many bytes and answers its seq, where there is room. For the rest as [`Room::push`].
    pub fn push(&self, bytes: usize, encode: impl FnOnce(&mut [u8]) -> usize) -> Result<Seq, Refused> {
        self.shared.queue.push(bytes, encode)
    }

    /// Waits until the entry `seq`, and all before it, are as durable as asked. Whoever pushed an entry must call this, at the
    /// least at [`Durability::Memory`], where it never waits for the disk. At [`Durability::Os`] it blocks for one write.
    pub async fn durable(&self, seq: Seq, durability: Durability) -> Result<(), Failed> {
        match durability {
            Durability::Memory => self.shared.write_soon(seq),
            Durability::Os => self.shared.write_through(seq),
            Durability::Disk | Durability::Store => self.shared.synced_through(seq).await,
        }
    }

    /// Returns when everything up to `seq` is written, by this thread if need be.
    ///
    /// # Panics
    ///
    /// When `seq` was not pushed yet.
    pub fn write_through(&self, seq: Seq) -> Result<(), Failed> {
        self.shared.write_through(seq)
    }

    /// Waits until everything up to `seq` is synced, together with all others who wait.
    pub async fn synced_through(&self, seq: Seq) -> Result<(), Failed> {
        self.shared.synced_through(seq).await
    }

    /// Writes all that is queued, on this thread; says up to which seq that is.
    pub fn write(&self) -> Result<Seq, Failed> {
        self.shared.write()
    }

    /// Syncs all that is written, on this thread; says up to which seq that is.
    pub fn sync(&self) -> Result<Seq, Failed> {
        self.shared.sync()
    }

    /// Everything up to here is written.
    pub fn written(&self) -> Seq {
        self.shared.written()
    }

    /// Everything up to here is synced.
    pub fn synced(&self) -> Seq {
        self.shared.synced()
    }

    /// The seq that the next entry will get.
    pub fn next_seq(&self) -> Seq {
        self.shared.queue.next()
    }

    /// Reads entries back from `from` on; nothing is read yet.
    pub fn reader(&self, from: Seq) -> Reader {
        Reader::new(self.shared.clone(), from)
    }

    /// The store has everything up to `seq`, and the engine needs the entries from `keep_from` on (the operation ids it
    /// remembers are in them). Drops the segments that neither holds back; when the size cap presses, those that
    /// only the engine holds back. Neither mark ever moves back. Blocks while files are removed.
    pub fn confirm(&self, seq: Seq, keep_from: Seq) -> Result<Confirmed, Failed> {
        self.shared.confirm(seq, keep_from)
    }

    /// Goes on with `seq + 1` in a new segment, and syncs that: the store has confirmed more than this journal holds. Does
    /// nothing where it holds as much. For the start only, before anything is pushed.
    ///
    /// # Panics
    ///
    /// When entries are pushed at the same time.
    pub fn skip_to(&self, seq: Seq) -> Result<(), Failed> {
        self.shared.skip_to(seq)
    }

    /// The first failure, if there was one. From then on nothing is written.
    pub fn failure(&self) -> Option<Failed> {
        self.shared.latch.failed().cloned()
    }

    /// The figures of this moment.
    pub fn stats(&self) -> Stats {
        self.shared.stats()
    }

    /// Writes and syncs all that is queued, stops the threads, and refuses everything from then on. A second call does nothing.
    pub fn close(&self) -> Result<(), Failed> {
        if self.threads.are_stopped() {
            return Ok(());
        }
        let outcome = self.shared.write().and_then(|_| self.shared.sync());
        self.shared.stop("it was closed".into());
        self.threads.stop(&self.shared);
        outcome.map(drop)
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.shared.stop("it was dropped".into());
        self.threads.stop(&self.shared);
    }
}
