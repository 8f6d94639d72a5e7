//! The fold of the journal over the engine: one thread reads and decodes, while this one applies what it has read.

use std::sync::mpsc::sync_channel;
use std::thread;

use uuid::Uuid;

use crate::domain::{Entry, Timestamp};
use crate::engine::recover::{Disagreement, OpenHold};
use crate::journal::codec::{CodecError, decode};
use crate::journal::{Claim, Journal, OpenError, Options, Recovered, Seq};
use crate::service::JournalMeter;

/// How finely recovery notes which entry was the last at a time.
const MARK_MILLIS: u64 = 60_000;

/// Entries that are handed over at once.
const TOGETHER: usize = 256;

/// How many times so many may wait to be applied.
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

/// The fold of the journal over the engine.
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
        let (send, read) = sync_channel::<Vec<(Seq, Entry)>>(WAITING);
        let (opened, applied) = thread::scope(|scope| {
            let opening = scope.spawn(move || {
                let mut entries = Vec::with_capacity(TOGETHER);
                let opened = Journal::open(claim, options, sidecar, |seq, bytes| {
                    entries.push((seq, decode(bytes)?));
                    if entries.len() < TOGETHER {
                        return Ok(());
                    }
                    let full = std::mem::replace(&mut entries, Vec::with_capacity(TOGETHER));
                    send.send(full).map_err(|_| EntryError::Stopped)
                });
                // Nobody takes them where one before them does not fit.
                let _ = send.send(entries);
                opened
            });
            let applied = self.take_all(read.into_iter().flatten());
            (opening.join().expect("reading does not panic"), applied)
        });
        applied?;
        self.remember_holds();
        opened
    }

    fn take_all(&mut self, mut entries: impl Iterator<Item = (Seq, Entry)>) -> Result<(), OpenError<EntryError>> {
        entries.try_for_each(|(seq, entry)| {
            self.take(seq, &entry).map_err(|error| OpenError::Visit { seq, error: error.into() })
        })
    }

    fn take(&mut self, seq: Seq, entry: &Entry) -> Result<(), Disagreement> {
        self.newest = self.newest.max(entry.at);
        if self.marks.last().is_none_or(|(at, _)| entry.at.millis_since(*at) >= MARK_MILLIS) {
            self.marks.push((entry.at, seq.0));
        }
        if seq.0 <= self.last {
            self.meter.recover_id(entry, seq.0);
            return Ok(());
        }
        self.remember_holds();
        self.meter.log().count(entry.view());
        self.meter.recover_entry(entry, seq.0)
    }

    /// Holds whose own entries the journal no longer has; once, before the first later entry.
    fn remember_holds(&mut self) {
        for hold in self.holds.drain(..) {
            self.meter.remember_hold(&hold);
        }
    }
}
