//! File to disk: one sync at a time, for all that was written before it began.

use std::mem;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::Seq;
use super::bell::{NOW, TOGETHER};
use super::error::{DiskError, Failed};
use super::media::Media;
use super::shared::Shared;

/// Files that may have unsynced bytes, in the order in which they must become durable.
#[derive(Debug)]
pub(super) struct Unsynced {
    full: Vec<Arc<dyn Media>>,
    current: Arc<dyn Media>,
    names: bool,
}

impl Unsynced {
    pub fn new(current: Arc<dyn Media>) -> Self {
        Self { full: Vec::new(), current, names: false }
    }

    /// A new segment takes records from now on. To be called before the first of them counts as written.
    pub fn roll(&mut self, next: Arc<dyn Media>) {
        self.full.push(mem::replace(&mut self.current, next));
        self.names = true;
    }

    fn take(&mut self) -> (Vec<Arc<dyn Media>>, bool) {
        let mut files = mem::take(&mut self.full);
        files.push(self.current.clone());
        (files, mem::take(&mut self.names))
    }
}

impl Shared {
    /// Syncs everything written so far, and says up to which seq that is.
    pub fn sync(&self) -> Result<Seq, Failed> {
        let mut before = self.sync_turn.lock();
        self.latch.check()?;
        // Read before the files are taken, so that they hold all of it.
        let through = self.written();
        let synced = self.synced();
        if through == synced {
            return Ok(through);
        }
        let group = through.0 - synced.0;
        let expected = (group + mem::replace(&mut *before, group)) / 2;
        self.group_ends.store(through.0 + expected, Ordering::Release);
        let (files, names) = self.unsynced.lock().take();
        let sync = || {
            files.iter().try_for_each(|file| file.sync_data())?;
            if names { self.folder().sync() } else { Ok(()) }
        };
        let failed = |error| DiskError::new("syncing the journal in", self.folder().place(), error);
        sync().map_err(|error| self.fail(&failed(error)))?;
        self.set_synced(through);
        Ok(through)
    }

    /// Sees to it that an entry is synced: at once where about as many wait as came together of late, else a moment later. Those
    /// who have just been answered will ask again, and to sync for each of the first would take a processor from the others.
    pub fn sync_soon(&self, seq: Seq) {
        let is_group = seq.0 >= self.group_ends.load(Ordering::Acquire);
        self.sync_bell.ring(if is_group { NOW } else { TOGETHER });
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::time::Duration;

    use uuid::Uuid;

    use super::*;
    use crate::journal::media::memory::MemoryFolder;
    use crate::journal::{Claim, Durability, Journal, Options};

    fn open() -> Journal {
        let hour = Duration::from_secs(3_600);
        let options = Options { sync_interval: hour, ..Options::default() };
        let claim = Claim::take(Arc::new(MemoryFolder::default())).expect("is free");
        let visit = |_, _: &[u8]| Ok::<(), Infallible>(());
        Journal::open(claim, options, Uuid::from_u128(7), visit).expect("opens").0
    }

    fn push(journal: &Journal, entries: usize) -> Seq {
        let push = |_| journal.reserve(1, 10).expect("there is room").push_bytes(&[7; 10]);
        (0..entries).map(push).last().expect("some")
    }

    #[test]
    fn as_many_are_expected_together_as_came_in_the_mean_of_the_last_two_times() {
        let journal = open();
        for (entries, expected) in [(1, 0), (1, 1), (63, 32), (31, 47), (0, 47), (1, 16), (1, 1)] {
            if entries > 0 {
                push(&journal, entries);
                journal.write().expect("writes");
            }
            let last = journal.sync().expect("syncs");
            let ends = journal.shared.group_ends.load(Ordering::Acquire);
            assert_eq!(ends - last.0, expected, "after {entries}");
        }
    }

    #[tokio::test]
    async fn whoever_waits_for_a_group_that_does_not_come_is_answered() {
        let journal = open();
        for entries in [100, 1, 1, 1] {
            let last = push(&journal, entries);
            journal.durable(last, Durability::Disk).await.expect("syncs");
            assert_eq!(journal.synced(), last);
        }
    }
}
