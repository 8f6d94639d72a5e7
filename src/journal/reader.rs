//! Reads entries back for the flush, straight from the segments, a bounded batch at a time.
//!
//! It keeps its place and no entries. Entries that were dropped meanwhile are gone for it too.

use std::sync::Arc;

use super::Seq;
use super::error::{Corrupt, DiskError, ReadError};
use super::format::Seed;
use super::scan::Scan;
use super::segment::Segment;
use super::shared::Shared;

/// Read ahead in pieces of this many bytes: some hundred entries.
const CHUNK_BYTES: usize = 64 * 1024;

/// Reads entries in order, from one seq on. While it lives the data folder stays claimed.
#[derive(Debug)]
pub struct Reader {
    shared: Arc<Shared>,
    next: Seq,
    place: Option<Place>,
}

#[derive(Debug)]
struct Place {
    segment: Segment,
    scan: Scan,
    /// Seq of the record at the scan's place.
    at: Seq,
}

impl Reader {
    pub(super) fn new(shared: Arc<Shared>, from: Seq) -> Self {
        Self { shared, next: from.max(Seq(1)), place: None }
    }

    /// The seq that comes next.
    pub fn next_seq(&self) -> Seq {
        self.next
    }

    /// Hands on the entries up to `through`, as far as they are written, until they have `bytes_max` bytes of payload, but
    /// at least one; returns how many. Does nothing where there is nothing new.
    pub fn read(
        &mut self,
        through: Seq,
        bytes_max: usize,
        mut visit: impl FnMut(Seq, &[u8]),
    ) -> Result<usize, ReadError> {
        let through = through.min(self.shared.written());
        let (mut count, mut bytes) = (0, 0);
        self.refresh();
        while self.next <= through && bytes < bytes_max {
            let place = self.place_of_next()?;
            let (seq, offset) = (place.at, place.scan.at());
            if seq > through {
                break;
            }
            let payload = match place.scan.next(seq) {
                Ok(Some((_, payload))) => payload,
                Ok(None) => {
                    let segment = place.segment.clone();
                    return Err(self.missing(&segment, offset, seq));
                }
                Err(error) => return Err(DiskError::new("reading", place.segment.name(), error).into()),
            };
            bytes += payload.len();
            if count > 0 && bytes > bytes_max {
                place.scan.back_to(offset);
                break;
            }
            place.at = seq.after();
            visit(seq, payload);
            count += 1;
            self.next = seq.after();
        }
        Ok(count)
    }

    /// Learns what happened to the segment since the last time. To be called after reading how far is written: a segment
    /// that ended before that is then known to have ended.
    fn refresh(&mut self) {
        let Some(place) = &mut self.place else { return };
        match self.shared.segments.last_of(place.segment.header.number) {
            Some(last) => {
                place.segment.last = last;
                place.scan.refresh();
            }
            None => self.place = None,
        }
    }

    /// The place of the next record, in the segment that has it.
    fn place_of_next(&mut self) -> Result<&mut Place, ReadError> {
        let next = self.next;
        let is_over = |place: &Place| place.segment.last.is_some_and(|last| next > last);
        if self.place.as_ref().is_none_or(is_over) {
            self.place = Some(self.find()?);
        }
        Ok(self.place.as_mut().expect("it was found"))
    }

    fn find(&self) -> Result<Place, ReadError> {
        let segment = self.shared.segments.find(self.next).ok_or_else(|| self.gone(self.next))?;
        let seed = Seed::new(self.shared.sidecar, segment.header.number);
        let scan = Scan::new(segment.file.clone(), seed, segment.header.capacity, CHUNK_BYTES);
        let mut scan = scan.map_err(|error| DiskError::new("reading", segment.name(), error))?;
        let mut at = segment.header.first;
        while at < self.next {
            let offset = scan.at();
            match scan.next(at) {
                Ok(Some(_)) => at = at.after(),
                Ok(None) => return Err(self.missing(&segment, offset, at)),
                Err(error) => return Err(DiskError::new("reading", segment.name(), error).into()),
            }
        }
        Ok(Place { segment, scan, at })
    }

    fn gone(&self, asked: Seq) -> ReadError {
        ReadError::Gone { asked, first: self.shared.segments.first() }
    }

    /// Why a segment does not have a record that was written to it: the segment was dropped meanwhile, and its file may be used again;
    /// or it is damaged.
    fn missing(&self, segment: &Segment, offset: u64, seq: Seq) -> ReadError {
        if self.shared.segments.last_of(segment.header.number).is_none() {
            return self.gone(seq);
        }
        let why = "it was written, and is not what is read".into();
        Corrupt { segment: segment.name(), offset, seq, why }.into()
    }
}
