//! An in-memory log of entries whose lock the exploration schedules.

use std::collections::HashMap;

use purser::domain::{Entry, EntryView};
use purser::engine::{Log, NoRoom};
use shuttle::sync::{Mutex, MutexGuard};
use shuttle::thread::{self, ThreadId};

/// When an entry that is handed over gets its place in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Append {
    /// At once, under the locks of the decision.
    UnderTheLocks,
    /// When the operation has let go of its locks: a mistake that the exploration must find.
    AfterUnlocking,
}

#[derive(Default)]
struct Lines {
    entries: Vec<Entry>,
    waiting: HashMap<ThreadId, Vec<Entry>>,
}

/// The entries in the order in which they were appended.
pub struct Queue {
    append: Append,
    lines: Mutex<Lines>,
}

impl Queue {
    pub fn new(append: Append) -> Self {
        Self { append, lines: Mutex::default() }
    }

    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().expect("no thread panics with it")
    }

    /// The entries after the first `count`.
    pub fn after(&self, count: u64) -> Vec<Entry> {
        self.lines().entries[count as usize..].to_vec()
    }

    /// Appends what the calling thread's last operation left waiting.
    pub fn append_waiting(&self) {
        if self.append == Append::AfterUnlocking {
            let mut lines = self.lines();
            let waiting = lines.waiting.remove(&thread::current().id());
            lines.entries.extend(waiting.into_iter().flatten());
        }
    }
}

impl Log for Queue {
    type Room<'a> = ();

    fn reserve(&self, _entries: usize) -> Result<(), NoRoom> {
        Ok(())
    }

    fn push(&self, _room: &mut (), entry: EntryView<'_>) -> u64 {
        let mut lines = self.lines();
        match self.append {
            Append::UnderTheLocks => lines.entries.push(entry.to_entry()),
            Append::AfterUnlocking => {
                lines.waiting.entry(thread::current().id()).or_default().push(entry.to_entry());
            }
        }
        (lines.entries.len() + lines.waiting.values().map(Vec::len).sum::<usize>()) as u64
    }
}
