//! What the journal promises when the process, the power or the disk fails.
//!
//! Every test opens what a crash may leave and compares it with what was pushed: a prefix, never less than what was answered as
//! synced, never anything else.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use purser::journal::media::Folder;
use purser::journal::media::crashing::{CrashingFolder, Fault};
use purser::journal::media::memory::MemoryFolder;
use purser::journal::{Claim, Cut, Journal, OpenError, Options, Recovered, Refused, Seq};
use uuid::Uuid;

const SIDECAR: Uuid = Uuid::from_u128(7);
const HEADER_BYTES: usize = 4096;
const FIRST: &str = "journal-0000000001.seg";
const SECOND: &str = "journal-0000000002.seg";

/// Small segments; no background sync within a test.
fn options() -> Options {
    Options {
        segment_bytes: 8192,
        bytes_max: 80 * 8192,
        queue_bytes_max: 1 << 20,
        sync_interval: Duration::from_secs(3600),
        ..Options::default()
    }
}

/// The payload of an entry: of many lengths, and never that of another one.
fn payload(seq: Seq) -> Vec<u8> {
    let len = 8 + (seq.0 as usize * 37) % 90;
    seq.0.to_le_bytes().into_iter().cycle().take(len).map(|byte| byte ^ 0xa5).collect()
}

type Opened = Result<(Journal, Recovered), OpenError<Infallible>>;

/// Opens, and checks that what is read back are the entries from `first_seq` to `last_seq`, as they were pushed.
fn open(folder: Arc<dyn Folder>) -> Opened {
    let claim = Claim::take(folder).expect("the folder is free");
    let mut read = Vec::new();
    let visit = |seq, bytes: &[u8]| {
        assert_eq!(bytes, payload(seq), "entry {seq} is what was pushed");
        read.push(seq);
        Ok(())
    };
    let (journal, recovered) = Journal::open(claim, options(), SIDECAR, visit)?;
    assert!(read.windows(2).all(|pair| pair[0] < pair[1]), "in order");
    assert_eq!(read.len() as u64, recovered.records);
    if let (Some(first), Some(last)) = (read.first(), read.last()) {
        assert_eq!((*first, *last), (recovered.first_seq, recovered.last_seq));
    }
    Ok((journal, recovered))
}

fn try_push(journal: &Journal) -> Result<Seq, Refused> {
    let mut room = journal.reserve(1, 100)?;
    let next = journal.next_seq();
    let seq = room.push(|buffer| buffer.extend(payload(next)));
    assert_eq!(seq, next);
    Ok(seq)
}

fn push(journal: &Journal) -> Seq {
    try_push(journal).expect("there is room")
}

fn push_written(journal: &Journal, count: usize) {
    for _ in 0..count {
        journal.write_through(push(journal)).expect("writes");
    }
}

/// The files after `groups` of entries, each synced or only written.
fn files_of(groups: &[(usize, bool)]) -> MemoryFolder {
    let folder = MemoryFolder::default();
    let (journal, _) = open(Arc::new(folder.clone())).expect("begins");
    for (count, synced) in groups {
        push_written(&journal, *count);
        if *synced {
            journal.sync().expect("syncs");
        }
    }
    drop(journal);
    folder
}

fn changed(folder: &MemoryFolder, name: &str, change: impl FnOnce(&mut Vec<u8>)) -> Arc<MemoryFolder> {
    let mut files = folder.files();
    change(files.get_mut(name).expect("the file is there"));
    Arc::new(MemoryFolder::with_files(files))
}

/// Where each record of a segment begins, and where the last one ends.
fn places(bytes: &[u8]) -> Vec<usize> {
    let mut places = vec![HEADER_BYTES];
    let mut at = HEADER_BYTES;
    while let Some(header) = bytes.get(at..at + 24) {
        let len = u32::from_le_bytes(header[4..8].try_into().expect("four bytes")) as usize;
        if len == 0 {
            break;
        }
        at += 24 + len;
        places.push(at);
    }
    places
}

#[test]
fn what_was_written_is_read_back_across_segments_and_restarts() {
    let folder = MemoryFolder::default();
    let mut last = Seq::NONE;
    for round in 0..5 {
        let (journal, recovered) = open(Arc::new(folder.clone())).expect("opens");
        assert_eq!((recovered.last_seq, recovered.cut), (last, None), "round {round}");
        push_written(&journal, 60);
        last = journal.written();
        if round % 2 == 0 {
            journal.close().expect("closes");
        }
    }
    let (journal, recovered) = open(Arc::new(folder)).expect("opens");
    assert_eq!((recovered.first_seq, recovered.last_seq), (Seq(1), Seq(300)));
    assert!(recovered.segments > 4);
    assert_eq!(journal.synced(), Seq(300), "recovery syncs what it found");
}

#[test]
fn close_writes_what_is_queued_and_then_refuses() {
    let folder = MemoryFolder::default();
    let (journal, _) = open(Arc::new(folder.clone())).expect("opens");
    push(&journal);
    journal.close().expect("closes");
    assert!(matches!(try_push(&journal), Err(Refused::Failed(_))));
    journal.close().expect("again does nothing");
    drop(journal);
    assert_eq!(open(Arc::new(folder)).expect("opens").1.last_seq, Seq(1));
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
    let beyond = places[6] + 100;
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

/// Writes and syncs, rolls and drops, until something fails; says up to where it was told that all is synced.
fn story(journal: &Journal) -> Seq {
    let mut answered = Seq::NONE;
    for round in 0..25 {
        for _ in 0..(round % 7) + 2 {
            if try_push(journal).is_err() {
                return answered;
            }
        }
        let written = journal.write();
        if round % 3 != 1 && written.is_ok() {
            match journal.sync() {
                Ok(synced) => answered = synced,
                Err(_) => return answered,
            }
        }
        if round % 8 == 7 && journal.confirm(Seq(20), Seq(20)).is_err() {
            return answered;
        }
    }
    answered
}

/// A generator of choices, the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as usize % limit
    }
}

/// Opens an image that a loss of power may leave, goes on, and opens again.
fn survives(image: MemoryFolder, answered: Seq, context: &str) {
    let (journal, recovered) = open(Arc::new(image.clone())).unwrap_or_else(|error| panic!("{context}: {error}"));
    assert!(recovered.last_seq >= answered, "{context}: {} of {answered} are left", recovered.last_seq);
    let last = push(&journal);
    journal.close().expect("closes");
    drop(journal);
    let (_, again) = open(Arc::new(image)).unwrap_or_else(|error| panic!("{context}: {error}"));
    assert_eq!((again.last_seq, again.cut), (last, None), "{context}");
}

#[test]
fn power_lost_at_each_write_and_sync_loses_nothing_that_was_answered_as_synced() {
    let disk = CrashingFolder::default();
    let (journal, _) = open(Arc::new(disk.clone())).expect("begins");
    let (before, answered) = (disk.operations(), story(&journal));
    drop(journal);
    assert!(answered > Seq(80), "the story is told to its end");
    let mut dice = Dice(0x5eed);
    for step in before..disk.operations() {
        let disk = CrashingFolder::default();
        let (journal, _) = open(Arc::new(disk.clone())).expect("begins");
        disk.fail_at(step, Fault::PowerOff);
        let answered = story(&journal);
        drop(journal);
        survives(disk.image(|_| 0), answered, &format!("step {step}, nothing more"));
        survives(disk.image(|len| len), answered, &format!("step {step}, everything"));
        for image in 0..6 {
            let image_of = disk.image(|len| match dice.below(3) {
                0 => 0,
                1 => len,
                _ => dice.below(len + 1),
            });
            survives(image_of, answered, &format!("step {step}, image {image}"));
        }
    }
}

#[test]
fn power_lost_while_beginning_a_journal_leaves_one_that_begins() {
    for step in 0.. {
        let disk = CrashingFolder::default();
        disk.fail_at(step, Fault::PowerOff);
        let opened = open(Arc::new(disk.clone())).is_ok();
        for kept in [0, 100, usize::MAX] {
            survives(disk.image(|len| kept.min(len)), Seq::NONE, &format!("step {step}"));
        }
        if opened {
            return;
        }
    }
}

#[test]
fn power_lost_while_cutting_leaves_a_journal_that_is_cut_again() {
    let folder = files_of(&[(40, true), (120, false)]);
    let places = places(&folder.files()[FIRST]);
    let mut files = folder.files();
    files.get_mut(FIRST).expect("is there")[places[42]] ^= 1;
    assert!(files.len() > 2);
    for step in 0.. {
        let disk = CrashingFolder::default();
        for (name, bytes) in &files {
            let file = disk.create(name).expect("creates");
            file.write_at(bytes, 0).expect("writes");
            file.sync_data().expect("syncs");
        }
        disk.sync().expect("syncs");
        disk.fail_at(disk.operations() + step, Fault::PowerOff);
        let opened = open(Arc::new(disk.clone())).is_ok();
        for kept in [0, 100, usize::MAX] {
            survives(disk.image(|len| kept.min(len)), Seq(42), &format!("step {step}"));
        }
        if opened {
            return;
        }
    }
}
