//! What the journal promises when the process, the power or the disk fails.
//!
//! Every test opens what a crash may leave and compares it with what was pushed: a prefix, never less than what was answered as
//! synced, never anything else.

mod busy;
mod damage;
mod power;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use purser::journal::media::Folder;
use purser::journal::media::memory::MemoryFolder;
use purser::journal::{Claim, Journal, OpenError, Options, Recovered, Refused, Seq};
use uuid::Uuid;

const SIDECAR: Uuid = Uuid::from_u128(7);
const FIRST: &str = "journal-0000000001.seg";

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
    let seq = room.push_bytes(&payload(next));
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

/// Where each record of a segment begins, and where the last one ends.
fn places(bytes: &[u8]) -> Vec<usize> {
    let mut places = vec![4096];
    let mut at = 4096;
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
