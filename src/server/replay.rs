//! The fold of the journal over the engine: one thread reads and decodes, this one applies what it has read, and a third
//! remembers the ids of what has been applied.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use uuid::Uuid;

use crate::domain::{Entry, Timestamp};
use crate::engine::home::{Cell, Home};
use crate::engine::recover::{Disagreement, OpenHold};
use crate::journal::codec::{CodecError, decode};
use crate::journal::{Claim, Journal, OpenError, Options, Recovered, Seq};
use crate::service::JournalMeter;

/// How finely recovery notes which entry was the last at a time.
const MARK_MILLIS: u64 = 60_000;

/// Entries that are handed over at once.
const TOGETHER: usize = 256;

/// Entries whose memory is asked for at once; [`TOGETHER`] is a multiple.
const AHEAD: usize = 32;

/// How many times so many may wait for the next thread.
const WAITING: usize = 8;

/// Why an entry of the journal cannot be taken over.
#[derive(Debug, thiserror::Error)]
pub enum EntryError {
    /// It cannot be read.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// It does not fit what stands.
    #[error(transparent)]
    Disagreement(#[from] Disagreement),
    /// One before it does not fit, which is told in its place.
    #[error("an entry before it does not fit")]
    Stopped,
}

/// Entries by number.
type Numbered = Vec<(Seq, Entry)>;

/// Entries, and where the id of each is noted.
type Applied = (Numbered, Vec<Option<Home>>);

/// The fold of the journal over the engine: one thread reads, one applies, one remembers ids, each in the order of entries.
pub struct Replay<'a> {
    meter: &'a JournalMeter,
    last: u64,
    holds: Vec<OpenHold>,
    /// Times with the last entry then, oldest first.
    pub marks: Vec<(Timestamp, u64)>,
    /// The latest time of an entry.
    pub newest: Timestamp,
}

impl<'a> Replay<'a> {
    /// Before the first entry, after the store's rows up to the entry `last`, with the holds open then.
    pub fn new(meter: &'a JournalMeter, last: u64, holds: Vec<OpenHold>) -> Self {
        Self { meter, last, holds, marks: Vec::new(), newest: Timestamp::MIN }
    }

    /// Opens the journal and takes over all of it.
    pub fn open(
        &mut self,
        claim: Claim,
        options: Options,
        sidecar: Uuid,
    ) -> Result<(Journal, Recovered), OpenError<EntryError>> {
        let (hand_on, read) = sync_channel(WAITING);
        let (pass, applied) = sync_channel(WAITING);
        let ids = Ids { meter: self.meter, last: self.last, holds: std::mem::take(&mut self.holds), first: None };
        let (opened, outcome) = thread::scope(|scope| {
            let reading = scope.spawn(move || read_all(claim, options, sidecar, &hand_on));
            scope.spawn(move || ids.remember_all(applied));
            let outcome = self.apply_all(read, &pass);
            drop(pass);
            (reading.join().expect("reading does not panic"), outcome)
        });
        outcome?;
        opened
    }

    fn apply_all(&mut self, read: Receiver<Numbered>, pass: &SyncSender<Applied>) -> Result<(), OpenError<EntryError>> {
        for entries in read {
            let mut cells: Vec<_> = entries.iter().map(|(_, entry)| self.meter.cell(&entry.drawer)).collect();
            // What some of them touch is asked for before the first of these is applied: memory is waited for once then, not
            // for each of them.
            let mut homes = Vec::with_capacity(entries.len());
            for (entries, ahead) in entries.chunks(AHEAD).zip(cells.chunks_mut(AHEAD)) {
                ahead.iter().flatten().for_each(Cell::fetch);
                for (cell, (_, entry)) in ahead.iter_mut().zip(entries) {
                    cell.iter_mut().for_each(|cell| cell.fetch_of(&entry.drawer.member));
                }
                for ((seq, entry), cell) in entries.iter().zip(ahead) {
                    let home = self.apply(*seq, entry, cell.take());
                    homes.push(home.map_err(|error| OpenError::Visit { seq: *seq, error: error.into() })?);
                }
            }
            pass.send((entries, homes)).expect("ids are remembered as long as there are any");
        }
        Ok(())
    }

    fn apply(&mut self, seq: Seq, entry: &Entry, cell: Option<Cell>) -> Result<Option<Home>, Disagreement> {
        self.newest = self.newest.max(entry.at);
        if self.marks.last().is_none_or(|(at, _)| entry.at.millis_since(*at) >= MARK_MILLIS) {
            self.marks.push((entry.at, seq.0));
        }
        if seq.0 <= self.last {
            return Ok(self.meter.home(entry, cell));
        }
        self.meter.log().count(entry.view());
        self.meter.apply(entry, seq.0, cell)
    }
}

fn read_all(
    claim: Claim,
    options: Options,
    sidecar: Uuid,
    hand_on: &SyncSender<Numbered>,
) -> Result<(Journal, Recovered), OpenError<EntryError>> {
    let mut entries = Vec::with_capacity(TOGETHER);
    let opened = Journal::open(claim, options, sidecar, |seq, bytes| {
        entries.push((seq, decode(bytes)?));
        if entries.len() < TOGETHER {
            return Ok(());
        }
        let full = std::mem::replace(&mut entries, Vec::with_capacity(TOGETHER));
        hand_on.send(full).map_err(|_| EntryError::Stopped)
    });
    // Nobody takes them where one before them does not fit.
    let _ = hand_on.send(entries);
    opened
}

/// Remembers ids.
struct Ids<'a> {
    meter: &'a JournalMeter,
    last: u64,
    holds: Vec<OpenHold>,
    /// When the journal's first entry was entered, and its number.
    first: Option<(Timestamp, u64)>,
}

impl Ids<'_> {
    fn remember_all(mut self, applied: Receiver<Applied>) {
        for (entries, homes) in applied {
            for (entries, homes) in entries.chunks(AHEAD).zip(homes.chunks(AHEAD)) {
                homes.iter().flatten().for_each(Home::fetch);
                for ((seq, entry), home) in entries.iter().zip(homes) {
                    if seq.0 > self.last {
                        self.remember_holds();
                    }
                    let first = *self.first.get_or_insert((entry.at, seq.0));
                    self.meter.remember(entry, seq.0, home.as_ref(), first);
                }
            }
        }
        self.remember_holds();
    }

    /// Holds whose own entries the journal no longer has; once, before the first later entry.
    fn remember_holds(&mut self) {
        for hold in self.holds.drain(..) {
            self.meter.remember_hold(&hold);
        }
    }
}
