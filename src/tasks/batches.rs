//! What one sync hands over: entries read back from the journal, in batches that shrink while the store does not take them.

use super::sync::SyncError;
use crate::domain::Entry;
use crate::journal::codec::decode;
use crate::journal::{Journal, ReadError, Reader, Seq};

/// Payload bytes of one batch; with `batch_entries_max` this bounds the memory of one sync.
const BYTES_MAX: usize = 4 << 20;

/// The fewest entries that one batch is cut to while larger ones do not come through.
const ENTRIES_MIN: usize = 256;

/// Reads batch after batch.
pub struct Batches {
    reader: Reader,
    /// Entries of the next batch: fewer after a failure. A store may be too slow for a large one, and in Redis
    /// others may be faster every time.
    entries: usize,
    entries_max: usize,
    /// Memory of the batch before, where the next one is probably as large.
    spare: Vec<Entry>,
}

impl Batches {
    /// Batches of at most `entries_max` entries, behind the last entry that the store has.
    pub fn new(journal: &Journal, last: Seq, entries_max: usize) -> Self {
        Self { reader: journal.reader(last.after()), entries: entries_max, entries_max, spare: Vec::new() }
    }

    /// Halves or doubles the batch.
    pub fn resize(&mut self, came_through: bool) {
        let next = if came_through { self.entries * 2 } else { self.entries / 2 };
        self.entries = next.clamp(ENTRIES_MIN.min(self.entries_max), self.entries_max);
    }

    /// Takes back what was handed over, and keeps the memory of a whole batch: the next one follows. To ask the system for as
    /// much each time takes longer than to fill it.
    pub fn take_back(&mut self, mut entries: Vec<Entry>) {
        let is_whole = entries.len() >= self.entries_max;
        entries.clear();
        self.spare = if is_whole { entries } else { Vec::new() };
    }

    /// Reads on behind the last entry that the store is known to have.
    pub fn read_again(&mut self, journal: &Journal, last: Seq) {
        self.reader = journal.reader(last.after());
    }

    /// Whether everything up to this entry has been read.
    pub fn are_behind(&self, last: Seq) -> bool {
        self.reader.next_seq() > last
    }

    /// The next batch, of nothing behind `through`, with the number of its first entry.
    ///
    /// # Errors
    /// [`SyncError::Read`] and [`SyncError::Entry`] where the journal lacks an entry or cannot be read.
    pub fn read(&mut self, through: Seq) -> Result<(u64, Vec<Entry>), SyncError> {
        let first = self.reader.next_seq().0;
        let last = through.0.min(first + self.entries as u64 - 1);
        let (mut entries, mut next, mut wrong) = (std::mem::take(&mut self.spare), first, None);
        entries.reserve((last + 1).saturating_sub(first) as usize);
        while next <= last {
            let taken = self.reader.read(Seq(last), BYTES_MAX, |seq, bytes| {
                // The reader passes over what the journal never had; a batch has no gaps.
                let entry = match seq.0 == next {
                    true => decode(bytes).map_err(|error| SyncError::Entry(seq, error)),
                    false => Err(gone(next, seq)),
                };
                next = seq.after().0;
                match entry {
                    Ok(entry) => entries.push(entry),
                    Err(error) => wrong = wrong.take().or(Some(error)),
                }
            })?;
            wrong = wrong.or((taken == 0).then(|| gone(next, through.after())));
            if let Some(error) = wrong {
                return Err(error);
            }
            if entries.len() >= self.entries {
                break;
            }
        }
        Ok((first, entries))
    }
}

fn gone(asked: u64, first: Seq) -> SyncError {
    SyncError::Read(ReadError::Gone { asked: Seq(asked), first })
}
