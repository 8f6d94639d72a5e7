//! The journal at work: many threads, a full disk, a full journal, the flush, and segments that come and go.

use std::convert::Infallible;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use purser::journal::media::Folder;
use purser::journal::media::crashing::{CrashingFolder, Fault};
use purser::journal::media::file::FileFolder;
use purser::journal::media::memory::MemoryFolder;
use purser::journal::{
    Claim, ClaimError, Durability, Identity, Journal, MEMORY_RECORDS_MAX, Options, ReadError, Recovered, Refused, Seq,
};
use uuid::Uuid;

const ENOSPC: i32 = 28;
const EIO: i32 = 5;

/// Small segments; nothing in the background within a test.
fn options() -> Options {
    let never = Duration::from_secs(3600);
    Options {
        segment_bytes: 8192,
        bytes_max: 4 * 8192,
        queue_bytes_max: 1 << 20,
        sync_interval: never,
        write_interval: never,
    }
}

fn open_with(folder: Arc<dyn Folder>, options: Options) -> (Journal, Recovered) {
    let claim = Claim::take(folder).expect("the folder is free");
    Journal::open(claim, options, Uuid::from_u128(7), |_, _| Ok::<(), Infallible>(())).expect("opens")
}

fn open(folder: &MemoryFolder) -> (Journal, Recovered) {
    open_with(Arc::new(folder.clone()), options())
}

/// Two segments so large that the second one is not yet prepared.
fn roomy() -> Options {
    Options { segment_bytes: 1 << 20, bytes_max: 2 << 20, ..options() }
}

fn try_push(journal: &Journal, bytes: usize) -> Result<Seq, Refused> {
    Ok(journal.reserve(1, bytes)?.push_bytes(&vec![7; bytes]))
}

fn push(journal: &Journal, bytes: usize) -> Seq {
    try_push(journal, bytes).expect("there is room")
}

/// Pushes, writes and syncs entries of about a kilobyte, four to a segment.
fn fill(journal: &Journal, count: usize) -> Seq {
    for _ in 0..count {
        journal.write_through(push(journal, 1000)).expect("writes");
    }
    journal.sync().expect("syncs")
}

fn segment_files(folder: &MemoryFolder) -> usize {
    folder.files().keys().filter(|name| name.ends_with(".seg")).count()
}

#[test]
fn a_second_opener_of_a_real_folder_is_refused_by_name() {
    let place = tempfile::tempdir().expect("a temporary folder");
    let folder = || Arc::new(FileFolder::open(place.path()).expect("opens"));
    let claim = Claim::take(folder()).expect("is free");
    let identity = Identity::mint(&claim).expect("mints");
    let visit = |_, _: &[u8]| Ok::<(), Infallible>(());
    let (journal, _) = Journal::open(claim, options(), identity.sidecar, visit).expect("opens");
    let refused = Claim::take(folder()).expect_err("is in use");
    assert!(matches!(refused, ClaimError::InUse(_)));
    assert!(refused.to_string().contains(&place.path().display().to_string()));
    fill(&journal, 10);
    drop(journal);
    let claim = Claim::take(folder()).expect("is free again");
    let next = Identity::mint(&claim).expect("mints");
    assert_eq!((next.sidecar, next.incarnation), (identity.sidecar, identity.incarnation + 1));
    let (_, recovered) = Journal::open(claim, options(), next.sidecar, visit).expect("opens");
    assert_eq!((recovered.last_seq, recovered.cut), (Seq(10), None));
}

#[test]
fn entries_of_many_threads_keep_the_order_of_their_seqs_and_are_all_there() {
    let place = tempfile::tempdir().expect("a temporary folder");
    let folder = || Arc::new(FileFolder::open(place.path()).expect("opens"));
    let options = Options { bytes_max: 1000 * 65536, segment_bytes: 65536, ..options() };
    let (journal, _) = open_with(folder(), options.clone());
    let barrier = Barrier::new(4);
    thread::scope(|scope| {
        for thread in 0..4u64 {
            let (journal, barrier) = (&journal, &barrier);
            scope.spawn(move || {
                barrier.wait();
                for number in 0..2000u64 {
                    let mut room = journal.reserve(1, 64).expect("there is room");
                    let text = [thread.to_le_bytes(), number.to_le_bytes()].concat();
                    let seq = room.push_bytes(&text);
                    drop(room);
                    journal.write_through(seq).expect("writes");
                    assert!(journal.written() >= seq);
                }
            });
        }
    });
    drop(journal);
    let mut next = [0; 4];
    let claim = Claim::take(folder()).expect("is free");
    let visit = |_, bytes: &[u8]| {
        let (thread, number) = bytes.split_at(8);
        let thread = u64::from_le_bytes(thread.try_into().expect("eight bytes")) as usize;
        assert_eq!(number, u64::to_le_bytes(next[thread]), "in the order of its thread");
        next[thread] += 1;
        Ok::<(), Infallible>(())
    };
    let (_, recovered) = Journal::open(claim, options, Uuid::from_u128(7), visit).expect("opens");
    assert_eq!((recovered.records, recovered.last_seq), (8000, Seq(8000)));
    assert_eq!(next, [2000; 4]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_who_wait_for_the_disk_are_answered_by_one_write_and_one_sync() {
    let disk = CrashingFolder::default();
    let (journal, _) = open_with(Arc::new(disk.clone()), roomy());
    let before = disk.operations();
    let journal = Arc::new(journal);
    let seqs: Vec<Seq> = (0..200).map(|_| push(&journal, 50)).collect();
    let wait = |seq| {
        let journal = journal.clone();
        tokio::spawn(async move {
            journal.durable(seq, Durability::Disk).await.expect("syncs");
            assert!(journal.synced() >= seq);
        })
    };
    for waiter in seqs.into_iter().map(wait).collect::<Vec<_>>() {
        waiter.await.expect("does not panic");
    }
    assert_eq!((journal.synced(), disk.operations() - before), (Seq(200), 2));
}

#[tokio::test]
async fn each_level_waits_for_what_it_says() {
    let folder = MemoryFolder::default();
    let (journal, _) = open(&folder);
    let first = push(&journal, 10);
    journal.durable(first, Durability::Memory).await.expect("does not wait");
    assert_eq!((journal.written(), journal.stats().queued_records), (Seq::NONE, 1));
    let second = push(&journal, 10);
    journal.durable(second, Durability::Os).await.expect("writes");
    assert_eq!((journal.written(), journal.synced()), (second, Seq::NONE));
    let third = push(&journal, 10);
    journal.durable(third, Durability::Store).await.expect("syncs");
    assert_eq!((journal.written(), journal.synced()), (third, third));
}

#[tokio::test]
async fn at_memory_so_many_entries_are_written_at_once_and_fewer_soon() {
    let (journal, _) = open(&MemoryFolder::default());
    for number in 1..=MEMORY_RECORDS_MAX {
        assert_eq!(journal.written(), Seq::NONE, "before entry {number}");
        let seq = push(&journal, 1);
        journal.durable(seq, Durability::Memory).await.expect("does not wait");
    }
    assert_eq!(journal.written(), Seq(MEMORY_RECORDS_MAX));
    let soon =
        Options { write_interval: Duration::from_millis(1), sync_interval: Duration::from_millis(1), ..options() };
    let (journal, _) = open_with(Arc::new(MemoryFolder::default()), soon);
    let seq = push(&journal, 1);
    journal.durable(seq, Durability::Memory).await.expect("does not wait");
    while journal.synced() < seq {
        thread::yield_now();
    }
}

#[test]
fn a_full_disk_stops_the_journal_and_names_the_cause() {
    let disk = CrashingFolder::default();
    let (journal, _) = open_with(Arc::new(disk.clone()), roomy());
    let seq = push(&journal, 100);
    journal.write_through(seq).expect("writes");
    let lost = push(&journal, 100);
    disk.fail_at(disk.operations(), Fault::Error(ENOSPC));
    let failed = journal.write_through(lost).expect_err("the disk is full");
    assert!(
        failed.reason().contains("journal-0000000001.seg") && failed.reason().contains("No space left"),
        "{failed}"
    );
    assert_eq!(journal.failure(), Some(failed.clone()));
    assert_eq!(journal.write_through(seq), Ok(()), "what was written stays written");
    assert_eq!(try_push(&journal, 1), Err(Refused::Failed(failed.clone())));
    assert_eq!(journal.write().expect_err("stays stopped"), failed);
    assert_eq!(journal.sync().expect_err("stays stopped"), failed);
    assert_eq!(journal.close().expect_err("lost an entry"), failed);
}

#[tokio::test]
async fn a_failed_sync_is_told_to_all_who_wait_and_is_not_tried_again() {
    let disk = CrashingFolder::default();
    let (journal, _) = open_with(Arc::new(disk.clone()), roomy());
    let seq = push(&journal, 100);
    disk.fail_at(disk.operations() + 1, Fault::Error(EIO));
    let failed = journal.durable(seq, Durability::Disk).await.expect_err("the sync fails");
    assert!(failed.reason().contains("Input/output error"), "{failed}");
    assert_eq!(journal.durable(seq, Durability::Disk).await, Err(failed.clone()));
    assert_eq!((journal.written(), journal.synced()), (seq, Seq::NONE));
}

#[test]
fn segments_go_only_when_the_store_has_them_and_the_engine_needs_them_no_more() {
    let folder = MemoryFolder::default();
    let (journal, _) = open_with(Arc::new(folder.clone()), Options { bytes_max: 100 * 8192, ..options() });
    fill(&journal, 18);
    // Segments hold entries 1-4, 5-8, 9-12, 13-16, 17-18.
    for (confirmed, keep_from, left) in
        [(3, 5, 5), (4, 4, 5), (4, 5, 4), (12, 8, 4), (12, 9, 3), (12, 99, 2), (99, 99, 1)]
    {
        let keep_from = Seq(keep_from);
        let folder = MemoryFolder::with_files(folder.files());
        let (journal, _) = open_with(Arc::new(folder.clone()), Options { bytes_max: 100 * 8192, ..options() });
        journal.confirm(Seq(confirmed), keep_from).expect("drops");
        let context = format!("confirmed {confirmed}, kept from {keep_from}");
        let stats = journal.stats();
        assert_eq!((stats.segments, segment_files(&folder), stats.dropped_early), (left, left, 0), "{context}");
    }
    journal.confirm(Seq(99), Seq(99)).expect("drops");
    drop(journal);
    let (_, recovered) = open(&folder);
    assert_eq!((recovered.first_seq, recovered.last_seq, recovered.cut), (Seq(17), Seq(18), None));
}

#[test]
fn a_segment_stays_until_the_one_behind_it_is_synced() {
    let (journal, _) = open(&MemoryFolder::default());
    for _ in 0..5 {
        journal.write_through(push(&journal, 1000)).expect("writes");
    }
    assert_eq!(journal.confirm(Seq(5), Seq(9)).expect("drops").dropped, 0);
    journal.sync().expect("syncs");
    assert_eq!(journal.confirm(Seq(5), Seq(9)).expect("drops").dropped, 1);
}

#[test]
fn at_its_cap_the_journal_refuses_until_the_store_has_confirmed_and_then_drops_early() {
    let folder = MemoryFolder::default();
    let (journal, _) = open(&folder);
    let mut pushed = Seq::NONE;
    while let Ok(seq) = try_push(&journal, 1000) {
        journal.write_through(seq).expect("what had room is written");
        pushed = seq;
    }
    journal.sync().expect("syncs");
    assert_eq!(pushed, Seq(16), "four segments of four");
    assert_eq!(try_push(&journal, 1000), Err(Refused::JournalFull));
    assert_eq!(journal.failure(), None);
    let done = journal.confirm(Seq(3), Seq(1)).expect("drops");
    assert_eq!(done.dropped, 0, "what is not confirmed stays at any pressure");
    let done = journal.confirm(Seq(12), Seq(1)).expect("drops");
    assert_eq!((done.dropped, done.dropped_early), (1, 1), "no more than what makes room");
    assert_eq!(journal.stats().dropped_early, 1);
    fill(&journal, 2);
    assert!(journal.stats().bytes_on_disk <= options().bytes_max);
}

#[test]
fn space_lost_at_the_ends_of_segments_counts_towards_the_cap() {
    let bytes_max = 10 * 8192;
    let (journal, _) = open_with(Arc::new(MemoryFolder::default()), Options { bytes_max, ..options() });
    while let Ok(seq) = try_push(&journal, 1500) {
        journal.write_through(seq).expect("what had room is written");
    }
    let bytes = journal.stats().bytes_on_disk;
    assert!((bytes_max..=bytes_max + 8192).contains(&bytes), "{bytes} bytes");
}

#[test]
fn segments_of_a_journal_that_was_larger_are_counted_against_a_smaller_cap() {
    let folder = MemoryFolder::default();
    let (journal, _) = open_with(Arc::new(folder.clone()), Options { bytes_max: 100 * 8192, ..options() });
    fill(&journal, 40);
    drop(journal);
    let (journal, _) = open(&folder);
    assert_eq!(try_push(&journal, 1), Err(Refused::JournalFull));
    journal.confirm(Seq(40), Seq(41)).expect("drops");
    push(&journal, 1);
}

#[test]
fn after_a_skip_the_journal_goes_on_behind_what_the_store_has() {
    let folder = MemoryFolder::default();
    let (journal, _) = open(&folder);
    fill(&journal, 6);
    journal.skip_to(Seq(4)).expect("does nothing");
    assert_eq!(journal.next_seq(), Seq(7));
    journal.skip_to(Seq(500)).expect("skips");
    assert_eq!((journal.next_seq(), journal.written(), journal.synced()), (Seq(501), Seq(500), Seq(500)));
    drop(journal);
    let (journal, recovered) = open(&folder);
    assert_eq!((recovered.records, recovered.last_seq, recovered.cut), (6, Seq(500), None));
    fill(&journal, 1);
    let before_the_gap = journal.reader(Seq(5)).read(Seq(300), 1 << 20, |_, _| ()).expect("reads");
    assert_eq!(before_the_gap, 2, "nothing from behind the gap");
    let mut read = Vec::new();
    journal.reader(Seq(5)).read(Seq(999), 1 << 20, |seq, _| read.push(seq.0)).expect("reads");
    assert_eq!(read, [5, 6, 501], "the reader passes the gap");
    journal.confirm(Seq(500), Seq(501)).expect("drops");
    assert_eq!(journal.stats().first, Seq(501));
    drop(journal);
    let (_, recovered) = open(&folder);
    assert_eq!((recovered.first_seq, recovered.last_seq), (Seq(501), Seq(501)));
}

#[test]
fn a_reader_follows_the_writer_in_bounded_batches() {
    let (journal, _) = open_with(Arc::new(MemoryFolder::default()), Options { bytes_max: 100 * 8192, ..options() });
    let mut reader = journal.reader(Seq(1));
    let mut read = Vec::new();
    assert_eq!(reader.read(Seq(99), 10, |_, _| panic!("there is nothing")).expect("reads"), 0);
    for round in 0..30u64 {
        fill(&journal, 3);
        let through = Seq(round * 3 + 2);
        while reader.read(through, 1500, |seq, bytes| read.push((seq.0, bytes.len()))).expect("reads") > 0 {}
        assert_eq!(reader.next_seq(), through.after(), "up to where it was told and no farther");
    }
    assert_eq!(read, (1..=89).map(|seq| (seq, 1000)).collect::<Vec<_>>());
    let mut reader = journal.reader(Seq(50));
    assert_eq!(reader.read(Seq(99), 2500, |_, _| ()).expect("reads"), 2, "as many as fit");
    assert_eq!(reader.read(Seq(99), 1, |_, _| ()).expect("reads"), 1, "and at least one");
    assert_eq!(reader.read(Seq(99), usize::MAX, |_, _| ()).expect("reads"), 38, "and no more than there are");
}

#[test]
fn a_reader_of_what_was_dropped_says_where_the_journal_begins() {
    let (journal, _) = open(&MemoryFolder::default());
    fill(&journal, 9);
    let mut reader = journal.reader(Seq(1));
    reader.read(Seq(2), 9999, |_, _| ()).expect("reads");
    journal.confirm(Seq(9), Seq(9)).expect("drops");
    let gone = reader.read(Seq(9), 9999, |_, _| ()).expect_err("is gone");
    assert!(matches!(gone, ReadError::Gone { asked: Seq(3), first: Seq(9) }), "{gone}");
}

/// Writes so many entries, which fill the first segment; comes back when the next one's file is ready.
fn fill_segment(journal: &Journal, bytes: usize, count: usize) {
    let one = journal.stats().bytes_on_disk;
    for _ in 0..count {
        journal.write_through(push(journal, bytes)).expect("writes");
    }
    while journal.stats().bytes_on_disk == one {
        thread::yield_now();
    }
}

#[test]
fn the_file_of_a_segment_that_goes_is_the_next_one_and_what_lay_in_it_is_not_read_again() {
    let mut folder = MemoryFolder::default();
    // A third of a segment, so that none is half full after one.
    let large = 20_000;
    let options = || Options { segment_bytes: 1 << 16, bytes_max: 10 << 16, ..options() };
    let (journal, _) = open_with(Arc::new(folder.clone()), options());
    let write = |journal: &Journal| journal.write_through(push(journal, large)).expect("writes");
    fill_segment(&journal, large, 3);
    write(&journal);
    journal.sync().expect("syncs");
    let first = folder.files()["journal-0000000001.seg"].clone();
    assert_eq!(journal.confirm(Seq(3), Seq(4)).expect("drops").dropped, 1);
    assert_eq!(folder.files().get("journal-next.tmp"), Some(&first));
    (0..3).for_each(|_| write(&journal));
    drop(journal);
    for entries in [7, 8] {
        let third = folder.files()["journal-0000000003.seg"].clone();
        assert_eq!(third[50_000..], first[50_000..], "what was not written over is there");
        folder = MemoryFolder::with_files(folder.files());
        let (journal, recovered) = open_with(Arc::new(folder.clone()), options());
        assert_eq!((recovered.first_seq, recovered.last_seq, recovered.cut), (Seq(4), Seq(entries), None));
        write(&journal);
    }
}

#[test]
fn a_file_that_is_not_whole_is_not_used_again() {
    let folder = MemoryFolder::default();
    let options = || Options { segment_bytes: 1 << 16, bytes_max: 10 << 16, ..options() };
    let (journal, _) = open_with(Arc::new(folder.clone()), options());
    (0..4).for_each(|_| journal.write_through(push(&journal, 20_000)).expect("writes"));
    drop(journal);
    for (len, is_used) in [(1 << 16, true), (65_000, false)] {
        let mut files = folder.files();
        files.get_mut("journal-0000000001.seg").expect("is there").truncate(len);
        let folder = MemoryFolder::with_files(files);
        let (journal, _) = open_with(Arc::new(folder.clone()), options());
        assert_eq!(journal.confirm(Seq(3), Seq(4)).expect("drops").dropped, 1);
        assert_eq!(folder.files().contains_key("journal-next.tmp"), is_used);
    }
}

#[test]
fn a_segment_that_is_used_again_has_an_end_before_its_first_record_and_behind_its_last() {
    let folder = MemoryFolder::default();
    let options = || Options { segment_bytes: 1 << 16, bytes_max: 10 << 16, ..options() };
    let (journal, _) = open_with(Arc::new(folder.clone()), options());
    let write = |bytes| journal.write_through(push(&journal, bytes)).expect("writes");
    fill_segment(&journal, 20_000, 3);
    write(20_000);
    journal.sync().expect("syncs");
    journal.confirm(Seq(3), Seq(4)).expect("drops");
    let reopened = |without: &str| {
        let files = folder.files().into_iter().filter(|(name, _)| name != without).collect::<Vec<_>>();
        let (_, recovered) = open_with(Arc::new(MemoryFolder::with_files(files)), options());
        (recovered.last_seq, recovered.cut)
    };
    journal.skip_to(Seq(100)).expect("skips");
    assert_eq!(reopened(""), (Seq(100), None));
    // The last one begins a segment, which power that fails may take: behind the others there are old bytes.
    for bytes in [20_000, 20_000, 10_000, 20_000] {
        push(&journal, bytes);
    }
    journal.write().expect("writes");
    assert_eq!(reopened("journal-0000000004.seg"), (Seq(103), None));
}

#[test]
fn a_reader_whose_segment_is_used_again_meanwhile_learns_that_it_is_gone() {
    let folder = Arc::new(MemoryFolder::default());
    let (journal, _) = open_with(folder, Options { bytes_max: 100 << 20, ..roomy() });
    let large = 60_000;
    fill_segment(&journal, large, 17);
    journal.write_through(push(&journal, large)).expect("writes");
    journal.sync().expect("syncs");
    let use_again = |_, _: &[u8]| {
        if journal.confirm(Seq(17), Seq(18)).expect("drops").dropped == 1 {
            fill(&journal, 1_100);
        }
    };
    let gone = journal.reader(Seq(1)).read(Seq(17), usize::MAX, use_again).expect_err("is gone");
    assert!(matches!(gone, ReadError::Gone { asked: Seq(2), first: Seq(18) }), "{gone}");
}

#[test]
fn one_batch_may_fill_several_segments() {
    let folder = MemoryFolder::default();
    let (journal, _) = open_with(Arc::new(folder.clone()), Options { bytes_max: 100 * 8192, ..options() });
    let mut room = journal.reserve(40, 40_000).expect("there is room");
    for number in 0..40 {
        room.push_bytes(&vec![1; 700 + number * 7]);
    }
    assert_eq!(journal.write(), Ok(Seq(40)));
    assert_eq!(journal.stats().queued_bytes, 0);
    drop(room);
    drop(journal);
    let (_, recovered) = open_with(Arc::new(folder), Options { bytes_max: 100 * 8192, ..options() });
    assert_eq!((recovered.records, recovered.cut), (40, None));
    assert!(recovered.segments >= 8);
}
