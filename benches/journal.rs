//! What an entry costs on its way into the journal: queued, written, and synced in a group.
//!
//! `PURSER_BENCH_SMOKE=1` runs each once or so, to see that it runs. The files lie in the folder for temporary files: point
//! `TMPDIR` to the disk in question.

#[path = "support/single.rs"]
mod single;

use std::convert::Infallible;
use std::fs::File;
use std::hint::black_box;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::Duration;

use criterion::{BatchSize, Criterion, Throughput};
use purser::journal::media::file::FileFolder;
use purser::journal::media::memory::MemoryFolder;
use purser::journal::{Claim, Durability, Journal, Options, RECORD_HEADER_BYTES, Seq};
use tempfile::TempDir;
use uuid::Uuid;

/// About the size of a debit's entry.
const ENTRY: [u8; 96] = [7; 96];

struct Sizes {
    samples: usize,
    seconds: u64,
    waiters: usize,
    groups: usize,
    replayed: u64,
}

fn sizes() -> Sizes {
    match std::env::var_os("PURSER_BENCH_SMOKE") {
        Some(_) => Sizes { samples: 10, seconds: 0, waiters: 4, groups: 1, replayed: 1_000 },
        None => Sizes { samples: 50, seconds: 3, waiters: 256, groups: 20, replayed: 1_000_000 },
    }
}

fn open_folder(folder: FileFolder, visit: impl FnMut(Seq)) -> Journal {
    let mut visit = visit;
    let claim = Claim::take(Arc::new(folder)).expect("the folder is free");
    let visit = |seq, _: &[u8]| {
        visit(seq);
        Ok::<(), Infallible>(())
    };
    Journal::open(claim, Options::default(), Uuid::from_u128(7), visit).expect("opens").0
}

fn open_real() -> (Journal, TempDir) {
    let place = tempfile::tempdir().expect("a temporary folder");
    (open_folder(FileFolder::open(place.path()).expect("opens"), |_| ()), place)
}

fn push(journal: &Journal) -> Seq {
    let mut room = journal.reserve(1, ENTRY.len()).expect("there is room");
    room.push_bytes(black_box(&ENTRY))
}

/// Lets go of what the bench has written, so that the size cap is never reached.
fn tidy(journal: &Journal) {
    let seq = journal.written();
    journal.confirm(seq, seq).expect("drops");
}

fn queue(criterion: &mut Criterion) {
    let claim = Claim::take(Arc::new(MemoryFolder::default())).expect("is free");
    let visit = |_, _: &[u8]| Ok::<(), Infallible>(());
    let (journal, _) = Journal::open(claim, Options::default(), Uuid::from_u128(7), visit).expect("opens");
    criterion.bench_function("journal/reserve_and_push_1000", |bencher| {
        // The write that empties the queue is not measured.
        let empty = || {
            journal.write().expect("writes");
            let synced = journal.sync().expect("syncs");
            journal.confirm(synced, synced).expect("drops");
        };
        let push_some = |()| (0..1_000).for_each(|_| _ = black_box(push(&journal)));
        bencher.iter_batched(empty, push_some, BatchSize::PerIteration);
    });
}

fn written(criterion: &mut Criterion) {
    let (journal, _place) = open_real();
    criterion.bench_function("journal/push_and_write", |bencher| {
        bencher.iter(|| {
            journal.write_through(push(&journal)).expect("writes");
            if journal.written().0.is_multiple_of(65_536) {
                tidy(&journal);
            }
        });
    });
}

fn synced(criterion: &mut Criterion, waiters: usize) {
    let (journal, _place) = open_real();
    let journal = Arc::new(journal);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().expect("starts");
    let mut group = criterion.benchmark_group("journal/group_sync");
    group.throughput(Throughput::Elements(waiters as u64));
    group.bench_function(format!("{waiters}_waiters"), |bencher| {
        bencher.iter(|| {
            let wait = |_| {
                let journal = journal.clone();
                runtime.spawn(async move { journal.durable(push(&journal), Durability::Disk).await })
            };
            let waiting: Vec<_> = (0..waiters).map(wait).collect();
            for waiter in waiting {
                runtime.block_on(waiter).expect("does not panic").expect("syncs");
            }
        });
    });
    group.finish();
}

/// Groups that are acknowledged one after the other: from the first entry's push until the last one is on the disk. Beside
/// them what the disk takes for as many bytes in a file that is there already.
fn acknowledged(groups: usize) {
    let (journal, place) = open_real();
    let bytes = [7; 1_000 * (ENTRY.len() + RECORD_HEADER_BYTES)];
    let file = File::create(place.path().join("floor")).expect("is created");
    file.write_all_at(&bytes, 0).and_then(|()| file.sync_all()).expect("is written");
    let sync = |(): &()| file.write_all_at(&bytes, 0).and_then(|()| file.sync_data()).expect("syncs");
    single::print("journal/group_of_1000_without_the_journal", 1, || vec![(); groups], sync);
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("starts");
    let prepare = || {
        tidy(&journal);
        vec![(); groups]
    };
    let acknowledge = |(): &()| {
        let last = (0..1_000).map(|_| push(&journal)).last().expect("some were pushed");
        runtime.block_on(journal.durable(last, Durability::Disk)).expect("syncs");
    };
    single::print("journal/group_of_1000_acknowledged_at_first", 1, prepare, acknowledge);
    // More than two segments are full by now, so that no new file is made any more.
    single::print("journal/group_of_1000_acknowledged", 1, prepare, acknowledge);
}

fn replayed(criterion: &mut Criterion, entries: u64) {
    let (journal, place) = open_real();
    for _ in 0..entries {
        journal.write_through(push(&journal)).expect("writes");
    }
    journal.close().expect("closes");
    drop(journal);
    let mut group = criterion.benchmark_group("journal/replay");
    group.throughput(Throughput::Elements(entries)).sample_size(10);
    group.bench_function(format!("{entries}_entries"), |bencher| {
        bencher.iter(|| {
            let mut count = 0;
            drop(open_folder(FileFolder::open(place.path()).expect("opens"), |_| count += 1));
            assert_eq!(count, entries);
        });
    });
    group.finish();
}

fn main() {
    let sizes = sizes();
    let mut criterion = Criterion::default().sample_size(sizes.samples).configure_from_args();
    if sizes.seconds == 0 {
        let shortest = Duration::from_millis(1);
        criterion = criterion.warm_up_time(shortest).measurement_time(shortest);
    } else {
        criterion = criterion.measurement_time(Duration::from_secs(sizes.seconds));
    }
    queue(&mut criterion);
    written(&mut criterion);
    synced(&mut criterion, sizes.waiters);
    acknowledged(sizes.groups);
    replayed(&mut criterion, sizes.replayed);
    criterion.final_summary();
}
