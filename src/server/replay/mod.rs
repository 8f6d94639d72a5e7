//! The fold of the journal over the engine: this thread reads, and others take over what it has read, each the entries of some
//! teams and of some users alone, which are its *lane*.
//!
//! So entries of one team are taken over in their order by one thread, under one lock, while what they touch is at hand. Which
//! entry waits for one of another lane is in `order`.

mod lane;
mod order;

use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use uuid::Uuid;

use crate::domain::Timestamp;
use crate::engine::recover::{Disagreement, OpenHold};
use crate::journal::codec::{CodecError, outline};
use crate::journal::{Claim, Journal, OpenError, Options, Recovered, Seq};
use crate::service::JournalMeter;

use lane::{Batch, Lane};
use order::{LANES, Order, Progress};

/// How finely recovery notes which entry was the last at a time.
const MARK_MILLIS: u64 = 60_000;

/// Entries that are handed over at once.
const TOGETHER: usize = 512;

/// How many times so many may wait to be taken over.
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

/// An entry that cannot be taken over, and why.
type Refused = (Seq, EntryError);

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
        let (order, progress) = (Order::new(), Progress::default());
        let mut lanes = [(); LANES].map(|()| Lane::new(self.meter, self.last, &progress));
        for hold in self.holds.drain(..) {
            let scope = hold.drawer.team.as_ref().map_or(hold.drawer.member.as_bytes(), |team| team.as_bytes());
            lanes[order.lane(scope)].holds.push(hold);
        }
        let (opened, refused) = thread::scope(|scope| {
            let (hand_on, taking): (Vec<_>, Vec<_>) = lanes
                .into_iter()
                .enumerate()
                .map(|(number, lane)| {
                    let (hand_on, batches) = sync_channel(WAITING);
                    (hand_on, scope.spawn(move || lane.take_over(number, batches)))
                })
                .unzip();
            let opened = self.read(order, &hand_on, claim, options, sidecar);
            drop(hand_on);
            let refused = taking.into_iter().filter_map(|lane| lane.join().expect("a lane does not panic").err());
            (opened, refused.min_by_key(|(seq, _)| *seq))
        });
        if let Some((seq, error)) = refused {
            return Err(OpenError::Visit { seq, error });
        }
        let (journal, recovered) = opened?;
        self.meter.recovered_through(recovered.last_seq.0);
        Ok((journal, recovered))
    }

    /// Reads all entries and hands them on, some of each lane together: none waits for one that has not been handed on.
    fn read(
        &mut self,
        mut order: Order,
        hand_on: &[SyncSender<Batch>],
        claim: Claim,
        options: Options,
        sidecar: Uuid,
    ) -> Result<(Journal, Recovered), OpenError<EntryError>> {
        let (mut batches, mut count): ([Batch; LANES], _) = Default::default();
        let mut first = None;
        let opened = Journal::open(claim, options, sidecar, |seq, bytes| {
            let outline = outline(bytes)?;
            self.note(outline.at, seq);
            let lane = order.lane(outline.scope);
            let first = *first.get_or_insert((outline.at, seq.0));
            batches[lane].push(seq, bytes, order.next(outline.subscription, lane, seq), first);
            count += 1;
            if count < TOGETHER {
                return Ok(());
            }
            count = 0;
            send(hand_on, &mut batches)
        });
        // Nobody takes them where one before them does not fit.
        let _ = send(hand_on, &mut batches);
        opened
    }

    fn note(&mut self, at: Timestamp, seq: Seq) {
        self.newest = self.newest.max(at);
        if self.marks.last().is_none_or(|(before, _)| at.millis_since(*before) >= MARK_MILLIS) {
            self.marks.push((at, seq.0));
        }
    }
}

fn send(hand_on: &[SyncSender<Batch>], batches: &mut [Batch; LANES]) -> Result<(), EntryError> {
    for (hand_on, batch) in hand_on.iter().zip(batches) {
        hand_on.send(std::mem::take(batch)).map_err(|_| EntryError::Stopped)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
