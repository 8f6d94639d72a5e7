//! One of the threads that take entries over.

use std::collections::HashMap;
use std::sync::mpsc::Receiver;

use foldhash::fast::RandomState;

use crate::domain::{Drawer, Entry, SubscriptionId, TeamId, Timestamp};
use crate::engine::home::Cell;
use crate::engine::keys::Key;
use crate::engine::log::charged;
use crate::engine::recover::{Numbers, OpenHold};
use crate::journal::Seq;
use crate::journal::codec::decode;
use crate::service::JournalMeter;

use super::order::{Before, Progress};
use super::{EntryError, Refused};

/// Entries whose memory is asked for at once.
const AHEAD: usize = 32;

/// Entries as they were read.
#[derive(Default)]
pub(super) struct Batch {
    bytes: Vec<u8>,
    items: Vec<Item>,
    /// When the journal's first entry was entered, and its number.
    first: (Timestamp, u64),
}

struct Item {
    seq: Seq,
    len: usize,
    before: Option<Before>,
}

impl Batch {
    /// Adds an entry.
    pub fn push(&mut self, seq: Seq, bytes: &[u8], before: Option<Before>, first: (Timestamp, u64)) {
        self.bytes.extend_from_slice(bytes);
        self.items.push(Item { seq, len: bytes.len(), before });
        self.first = first;
    }
}

/// An entry, the number of where it is entered, and the key of its id.
type Found = (Entry, usize, Key);

/// Takes over the entries of some teams, and of some users alone.
pub(super) struct Lane<'a> {
    meter: &'a JournalMeter,
    last: u64,
    progress: &'a Progress,
    /// Open holds of these teams and users whose own entries the journal may no longer have.
    pub holds: Vec<OpenHold>,
    cells: Cells<'a>,
    charged: i64,
}

impl<'a> Lane<'a> {
    /// Before the first entry, after the store's rows up to the entry `last`.
    pub fn new(meter: &'a JournalMeter, last: u64, progress: &'a Progress) -> Self {
        let (holds, cells) = (Vec::new(), Cells::new(meter));
        Self { meter, last, progress, holds, cells, charged: 0 }
    }

    /// Takes over all that comes.
    pub fn take_over(mut self, number: usize, batches: Receiver<Batch>) -> Result<(), Refused> {
        let _end = self.progress.end_of(number);
        let mut found = Vec::with_capacity(AHEAD);
        for batch in batches {
            let mut rest = batch.bytes.as_slice();
            for items in batch.items.chunks(AHEAD) {
                for item in items {
                    let (bytes, behind) = rest.split_at(item.len);
                    rest = behind;
                    let entry = decode(bytes).map_err(|error| (item.seq, error.into()))?;
                    let (cell, key) = (self.cells.number(&entry.drawer), self.meter.key(&entry.id));
                    self.cells.get(cell).into_iter().for_each(Cell::fetch);
                    found.push((entry, cell, key));
                }
                self.fetch(&found);
                for (item, found) in items.iter().zip(found.drain(..)) {
                    self.recover(item, &found, batch.first).map_err(|error| (item.seq, error))?;
                    self.progress.note(number, item.seq);
                }
            }
        }
        self.remember_holds();
        self.meter.log().count(self.charged);
        Ok(())
    }

    /// Asks for what entries touch before the first of them is taken over: memory is waited for once then, not for each.
    fn fetch(&self, found: &[Found]) {
        for (entry, cell, key) in found {
            self.cells.get(*cell).into_iter().for_each(|cell| cell.fetch_next(&entry.drawer.member, *key));
        }
        for (entry, cell, _) in found {
            self.cells.get(*cell).into_iter().for_each(|cell| cell.fetch_member(&entry.drawer.member));
        }
    }

    fn recover(&mut self, item: &Item, (entry, cell, key): &Found, first: (Timestamp, u64)) -> Result<(), EntryError> {
        if let Some(before) = item.before
            && !self.progress.wait(before)
        {
            return Err(EntryError::Stopped);
        }
        if item.seq.0 > self.last {
            self.remember_holds();
            self.charged += charged(&entry.postings);
        }
        let numbers = Numbers { seq: item.seq.0, stored: self.last, first };
        Ok(self.meter.recover(entry, self.cells.get(*cell), *key, numbers)?)
    }

    /// Holds whose own entries the journal no longer has; once, before the first later entry.
    fn remember_holds(&mut self) {
        for hold in self.holds.drain(..) {
            self.meter.remember_hold(&hold);
        }
    }
}

/// Where entries are entered that have come so far. The engine's tables are asked once for each, and none is counted again: other
/// lanes would wait for that.
struct Cells<'a> {
    meter: &'a JournalMeter,
    all: Vec<Option<Cell>>,
    teams: HashMap<TeamId, usize, RandomState>,
    /// Those of entries without a team.
    books: HashMap<SubscriptionId, usize, RandomState>,
}

impl<'a> Cells<'a> {
    fn new(meter: &'a JournalMeter) -> Self {
        Self { meter, all: Vec::new(), teams: HashMap::default(), books: HashMap::default() }
    }

    /// The number of what an entry of this drawer is entered under the lock of.
    fn number(&mut self, drawer: &Drawer) -> usize {
        let known = match &drawer.team {
            Some(team) => self.teams.get(team),
            None => self.books.get(&drawer.subscription),
        };
        known.copied().unwrap_or_else(|| self.add(drawer))
    }

    fn add(&mut self, drawer: &Drawer) -> usize {
        let number = self.all.len();
        self.all.push(self.meter.cell(drawer));
        match &drawer.team {
            Some(team) => self.teams.insert(team.clone(), number),
            None => self.books.insert(drawer.subscription.clone(), number),
        };
        number
    }

    /// What has this number; `None` where the engine does not know it.
    fn get(&self, number: usize) -> Option<&Cell> {
        self.all[number].as_ref()
    }
}
