//! Reads records out of a segment, one after the other, and judges nothing: where no valid record is, it says so.

use std::io;
use std::sync::Arc;

use super::Seq;
use super::format::{RECORD_HEADER_BYTES, RecordHeader, SEGMENT_HEADER_BYTES, Seed};
use super::media::Media;

/// Reads records from a place in a segment on.
#[derive(Debug)]
pub(super) struct Scan {
    file: Arc<dyn Media>,
    seed: Seed,
    /// Where the next record should begin.
    at: u64,
    /// Where the file or the segment ends.
    end: u64,
    /// How many bytes to read at a time.
    chunk: usize,
    buffer: Vec<u8>,
    buffer_at: u64,
}

impl Scan {
    /// Begins at the segment's first record.
    pub fn new(file: Arc<dyn Media>, seed: Seed, capacity: u64, chunk: usize) -> io::Result<Self> {
        let end = file.len()?.min(capacity);
        let at = SEGMENT_HEADER_BYTES;
        Ok(Self { file, seed, at, end, chunk, buffer: Vec::new(), buffer_at: at })
    }

    /// Where the next record should begin.
    pub fn at(&self) -> u64 {
        self.at
    }

    /// The record with this seq, or `None`, without moving, where there is none that is valid.
    pub fn next(&mut self, seq: Seq) -> io::Result<Option<(RecordHeader, &[u8])>> {
        if !self.fill(RECORD_HEADER_BYTES)? {
            return Ok(None);
        }
        let header = RecordHeader::decode(self.ahead(RECORD_HEADER_BYTES));
        if header.is_zero() || !header.is_plausible() || header.seq != seq || !self.fill(header.record_bytes())? {
            return Ok(None);
        }
        if !header.is_sum_of(self.ahead(header.record_bytes()), self.seed) {
            return Ok(None);
        }
        let start = (self.at - self.buffer_at) as usize;
        self.at += header.record_bytes() as u64;
        Ok(Some((header, &self.buffer[start + RECORD_HEADER_BYTES..start + header.record_bytes()])))
    }

    /// Returns to where a record began that was just read.
    pub fn back_to(&mut self, at: u64) {
        assert!((self.buffer_at..=self.at).contains(&at), "it was just read");
        self.at = at;
    }

    /// Forgets what was read ahead, for a file that has grown since.
    pub fn refresh(&mut self) {
        self.buffer.clear();
        self.buffer_at = self.at;
    }

    fn ahead(&self, len: usize) -> &[u8] {
        let start = (self.at - self.buffer_at) as usize;
        &self.buffer[start..start + len]
    }

    /// Has at least `len` bytes from the current place in the buffer, or says that the segment ends before.
    fn fill(&mut self, len: usize) -> io::Result<bool> {
        if self.at + len as u64 <= self.buffer_at + self.buffer.len() as u64 {
            return Ok(true);
        }
        let left = self.end.saturating_sub(self.at);
        if (len as u64) > left {
            return Ok(false);
        }
        self.buffer.resize(self.chunk.max(len).min(left as usize), 0);
        self.buffer_at = self.at;
        self.file.read_at(&mut self.buffer, self.at)?;
        Ok(true)
    }
}
