//! What can go wrong with the journal, each said once: what, where, what to do.

use std::fmt;
use std::io;
use std::sync::{Arc, OnceLock};

use uuid::Uuid;

use super::Seq;

/// The journal has stopped for good: a write or a sync failed, or it was closed. Entries that were not durable by then
/// will not become so before a restart.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the journal has stopped: {reason}; nothing more is written until a restart")]
pub struct Failed {
    reason: Arc<str>,
}

impl Failed {
    /// The first error, with the file it happened to.
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

/// Keeps the first failure, for all to see.
#[derive(Clone, Debug, Default)]
pub(super) struct Latch(Arc<OnceLock<Failed>>);

impl Latch {
    /// The first failure, if there was one.
    pub fn failed(&self) -> Option<&Failed> {
        self.0.get()
    }

    /// An error once there was a failure.
    pub fn check(&self) -> Result<(), Failed> {
        self.failed().map_or(Ok(()), |failed| Err(failed.clone()))
    }

    /// Records a failure, and returns the one that was first.
    pub fn fail(&self, reason: String) -> Failed {
        self.0.get_or_init(|| Failed { reason: reason.into() }).clone()
    }
}

/// Why no room is given. Nothing has changed; the answer to the caller is "cannot decide safely".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Stopped for good; restart after the cause is gone.
    #[error(transparent)]
    Failed(#[from] Failed),
    /// More is queued than the disk takes; retry soon.
    #[error("{most} bytes of entries wait to be written; retry soon, or raise the journal's queue")]
    QueueFull {
        /// The option `queue_bytes_max`.
        most: usize,
    },
    /// The size cap is reached and the store has not confirmed enough; retry when it has.
    #[error(
        "the journal has reached its size and the store has not confirmed enough of it; see to the store, or raise the cap"
    )]
    JournalFull,
    /// More bytes than so many records may have: the caller's mistake.
    #[error("{bytes} bytes of entries are asked for, and at most {most} fit into so many records")]
    TooLarge {
        /// Bytes asked for.
        bytes: usize,
        /// Bytes that so many records may have.
        most: usize,
    },
}

/// An error of the disk, with what was being done to which file.
#[derive(Debug)]
pub struct DiskError {
    doing: &'static str,
    what: String,
    source: io::Error,
}

impl DiskError {
    pub(super) fn new(doing: &'static str, what: impl Into<String>, source: io::Error) -> Self {
        Self { doing, what: what.into(), source }
    }

    /// For `map_err`: what was being done, to which file.
    pub(super) fn on(doing: &'static str, what: &str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::new(doing, what, source)
    }
}

impl fmt::Display for DiskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.doing, self.what, self.source)
    }
}

impl std::error::Error for DiskError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

/// Damage to what was synced.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{segment} is damaged at byte {offset}, where entry {seq} should be: {why}. Do not delete it: restore the data folder \
     from a copy, or move the folder away and start anew, which gives up the entries from {seq} on that the store has not confirmed"
)]
pub struct Corrupt {
    /// The segment's file.
    pub segment: String,
    /// Where in it, in bytes.
    pub offset: u64,
    /// The entry that should be there.
    pub seq: Seq,
    /// How it is known that it was.
    pub why: String,
}

/// Why a journal does not open. Nothing was written, but for an `Io` error in the middle of a cut, which the next opening resumes.
#[derive(Debug, thiserror::Error)]
pub enum OpenError<E> {
    /// An option makes no sense.
    #[error("journal: {0}")]
    Options(String),
    /// The disk does not do what it should.
    #[error(transparent)]
    Io(#[from] DiskError),
    /// Synced entries are damaged.
    #[error(transparent)]
    Corrupt(#[from] Corrupt),
    /// The segments belong to another sidecar.
    #[error(
        "{segment} belongs to sidecar {found}, this is {expected}: the data folder mixes files of two sidecars; restore the matching `sidecar` file"
    )]
    Foreign {
        /// The segment's file.
        segment: String,
        /// The sidecar it names.
        found: Uuid,
        /// The sidecar that opens it.
        expected: Uuid,
    },
    /// Written by a later release.
    #[error("{segment} has format version {version}, which this release does not read; use the release that wrote it")]
    Version {
        /// The segment's file.
        segment: String,
        /// Its version.
        version: u32,
    },
    /// The visitor refused an entry.
    #[error("entry {seq} of the journal cannot be applied: {error}")]
    Visit {
        /// The entry.
        seq: Seq,
        /// What the visitor said.
        error: E,
    },
}

/// Why entries cannot be read back.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The entries were dropped after the store had confirmed them.
    #[error("entry {asked} is no longer in the journal, which begins at {first}")]
    Gone {
        /// The entry asked for.
        asked: Seq,
        /// The first one there is.
        first: Seq,
    },
    /// The disk does not do what it should.
    #[error(transparent)]
    Io(#[from] DiskError),
    /// What was written is not what is read.
    #[error(transparent)]
    Corrupt(#[from] Corrupt),
}
