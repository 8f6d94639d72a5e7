//! Is a bad place in the journal torn or corrupt? Looks behind it for whatever proves that the lost record was synced.
//!
//! The reasons are in `docs/decisions/0003-torn-or-corrupt.md`. Nothing is changed here.

use std::io;

use super::Seq;
use super::format::{RECORD_HEADER_BYTES, RecordHeader, Seed};
use super::media::Media;

/// No segment has as many records as this, times the segments there can be; a seq farther off is rubbish.
const SEQ_AHEAD_MAX: u64 = 1 << 40;

/// What was found behind a bad place in one segment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Behind {
    /// Valid records.
    pub records: u64,
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

/// Looks at every byte of a segment between two offsets for valid records that came after `lost`.
pub(super) fn look_behind(file: &dyn Media, seed: Seed, from: u64, to: u64, lost: Seq) -> io::Result<Behind> {
    let mut bytes = vec![0; to.saturating_sub(from) as usize];
    file.read_at(&mut bytes, from)?;
    let mut found = Behind::default();
    let mut at = 0;
    while at + RECORD_HEADER_BYTES < bytes.len() {
        let Some(record) = valid_record(&bytes[at..], seed, lost) else {
            at += 1;
            continue;
        };
        found.records += 1;
        if record.synced >= lost && found.witness.is_none() {
            found.witness = Some(Witness { offset: from + at as u64, seq: record.seq, synced: record.synced });
        }
        at += record.record_bytes();
    }
    Ok(found)
}

fn valid_record(bytes: &[u8], seed: Seed, lost: Seq) -> Option<RecordHeader> {
    let record = RecordHeader::decode(bytes);
    let near = record.seq >= lost && record.seq.0 - lost.0 < SEQ_AHEAD_MAX;
    if !record.is_plausible() || !near {
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
        look_behind(&*file, Seed::new(Uuid::nil(), 1), 0, bytes.len() as u64, Seq(lost)).expect("reads")
    }

    #[test]
    fn a_later_record_is_a_witness_only_when_it_knew_the_lost_one_synced() {
        let seed = Seed::new(Uuid::nil(), 1);
        let rubbish = vec![7; 33];
        assert_eq!(behind(std::slice::from_ref(&rubbish), 5), Behind::default());
        let found = behind(&[rubbish.clone(), record(6, 4, seed), record(7, 4, seed)], 5);
        assert_eq!(found, Behind { records: 2, witness: None });
        let found = behind(&[rubbish, record(6, 4, seed), record(7, 5, seed), record(8, 7, seed)], 5);
        let witness = Witness { offset: 33 + 36, seq: Seq(7), synced: Seq(5) };
        assert_eq!(found, Behind { records: 3, witness: Some(witness) });
    }

    #[test]
    fn records_of_another_segment_and_earlier_ones_prove_nothing() {
        let (seed, other) = (Seed::new(Uuid::nil(), 1), Seed::new(Uuid::nil(), 2));
        assert_eq!(behind(&[vec![7; 40], record(9, 8, other), record(3, 2, seed)], 5), Behind::default());
    }
}
