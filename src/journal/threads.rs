//! The journal's own threads, each: wait for the bell, then one step. They read no clock.
//!
//! Errors are not handled here: the step that failed has stopped the journal, and whoever waits is told.

use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use parking_lot::Mutex;

use super::bell::{Bell, NOW, STOP};
use super::shared::Shared;

/// The running threads.
#[derive(Debug, Default)]
pub(super) struct Threads(Mutex<Vec<JoinHandle<()>>>);

impl Threads {
    /// Starts them.
    pub fn start(shared: &Arc<Shared>) -> io::Result<Self> {
        let (sync_interval, write_interval) = (shared.options.sync_interval, shared.options.write_interval);
        let threads = Self::default();
        let started = threads
            .spawn(shared, "journal-sync", sync_interval, |shared| &shared.sync_bell, write_and_sync)
            .and_then(|()| threads.spawn(shared, "journal-write", write_interval, |shared| &shared.write_bell, write))
            .and_then(|()| {
                threads.spawn(shared, "journal-spare", Duration::MAX, |shared| &shared.spare_bell, make_room)
            });
        if let Err(error) = started {
            threads.stop(shared);
            return Err(error);
        }
        if !shared.writer.lock().is_young() {
            shared.spare_bell.ring(NOW);
        }
        Ok(threads)
    }

    fn spawn(
        &self,
        shared: &Arc<Shared>,
        name: &str,
        interval: Duration,
        bell: fn(&Shared) -> &Bell,
        step: fn(&Shared),
    ) -> io::Result<()> {
        let shared = shared.clone();
        let run = move || {
            while !bell(&shared).wait(interval) {
                step(&shared);
            }
        };
        self.0.lock().push(thread::Builder::new().name(name.into()).spawn(run)?);
        Ok(())
    }

    /// Whether [`Self::stop`] was called.
    pub fn are_stopped(&self) -> bool {
        self.0.lock().is_empty()
    }

    /// Ends them and waits for their end.
    pub fn stop(&self, shared: &Shared) {
        for bell in [&shared.sync_bell, &shared.write_bell, &shared.spare_bell] {
            bell.ring(STOP);
        }
        for thread in self.0.lock().drain(..) {
            // A thread that panicked has reported itself; there is nothing left to do for it.
            let _ = thread.join();
        }
    }
}

fn write_and_sync(shared: &Shared) {
    let _ = shared.write().and_then(|_| shared.sync());
}

fn write(shared: &Shared) {
    let _ = shared.write();
}

fn make_room(shared: &Shared) {
    // What goes may be what is needed.
    let _ = shared.drop_segments();
    shared.prepare_spare();
}
