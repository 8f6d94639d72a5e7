//! The files of segments: preparing, naming and reading the header of one, and the list of those there are.
//!
//! Which of them may go is decided in `retention`, what a bad one means in `recovery`.

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::sync::Arc;

use parking_lot::Mutex;

use super::Seq;
use super::format::{END_BYTES, Header, HeaderFault, SEGMENT_HEADER_BYTES, SPARE_NAME, segment_name};
use super::media::{Folder, Media};

/// Zeros are written in pieces of this many bytes: as long as one takes nobody else gets that processor.
const ZEROS_BYTES: usize = 64 * 1024;

/// A new file is filled and synced in pieces of this many bytes: a smaller one keeps others from the disk for less time, but on a
/// slow disk the file would not be ready when it is needed.
const FILLED_BYTES: usize = 512 * 1024;

/// One segment's file and what its header says.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    pub file: Arc<dyn Media>,
    pub header: Header,
    /// Seq of its last record, once it takes no more; `first - 1` where it has none.
    pub last: Option<Seq>,
}

impl Segment {
    pub fn name(&self) -> String {
        segment_name(self.header.number)
    }

    /// Bytes that records can have in it.
    pub fn usable(&self) -> i64 {
        (self.header.capacity - SEGMENT_HEADER_BYTES) as i64
    }

    /// Turns the prepared file into a segment without records. Neither its header nor its name is synced.
    pub fn begin(folder: &dyn Folder, file: Arc<dyn Media>, header: Header) -> io::Result<Self> {
        let mut beginning = header.encode();
        beginning.extend([0; END_BYTES]);
        file.write_at(&beginning, 0)?;
        folder.rename(SPARE_NAME, &segment_name(header.number))?;
        Ok(Self { file, header, last: None })
    }
}

/// Makes the file of a segment that is needed no more the next one's. What lies in it stays there: no record of another segment
/// is valid in this one.
pub(super) fn use_again(folder: &dyn Folder, name: &str) -> io::Result<()> {
    folder.rename(name, SPARE_NAME)?;
    // Before anything is written to it: a loss of power must not bring the old name back to new bytes.
    folder.sync()
}

/// Reads a segment's header.
pub(super) fn read_header(file: &dyn Media) -> io::Result<Result<Header, HeaderFault>> {
    if file.len()? < SEGMENT_HEADER_BYTES {
        return Ok(Err(HeaderFault::Bad));
    }
    let mut block = vec![0; SEGMENT_HEADER_BYTES as usize];
    file.read_at(&mut block, 0)?;
    Ok(Header::decode(&block))
}

/// Makes a new file for the next segment: zeros, on the disk.
pub(super) fn prepare(folder: &dyn Folder, capacity: u64) -> io::Result<Arc<dyn Media>> {
    match folder.remove(SPARE_NAME) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let file = folder.create(SPARE_NAME)?;
    // Piece by piece: a sync of the segment in use waits behind all that the disk has to write before.
    let fill = |at| put_zeros(&*file, at, capacity.min(at + FILLED_BYTES as u64)).and_then(|()| file.sync_data());
    let filled = file.set_len(capacity).and_then(|()| (0..capacity).step_by(FILLED_BYTES).try_for_each(fill));
    if let Err(error) = filled {
        // Half a spare is of no use, and its space may be what is missing.
        let _ = folder.remove(SPARE_NAME);
        return Err(error);
    }
    Ok(file)
}

/// Writes zeros from one offset up to another.
pub(super) fn put_zeros(file: &dyn Media, from: u64, to: u64) -> io::Result<()> {
    let zeros = vec![0; ZEROS_BYTES.min(to.saturating_sub(from) as usize)];
    let mut at = from;
    while at < to {
        let len = zeros.len().min((to - at) as usize);
        file.write_at(&zeros[..len], at)?;
        at += len as u64;
    }
    Ok(())
}

/// The segments of a journal, oldest first; the last one takes records.
#[derive(Debug)]
pub(super) struct Segments(Mutex<VecDeque<Segment>>);

impl Segments {
    pub fn new(segments: impl IntoIterator<Item = Segment>) -> Self {
        Self(Mutex::new(segments.into_iter().collect()))
    }

    /// Adds the next segment; `last` is what the one before ended with.
    pub fn roll(&self, segment: Segment, last: Seq) {
        let mut segments = self.0.lock();
        if let Some(before) = segments.back_mut() {
            assert_eq!(before.header.number + 1, segment.header.number, "numbers have no gaps");
            before.last = Some(last);
        }
        segments.push_back(segment);
    }

    /// The segment that has the record `seq`, or the first one with later records; `None` where it was dropped.
    pub fn find(&self, seq: Seq) -> Option<Segment> {
        let segments = self.0.lock();
        if segments.front()?.header.first > seq {
            return None;
        }
        segments.iter().find(|segment| segment.last.is_none_or(|last| last >= seq)).cloned()
    }

    /// With what the segment of this number ended, if it did; `None` where it was dropped.
    pub fn last_of(&self, number: u64) -> Option<Option<Seq>> {
        let segments = self.0.lock();
        segments.iter().find(|segment| segment.header.number == number).map(|segment| segment.last)
    }

    /// The oldest segment and the `first` of the one behind it, where there are two.
    pub fn oldest_of_many(&self) -> Option<(Segment, Seq)> {
        let segments = self.0.lock();
        Some((segments.front()?.clone(), segments.get(1)?.header.first))
    }

    /// Forgets the oldest.
    pub fn forget_oldest(&self) {
        let mut segments = self.0.lock();
        assert!(segments.len() > 1, "the segment that takes records stays");
        segments.pop_front();
    }

    /// Seq at which the oldest begins.
    pub fn first(&self) -> Seq {
        self.0.lock().front().map_or(Seq::NONE, |segment| segment.header.first)
    }

    /// How many there are, and their bytes.
    pub fn count(&self) -> (usize, u64) {
        let segments = self.0.lock();
        (segments.len(), segments.iter().map(|segment| segment.header.capacity).sum())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::media::crashing::{CrashingFolder, Fault};
    use crate::journal::media::memory::MemoryFolder;

    #[test]
    fn a_new_file_is_zeros_and_what_is_written_can_be_made_zero() {
        let capacity = 3 * ZEROS_BYTES as u64;
        let file = prepare(&MemoryFolder::default(), capacity).expect("prepares");
        let bytes = || {
            let mut bytes = vec![7; capacity as usize];
            file.read_at(&mut bytes, 0).expect("reads");
            bytes
        };
        let zeros = vec![0; capacity as usize];
        assert!(file.len().expect("has a size") == capacity && bytes() == zeros);
        file.write_at(&[1; ZEROS_BYTES + 9], 4_096).expect("writes");
        put_zeros(&*file, 4_097, capacity).expect("writes");
        assert_eq!((bytes()[4_096], bytes()[4_097..] == zeros[4_097..]), (1, true));
    }

    #[test]
    fn a_disk_that_is_full_leaves_no_half_spare() {
        let folder = CrashingFolder::default();
        folder.fail_at(3, Fault::Error(28));
        prepare(&folder, 8192).expect_err("no space");
        assert_eq!(folder.list().expect("lists"), [""; 0]);
        prepare(&folder, 8192).expect("works once there is space");
    }
}
