//! Queue to file: whoever has the writer writes all that is queued, in one write, on its own thread.
//!
//! Nothing is synced here, but for `skip_to`, which runs before anybody writes.

use std::io;

use super::bell::{NOW, SOON};
use super::error::{DiskError, Failed};
use super::format::{END_BYTES, Header, RECORD_HEADER_BYTES, SEGMENT_HEADER_BYTES, Seed, seal, segment_name, u32_at};
use super::queue::Batch;
use super::segment::{Segment, prepare};
use super::shared::Shared;
use super::{MEMORY_RECORDS_MAX, Seq};

/// Where the next record goes.
#[derive(Debug)]
pub(super) struct Writer {
    segment: Segment,
    at: u64,
    batch: Batch,
}

impl Writer {
    pub fn new(segment: Segment, at: u64) -> Self {
        assert!((SEGMENT_HEADER_BYTES..=segment.header.capacity).contains(&at), "{at} is inside the segment");
        Self { segment, at, batch: Batch::default() }
    }

    fn left(&self) -> u64 {
        self.segment.header.capacity - self.at
    }

    /// How many of the zeros that end the records have room behind so many bytes.
    fn end_bytes(&self, behind: usize) -> usize {
        END_BYTES.min(self.left() as usize - behind)
    }

    fn put(&self, bytes: &[u8]) -> Result<(), DiskError> {
        let written = self.segment.file.write_at(bytes, self.at);
        written.map_err(|error| DiskError::new("writing", self.segment.name(), error))
    }

    /// Whether it is too early to prepare the next segment.
    pub fn is_young(&self) -> bool {
        self.left() >= self.segment.header.capacity / 2
    }
}

impl Shared {
    /// Returns when everything up to `seq` is written, by this thread or another one.
    pub fn write_through(&self, seq: Seq) -> Result<(), Failed> {
        if self.written() >= seq {
            return Ok(());
        }
        self.latch.check()?;
        let mut writer = self.writer.lock();
        // Whoever had the writer before has probably written it.
        if self.written() >= seq {
            return Ok(());
        }
        self.write_queued(&mut writer)?;
        assert!(self.written() >= seq, "entry {seq} was queued before it was waited for");
        Ok(())
    }

    /// Writes all that is queued, and says up to which seq that is.
    pub fn write(&self) -> Result<Seq, Failed> {
        let mut writer = self.writer.lock();
        self.write_queued(&mut writer)
    }

    /// Asks for a write within the interval, or writes when much is queued.
    pub fn write_soon(&self, seq: Seq) -> Result<(), Failed> {
        self.latch.check()?;
        let written = self.written();
        if seq.0 >= written.0 + MEMORY_RECORDS_MAX {
            return self.write_through(seq);
        }
        if seq > written {
            self.write_bell.ring(SOON);
        }
        Ok(())
    }

    fn write_queued(&self, writer: &mut Writer) -> Result<Seq, Failed> {
        self.latch.check()?;
        let mut batch = std::mem::take(&mut writer.batch);
        self.queue.take(&mut batch);
        let outcome = self.write_batch(writer, &mut batch);
        let last = batch.last;
        writer.batch = batch;
        outcome.map_err(|error| self.fail(&error))?;
        if last > self.written() {
            self.set_written(last);
            self.sync_bell.ring(SOON);
        }
        Ok(last)
    }

    fn write_batch(&self, writer: &mut Writer, batch: &mut Batch) -> Result<(), DiskError> {
        let (last, all) = (batch.last, batch.records);
        let mut rest = batch.bytes();
        let mut records = 0;
        while records < all {
            let seed = Seed::new(self.sidecar, writer.segment.header.number);
            let queued = rest.len() - END_BYTES;
            let (len, sealed) = seal_what_fits(&mut rest[..queued], writer.left(), self.synced(), seed);
            if len > 0 {
                let end = if len == queued { writer.end_bytes(len) } else { 0 };
                writer.put(&rest[..len + end])?;
                let was_young = writer.is_young();
                writer.at += len as u64;
                if was_young && !writer.is_young() {
                    self.spare_bell.ring(NOW);
                }
                records += sealed;
                self.queue.wrote(len);
            }
            rest = &mut rest[len..];
            if len < queued {
                let previous = Seq(last.0 - (all - records) as u64);
                self.roll(writer, previous, previous.after())?;
            }
        }
        assert_eq!(records, all, "every record of the batch is written");
        Ok(())
    }

    /// Goes on in the next segment.
    fn roll(&self, writer: &mut Writer, previous: Seq, first: Seq) -> Result<(), DiskError> {
        assert!(
            writer.at > SEGMENT_HEADER_BYTES || first > previous.after(),
            "an empty segment has room for any record"
        );
        writer.put(&[0; END_BYTES][..writer.end_bytes(0)])?;
        let number = writer.segment.header.number + 1;
        let capacity = self.options.segment_bytes;
        let header = Header { sidecar: self.sidecar, number, capacity, first, previous, synced: self.synced() };
        let next = self.begin_segment(header).map_err(DiskError::on("beginning", &segment_name(number)))?;
        self.unsynced.lock().roll(next.file.clone());
        self.segments.roll(next.clone(), previous);
        self.queue.add_writable(-(writer.left() as i64));
        writer.segment = next;
        writer.at = SEGMENT_HEADER_BYTES;
        Ok(())
    }

    fn begin_segment(&self, header: Header) -> io::Result<Segment> {
        // Kept locked until the file has its new name: whoever prepares the next spare replaces what has the spare's.
        let mut spare = self.spare.lock();
        let file = match spare.take() {
            Some(file) => file,
            None => prepare(self.folder(), header.capacity)?,
        };
        Segment::begin(self.folder(), file, header)
    }

    /// See [`super::Journal::skip_to`].
    pub fn skip_to(&self, seq: Seq) -> Result<(), Failed> {
        let mut writer = self.writer.lock();
        let previous = self.write_queued(&mut writer)?;
        if seq <= previous {
            return Ok(());
        }
        assert!(self.queue.skip_to(seq.after()), "to skip is for the start, before entries are queued");
        self.roll(&mut writer, previous, seq.after()).map_err(|error| self.fail(&error))?;
        self.set_written(seq);
        drop(writer);
        self.sync().map(drop)
    }
}

/// Completes the records that fit into `left` bytes; returns their bytes and number.
fn seal_what_fits(records: &mut [u8], left: u64, synced: Seq, seed: Seed) -> (usize, usize) {
    let (mut at, mut sealed) = (0, 0);
    while at < records.len() {
        let len = RECORD_HEADER_BYTES + u32_at(records, at + 4) as usize;
        if (at + len) as u64 > left {
            break;
        }
        seal(&mut records[at..at + len], synced, seed);
        at += len;
        sealed += 1;
    }
    (at, sealed)
}
