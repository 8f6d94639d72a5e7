//! Which segments may go: those the store has confirmed and the engine no longer needs; under pressure, those
//! the store has confirmed. Never one that it has not.

use std::io;

use super::error::{DiskError, Failed};
use super::format::SEGMENT_HEADER_BYTES;
use super::segment::{Segment, prepare, use_again};
use super::shared::Shared;
use super::{Confirmed, Seq};

/// What is known about entries that are no longer needed.
#[derive(Debug, Default)]
pub(super) struct Retention {
    pub confirmed: Seq,
    /// The engine needs the entries from here on.
    keep_from: Seq,
    /// Segments dropped although the engine would have kept them.
    pub dropped_early: u64,
}

impl Shared {
    /// See [`super::Journal::confirm`].
    pub fn confirm(&self, seq: Seq, keep_from: Seq) -> Result<Confirmed, Failed> {
        {
            let mut retention = self.retention.lock();
            retention.confirmed = retention.confirmed.max(seq);
            retention.keep_from = retention.keep_from.max(keep_from);
        }
        self.drop_segments()
    }

    /// Drops the segments that may go, oldest first.
    pub fn drop_segments(&self) -> Result<Confirmed, Failed> {
        let mut retention = self.retention.lock();
        let mut done = Confirmed::default();
        self.latch.check()?;
        while let Some((oldest, behind)) = self.segments.oldest_of_many() {
            let last = oldest.last.expect("a segment with one behind it is full");
            // A start needs the header of the oldest segment: it must be on the disk before what came before it goes.
            if last > retention.confirmed || self.synced() < behind {
                break;
            }
            let needed = last >= retention.keep_from;
            if needed && !self.is_pressed() {
                break;
            }
            // Whoever reads it learns that it is gone before anything else is written there.
            self.segments.forget_oldest();
            self.let_go(&oldest).map_err(|error| self.fail(&DiskError::new("removing", oldest.name(), error)))?;
            self.queue.add_writable(oldest.usable());
            done.dropped += 1;
            done.dropped_early += usize::from(needed);
            retention.dropped_early += u64::from(needed);
        }
        Ok(done)
    }

    /// Takes a segment's name away: where no file is ready for the next one, its file is, if it is whole.
    fn let_go(&self, segment: &Segment) -> io::Result<()> {
        let name = segment.name();
        // Where the spare is locked, one is being made.
        if segment.header.capacity == self.options.segment_bytes
            && segment.file.len()? >= segment.header.capacity
            && let Some(mut spare) = self.spare.try_lock()
            && spare.is_none()
        {
            use_again(self.folder(), &name)?;
            *spare = Some(segment.file.clone());
            return Ok(());
        }
        self.folder().remove(&name)?;
        self.folder().sync()
    }

    /// Whether less than one segment is free below the cap.
    fn is_pressed(&self) -> bool {
        self.queue.free() < (self.options.segment_bytes - SEGMENT_HEADER_BYTES) as i64
    }

    /// Prepares the next segment where there is none and the cap allows it.
    pub fn prepare_spare(&self) {
        let mut spare = self.spare.lock();
        let allowed = (self.segments.count().0 as u64) < self.options.segments_max();
        if spare.is_none() && allowed && self.latch.failed().is_none() {
            // An error is no loss yet: who needs the spare tries again, and reports.
            *spare = prepare(self.folder(), self.options.segment_bytes).ok();
        }
    }
}
