//! Power that is lost, and disks that fail, at any moment.

use std::sync::Arc;
use std::time::Duration;

use purser::journal::media::Folder;
use purser::journal::media::crashing::{CrashingFolder, Fault};
use purser::journal::media::memory::MemoryFolder;
use purser::journal::{Claim, Durability, Journal, Options, Seq};

use super::{FIRST, SIDECAR, files_of, open, options, payload, places, push, try_push};

/// Writes and syncs, rolls and drops, until something fails; says up to where it was told that all is synced.
fn story(journal: &Journal) -> Seq {
    let mut answered = Seq::NONE;
    for round in 0..45 {
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
        // So that files are used again.
        if round % 4 == 3 && journal.confirm(answered, answered).is_err() {
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

#[test]
fn an_error_at_each_write_and_sync_stops_the_journal_and_loses_nothing_answered() {
    let disk = CrashingFolder::default();
    let (journal, _) = open(Arc::new(disk.clone())).expect("begins");
    let (before, _) = (disk.operations(), story(&journal));
    drop(journal);
    for step in before..disk.operations() {
        let disk = CrashingFolder::default();
        let (journal, _) = open(Arc::new(disk.clone())).expect("begins");
        disk.fail_at(step, Fault::Error(28));
        let answered = story(&journal);
        let written = journal.written();
        drop(journal);
        survives(disk.image(|len| len), answered.max(written), &format!("step {step}"));
        survives(disk.image(|_| 0), answered, &format!("step {step}, then the power"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn power_lost_under_many_threads_loses_nothing_that_was_answered_as_synced() {
    let mut dice = Dice(0xd1ce);
    for round in 0..60 {
        let disk = CrashingFolder::default();
        let interval = Duration::from_millis(1);
        let options = Options { sync_interval: interval, write_interval: interval, ..options() };
        let claim = Claim::take(Arc::new(disk.clone())).expect("is free");
        let (journal, _) = Journal::open(claim, options, SIDECAR, |_, _| Ok::<(), &str>(())).expect("opens");
        let journal = Arc::new(journal);
        disk.fail_at(disk.operations() + dice.below(150) as u64, Fault::PowerOff);
        let levels = [Durability::Disk, Durability::Os, Durability::Disk, Durability::Memory];
        let tasks = levels.map(|level| tokio::spawn(push_until_failure(journal.clone(), level)));
        let mut answered = Seq::NONE;
        for task in tasks {
            answered = answered.max(task.await.expect("does not panic"));
        }
        drop(journal);
        for image in 0..4 {
            let image_of = disk.image(|len| dice.below(2 * len + 1).min(len));
            survives(image_of, answered, &format!("round {round}, image {image}"));
        }
    }
}

/// Pushes entries until one is refused or not as durable as asked; returns the last one that was said to be synced.
async fn push_until_failure(journal: Arc<Journal>, level: Durability) -> Seq {
    let mut answered = Seq::NONE;
    for _ in 0..200 {
        let seq = {
            let Ok(mut room) = journal.reserve(1, 100) else { break };
            // The payload tells its seq, so no other task may push in between.
            static ORDER: std::sync::Mutex<()> = std::sync::Mutex::new(());
            let _order = ORDER.lock().expect("nobody panics");
            let next = journal.next_seq();
            room.push_bytes(&payload(next))
        };
        if journal.durable(seq, level).await.is_err() {
            break;
        }
        answered = if level >= Durability::Disk { seq } else { journal.synced() };
    }
    answered
}

#[test]
fn what_a_restart_has_read_back_is_synced_by_it() {
    let disk = CrashingFolder::default();
    let (journal, _) = open(Arc::new(disk.clone())).expect("begins");
    for _ in 0..100 {
        push(&journal);
    }
    journal.write().expect("writes");
    drop(journal);
    let (journal, recovered) = open(Arc::new(disk.clone())).expect("opens");
    assert_eq!((recovered.last_seq, journal.synced()), (Seq(100), Seq(100)));
    drop(journal);
    survives(disk.image(|_| 0), Seq(100), "after a kill, a start and a loss of power");
}

#[test]
fn power_lost_after_segments_were_dropped_leaves_no_gap() {
    let disk = CrashingFolder::default();
    let (journal, _) = open(Arc::new(disk.clone())).expect("begins");
    for _ in 0..200 {
        push(&journal);
    }
    journal.write().expect("writes");
    journal.sync().expect("syncs");
    let before = disk.operations();
    assert!(journal.confirm(Seq(200), Seq(200)).expect("drops").dropped > 2);
    assert!(disk.operations() > before);
    drop(journal);
    for lost in 0..4 {
        let mut names = 0;
        let image = disk.image(|len| {
            names += usize::from(len == 1);
            if len == 1 && names == lost + 1 { 0 } else { len }
        });
        survives(image, Seq(200), &format!("without change {lost}"));
    }
}
