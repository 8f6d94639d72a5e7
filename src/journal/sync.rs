//! File to disk: one sync at a time, for all that was written before it began.

use std::sync::Arc;

use super::Seq;
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
        self.full.push(std::mem::replace(&mut self.current, next));
        self.names = true;
    }

    fn take(&mut self) -> (Vec<Arc<dyn Media>>, bool) {
        let mut files = std::mem::take(&mut self.full);
        files.push(self.current.clone());
        (files, std::mem::take(&mut self.names))
    }
}

impl Shared {
    /// Syncs everything written so far, and says up to which seq that is.
    pub fn sync(&self) -> Result<Seq, Failed> {
        let _turn = self.sync_turn.lock();
        self.latch.check()?;
        // Read before the files are taken, so that they hold all of it.
        let through = self.written();
        if through == self.synced() {
            return Ok(through);
        }
        let (files, names) = self.unsynced.lock().take();
        let sync = || {
            files.iter().try_for_each(|file| file.sync_data())?;
            if names { self.folder().sync() } else { Ok(()) }
        };
        let place = self.folder().place();
        sync().map_err(|error| self.fail(&DiskError::new("syncing the journal in", place, error)))?;
        self.set_synced(through);
        Ok(through)
    }
}
