//! The log as a vector.

// Each test binary uses a part of it.
#![allow(dead_code)]

use parking_lot::Mutex;
use purser::domain::{Entry, EntryView};
use purser::engine::{Log, NoRoom};

/// Keeps every entry; takes none while it is full.
#[derive(Debug, Default)]
pub struct VecLog(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    entries: Vec<Entry>,
    is_full: bool,
    is_filling: bool,
}

impl VecLog {
    /// Switches whether there is room.
    pub fn set_full(&self, is_full: bool) {
        self.0.lock().is_full = is_full;
    }

    /// From the next time on that room is found, there is none.
    pub fn fill(&self) {
        self.0.lock().is_filling = true;
    }

    /// Entries with numbers above `seq`; the first entry has the number 1.
    pub fn after(&self, seq: u64) -> Vec<Entry> {
        self.0.lock().entries[seq as usize..].to_vec()
    }

    /// The last entry's number.
    pub fn last(&self) -> u64 {
        self.0.lock().entries.len() as u64
    }
}

impl Log for VecLog {
    type Room<'a> = ();

    fn reserve(&self, _entries: usize) -> Result<(), NoRoom> {
        let mut inner = self.0.lock();
        if inner.is_full {
            return Err(NoRoom);
        }
        inner.is_full = std::mem::take(&mut inner.is_filling);
        Ok(())
    }

    fn push(&self, _room: &mut (), entry: EntryView<'_>) -> u64 {
        let mut inner = self.0.lock();
        inner.entries.push(entry.to_entry());
        inner.entries.len() as u64
    }
}
