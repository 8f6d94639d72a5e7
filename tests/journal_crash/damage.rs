//! Files that were cut, changed or lost.

use std::convert::Infallible;
use std::sync::Arc;

use purser::journal::media::memory::MemoryFolder;
use purser::journal::{Claim, Cut, Journal, OpenError, Seq};
use uuid::Uuid;

use super::{FIRST, SIDECAR, files_of, open, options, places, push};

const HEADER_BYTES: usize = 4096;
const SECOND: &str = "journal-0000000002.seg";

fn changed(folder: &MemoryFolder, name: &str, change: impl FnOnce(&mut Vec<u8>)) -> Arc<MemoryFolder> {
    let mut files = folder.files();
    change(files.get_mut(name).expect("the file is there"));
    Arc::new(MemoryFolder::with_files(files))
}

#[test]
fn cut_at_every_byte_a_journal_reopens_to_the_entries_before() {
    let folder = files_of(&[(40, false)]);
    let whole = folder.files()[FIRST].clone();
    let places = places(&whole);
    let end = *places.last().expect("there are records");
    for cut_at in HEADER_BYTES..=end {
        for shortened in [true, false] {
            let image = changed(&folder, FIRST, |bytes| match shortened {
                true => bytes.truncate(cut_at),
                false => bytes[cut_at..].fill(0),
            });
            let (journal, recovered) = open(image.clone()).expect("opens");
            let kept = places.iter().filter(|place| **place <= cut_at).count() as u64 - 1;
            assert_eq!(recovered.last_seq, Seq(kept), "cut at byte {cut_at}");
            assert_eq!(push(&journal), Seq(kept + 1));
            journal.close().expect("closes");
            drop(journal);
            let (_, again) = open(image).expect("opens again");
            assert_eq!((again.last_seq, again.cut), (Seq(kept + 1), None), "cut at byte {cut_at}");
        }
    }
}

#[test]
fn cut_inside_the_header_of_its_oldest_segment_a_journal_is_refused() {
    let folder = files_of(&[(3, true)]);
    for cut_at in (0..HEADER_BYTES).step_by(512).chain([1, HEADER_BYTES - 1]) {
        let image = changed(&folder, FIRST, |bytes| bytes.truncate(cut_at));
        assert!(matches!(open(image), Err(OpenError::Corrupt(corrupt)) if corrupt.offset == 0), "cut at byte {cut_at}");
    }
}

#[test]
fn every_flipped_bit_of_synced_entries_with_a_witness_is_refused() {
    let folder = files_of(&[(6, true), (1, false)]);
    let whole = folder.files()[FIRST].clone();
    let places = places(&whole);
    for bit in 0..places[6] * 8 {
        let image = changed(&folder, FIRST, |bytes| bytes[bit / 8] ^= 1 << (bit % 8));
        let Err(OpenError::Corrupt(corrupt)) = open(image) else { panic!("bit {bit} was not seen") };
        let damaged = places.iter().filter(|place| **place <= bit / 8).count() as u64;
        assert_eq!(corrupt.seq, Seq(damaged.max(1)), "bit {bit}");
    }
}

#[test]
fn every_flipped_bit_of_unsynced_entries_is_cut() {
    let folder = files_of(&[(2, true), (4, false)]);
    let whole = folder.files()[FIRST].clone();
    let places = places(&whole);
    // What lies behind the zeros that end the records is of an earlier use of the file.
    let beyond = places[6] + 24;
    for bit in places[2] * 8..beyond * 8 {
        let image = changed(&folder, FIRST, |bytes| bytes[bit / 8] ^= 1 << (bit % 8));
        let (_, recovered) = open(image).expect("opens");
        let kept = places.iter().filter(|place| **place <= bit / 8).count() as u64 - 1;
        let cut = recovered.cut.expect("it is cut");
        assert_eq!((recovered.last_seq, cut.seq), (Seq(kept.min(6)), Seq(kept.min(6) + 1)), "bit {bit}");
        assert_eq!(cut.records, 6_u64.saturating_sub(kept + 1), "bit {bit}");
    }
}

#[test]
fn a_flipped_bit_in_a_later_segment_never_changes_an_entry() {
    let folder = files_of(&[(45, true), (30, true), (1, false)]);
    let files = folder.files();
    let used: Vec<usize> = [FIRST, SECOND].iter().map(|name| *places(&files[*name]).last().expect("records")).collect();
    assert!(files.len() >= 2 && used[1] > HEADER_BYTES);
    for (name, used) in [FIRST, SECOND].into_iter().zip(used) {
        for byte in (0..used).step_by(7) {
            let image = changed(&folder, name, |bytes| bytes[byte] ^= 0x10);
            match open(image) {
                Ok((_, recovered)) => assert!(recovered.cut.is_some(), "byte {byte} of {name} was not seen"),
                Err(error) => assert!(matches!(error, OpenError::Corrupt(_)), "byte {byte} of {name}: {error}"),
            }
        }
    }
}

#[test]
fn a_valid_entry_behind_a_hole_is_cut_with_it_when_nothing_was_synced() {
    let folder = files_of(&[(3, true), (5, false)]);
    let places = places(&folder.files()[FIRST]);
    let image = changed(&folder, FIRST, |bytes| bytes[places[4]..places[5]].fill(0));
    let (_, recovered) = open(image).expect("opens");
    let bytes = (places[8] - places[5]) as u64 + (places[5] - places[4]) as u64;
    let cut = Cut { segment: FIRST.into(), offset: places[4] as u64, seq: Seq(5), bytes, records: 3 };
    assert_eq!((recovered.last_seq, recovered.cut), (Seq(4), Some(cut)));
}

#[test]
fn a_missing_segment_is_damage_when_synced_and_a_cut_when_not() {
    for synced in [true, false] {
        let folder = files_of(&[(150, synced), (20, false)]);
        let mut files = folder.files();
        assert!(files.len() >= 3);
        files.remove(SECOND);
        match open(Arc::new(MemoryFolder::with_files(files))) {
            Ok((_, recovered)) => {
                assert!(!synced);
                assert_eq!(recovered.segments, 1);
                assert!(recovered.cut.is_some_and(|cut| cut.records > 0));
            }
            Err(OpenError::Corrupt(corrupt)) => {
                assert!(synced);
                assert_eq!(corrupt.segment, FIRST);
            }
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn the_header_of_the_next_segment_is_witness_enough() {
    let folder = files_of(&[(5, true)]);
    let (journal, _) = open(Arc::new(folder.clone())).expect("opens");
    journal.skip_to(Seq(100)).expect("skips");
    drop(journal);
    let places = places(&folder.files()[FIRST]);
    let image = changed(&folder, FIRST, |bytes| bytes[places[2] + 30] ^= 1);
    assert!(matches!(open(image), Err(OpenError::Corrupt(corrupt)) if corrupt.seq == Seq(3)));
}

#[test]
fn segments_of_another_sidecar_are_refused() {
    let folder = files_of(&[(3, true)]);
    let claim = Claim::take(Arc::new(folder)).expect("is free");
    let opened = Journal::open(claim, options(), Uuid::from_u128(8), |_, _| Ok::<(), Infallible>(()));
    assert!(matches!(opened, Err(OpenError::Foreign { found: SIDECAR, .. })));
}

#[test]
fn an_entry_that_the_visitor_refuses_stops_the_start() {
    let claim = Claim::take(Arc::new(files_of(&[(3, true)]))).expect("is free");
    let visit = |seq, _: &[u8]| if seq == Seq(2) { Err("no such team") } else { Ok(()) };
    let error = Journal::open(claim, options(), SIDECAR, visit).map(drop).expect_err("is refused");
    assert_eq!(error.to_string(), "entry 2 of the journal cannot be applied: no such team");
}
