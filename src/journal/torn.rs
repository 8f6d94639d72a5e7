//! Is a bad place in the journal torn or corrupt? Looks behind it for whatever proves that the lost record was synced.
//!
//! The reasons are in `docs/decisions/0003-torn-or-corrupt.md`. Nothing is changed here.

use std::io;

use super::Seq;
use super::format::{PAYLOAD_BYTES_MAX, RECORD_HEADER_BYTES, RecordHeader, Seed, u64_at};
use super::media::Media;

/// The fewest bytes of a record.
const RECORD_BYTES_MIN: u64 = RECORD_HEADER_BYTES as u64 + 1;

/// Records are looked for in pieces of this many bytes.
const PIECE_BYTES: usize = 1024 * 1024;

/// Where in a record its seq is.
const SEQ_AT: usize = 8;

/// Zeros are passed over so many at a time: a new file has nothing else.
const ZEROS_PASSED: usize = 4_096;

/// What was found behind a bad place in one segment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Behind {
    /// Valid records.
    pub records: u64,
    /// Bytes from the bad place to where the last of them ends.
    pub bytes: u64,
    /// A record that was written when `synced` was known to be on the disk, at or past the lost one.
    pub witness: Option<Witness>,
}

/// A valid record that proves an earlier one was synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Witness {
    pub offset: u64,
    pub seq: Seq,
    pub synced: Seq,
}

/// How many bytes of a record that is not whole lie where `lost` should be: none where zeros say that the records end there, as
/// many as it says where it says so.
pub(super) fn begun(file: &dyn Media, at: u64, lost: Seq) -> io::Result<u64> {
    let mut bytes = [0; RECORD_HEADER_BYTES];
    let left = file.len()?.saturating_sub(at).min(bytes.len() as u64);
    file.read_at(&mut bytes[..left as usize], at)?;
    let record = RecordHeader::decode(&bytes);
    Ok(if record.is_zero() {
        0
    } else if record.is_plausible() && record.seq == lost {
        record.record_bytes() as u64
    } else {
        left
    })
}

/// Looks at every byte of a segment from an offset on for valid records that came after `lost`, of which at most so many were
/// skipped before that offset. Anything else that lies there proves nothing: the file may have been another segment's before. That is
/// why no place is even looked at whose seq is farther off than records fit in between: of old records, read a byte beside where they begin,
/// each would be one more whose sum could be right by chance.
pub(super) fn look_behind(file: &dyn Media, seed: Seed, from: u64, lost: Seq, skipped: u64) -> io::Result<Behind> {
    let end = file.len()?;
    let mut bytes =
        vec![0; (PIECE_BYTES + RECORD_HEADER_BYTES + PAYLOAD_BYTES_MAX).min(end.saturating_sub(from) as usize)];
    let (mut found, mut piece) = (Behind::default(), from);
    while piece + (RECORD_HEADER_BYTES as u64) < end {
        // A record that begins in the piece may end behind it.
        let len = bytes.len().min((end - piece) as usize);
        file.read_at(&mut bytes[..len], piece)?;
        let mut at = 0;
        let near = Near { lost, skipped, before: piece - from };
        while let Some(place) = near.next(&bytes[..len], at).filter(|place| *place < PIECE_BYTES) {
            at = place + 1;
            let Some(record) = valid_record(&bytes[place..len], seed) else { continue };
            found.records += 1;
            if record.synced >= lost && found.witness.is_none() {
                let offset = piece + place as u64;
                found.witness = Some(Witness { offset, seq: record.seq, synced: record.synced });
            }
            at = place + record.record_bytes();
            found.bytes = piece + at as u64 - from;
        }
        piece += at.max(PIECE_BYTES) as u64;
    }
    Ok(found)
}

/// Which seqs may be found.
struct Near {
    lost: Seq,
    skipped: u64,
    /// Bytes between where `lost` should be and those that are looked at.
    before: u64,
}

impl Near {
    /// The next place from `at` on where a record that may follow `lost` could begin.
    fn next(&self, bytes: &[u8], mut at: usize) -> Option<usize> {
        let farthest = self.farthest(bytes.len());
        let is_near = |place: &usize| {
            let ahead = u64_at(bytes, place + SEQ_AT).wrapping_sub(self.lost.0);
            // The first is enough for almost all.
            ahead <= farthest && ahead <= self.farthest(*place)
        };
        while at + RECORD_HEADER_BYTES < bytes.len() {
            let ahead = bytes.get(at..at + ZEROS_PASSED).unwrap_or_default();
            if !ahead.is_empty() && ahead.iter().fold(0, |all, byte| all | byte) == 0 {
                // A record may begin with the last of these.
                at += ZEROS_PASSED - RECORD_HEADER_BYTES;
                continue;
            }
            let until = (at + ZEROS_PASSED).min(bytes.len() - RECORD_HEADER_BYTES);
            match (at..until).find(is_near) {
                None => at = until,
                found => return found,
            }
        }
        None
    }

    /// How far the seq of a record at a place may be from the lost one.
    fn farthest(&self, place: usize) -> u64 {
        self.skipped + (self.before + place as u64) / RECORD_BYTES_MIN
    }
}

fn valid_record(bytes: &[u8], seed: Seed) -> Option<RecordHeader> {
    let record = RecordHeader::decode(bytes);
    if !record.is_plausible() {
        return None;
    }
    let whole = bytes.get(..record.record_bytes())?;
    record.is_sum_of(whole, seed).then_some(record)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::journal::format::{put_record_header, seal};
    use crate::journal::media::Folder;
    use crate::journal::media::memory::MemoryFolder;

    fn record(seq: u64, synced: u64, seed: Seed) -> Vec<u8> {
        let mut record = vec![0; RECORD_HEADER_BYTES];
        record.extend(b"some payload");
        put_record_header(&mut record, Seq(seq));
        seal(&mut record, Seq(synced), seed);
        record
    }

    fn behind(pieces: &[Vec<u8>], lost: u64) -> Behind {
        let file = MemoryFolder::default().create("a").expect("creates");
        let bytes = pieces.concat();
        file.write_at(&bytes, 0).expect("writes");
        look_behind(&*file, Seed::new(Uuid::nil(), 1), 0, Seq(lost), 0).expect("reads")
    }

    #[test]
    fn a_later_record_is_a_witness_only_when_it_knew_the_lost_one_synced() {
        let seed = Seed::new(Uuid::nil(), 1);
        let rubbish = vec![7; 33];
        assert_eq!(behind(std::slice::from_ref(&rubbish), 5), Behind::default());
        let found = behind(&[rubbish.clone(), record(6, 4, seed), record(7, 4, seed)], 5);
        assert_eq!(found, Behind { records: 2, bytes: 33 + 2 * 36, witness: None });
        let found = behind(&[rubbish, record(6, 4, seed), record(7, 5, seed), record(8, 7, seed)], 5);
        let witness = Witness { offset: 33 + 36, seq: Seq(7), synced: Seq(5) };
        assert_eq!(found, Behind { records: 3, bytes: 33 + 3 * 36, witness: Some(witness) });
    }

    #[test]
    fn records_of_another_segment_and_earlier_ones_prove_nothing() {
        let (seed, other) = (Seed::new(Uuid::nil(), 1), Seed::new(Uuid::nil(), 2));
        assert_eq!(behind(&[vec![7; 40], record(9, 8, other), record(3, 2, seed)], 5), Behind::default());
    }

    #[test]
    fn records_are_found_wherever_they_begin() {
        let seed = Seed::new(Uuid::nil(), 1);
        let one = record(5, 4, seed);
        let places = [
            0,
            1,
            ZEROS_PASSED - 30,
            ZEROS_PASSED,
            PIECE_BYTES - 40,
            PIECE_BYTES - 1,
            PIECE_BYTES,
            2 * PIECE_BYTES + 7,
        ];
        for filler in [0, 7] {
            for place in places {
                let bytes = (place + one.len()) as u64;
                let found = behind(&[vec![filler; place], one.clone(), vec![filler; 99]], 5);
                assert_eq!(found, Behind { records: 1, bytes, witness: None }, "at {place} behind {filler}");
            }
        }
    }

    #[test]
    fn of_old_records_hardly_a_place_is_looked_at_and_of_new_ones_each() {
        let seed = Seed::new(Uuid::nil(), 1);
        let places = |first: u64, lost| {
            let bytes = (first..first + 20_000).flat_map(|seq| record(seq, seq - 1, seed)).collect::<Vec<_>>();
            let near = Near { lost: Seq(lost), skipped: 0, before: 0 };
            let next = |at: &usize| near.next(&bytes, at + 1);
            std::iter::successors(near.next(&bytes, 0), next).count()
        };
        for lost in [20_001, 50_000, 1_000_000, 1_000_000_000] {
            let looked_at = places(1, lost);
            assert!(looked_at < 100, "{looked_at} places where {lost} is lost");
        }
        assert!(places(50_000, 50_000) >= 20_000);
    }

    #[test]
    fn what_began_where_a_record_is_lost_is_told_from_the_end() {
        let begun = |bytes: &[u8]| {
            let file = MemoryFolder::default().create("a").expect("creates");
            file.write_at(bytes, 0).expect("writes");
            begun(&*file, 0, Seq(5)).expect("reads")
        };
        let mut torn = record(5, 4, Seed::new(Uuid::nil(), 1));
        torn[30] ^= 1;
        assert_eq!((begun(&torn), begun(&torn[..28])), (36, 36));
        assert_eq!((begun(&[7; 40]), begun(&[7; 10])), (24, 10));
        assert_eq!((begun(&[0; 24]), begun(&[0; 10]), begun(&[])), (0, 0, 0));
        assert_eq!(begun(&[vec![0; 24], vec![7; 40]].concat()), 0, "of an earlier use");
    }
}
