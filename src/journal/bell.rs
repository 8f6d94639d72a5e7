//! How the journal's threads are woken: a set of wishes, and sleep while there is none.
//!
//! To ring for what is already wished for costs one atomic read and wakes nobody. No clock is read.

use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

/// The thread is to end.
pub(super) const STOP: u8 = 1;
/// Something is to be done at once.
pub(super) const NOW: u8 = 2;
/// Something is to be done when the interval is over.
pub(super) const SOON: u8 = 4;
/// Something is to be done a moment later: others may wish for the same until then.
pub(super) const TOGETHER: u8 = 8;

/// For how long whoever rings with [`TOGETHER`] waits for others at the most: as long as a good disk takes for a sync.
const MOMENT: Duration = Duration::from_micros(200);

/// One thread's wishes.
#[derive(Debug, Default)]
pub(super) struct Bell {
    wishes: AtomicU8,
    asleep: Mutex<()>,
    rung: Condvar,
}

impl Bell {
    /// Adds a wish, and wakes the thread if it is new.
    pub fn ring(&self, wish: u8) {
        if self.wishes.load(Ordering::Acquire) & wish == 0 && self.wishes.fetch_or(wish, Ordering::AcqRel) & wish == 0 {
            // The thread either holds this lock and has yet to look, or sleeps and hears the ring.
            let _asleep = self.asleep.lock();
            self.rung.notify_one();
        }
    }

    /// Waits for any wish, then for an urgent one until the interval or the moment is over; takes all of them, and says whether
    /// one was to stop.
    pub fn wait(&self, interval: Duration) -> bool {
        let mut asleep = self.asleep.lock();
        while self.wishes.load(Ordering::Acquire) == 0 {
            self.rung.wait(&mut asleep);
        }
        loop {
            let longest = match self.wishes.load(Ordering::Acquire) {
                wishes if wishes & (NOW | STOP) != 0 => break,
                wishes if wishes & TOGETHER != 0 => MOMENT.min(interval),
                _ => interval,
            };
            if self.rung.wait_for(&mut asleep, longest).timed_out() {
                break;
            }
        }
        let taken = self.wishes.fetch_and(STOP, Ordering::AcqRel);
        taken & STOP != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wishes_made_before_the_thread_waits_are_not_lost() {
        let bell = Bell::default();
        bell.ring(NOW);
        assert!(!bell.wait(Duration::from_secs(3600)), "woken at once");
        bell.ring(SOON);
        assert!(!bell.wait(Duration::from_millis(1)), "woken after the interval");
        bell.ring(TOGETHER);
        assert!(!bell.wait(Duration::from_secs(3600)), "woken after a moment, whatever the interval");
        bell.ring(SOON);
        bell.ring(STOP);
        assert!(bell.wait(Duration::from_secs(3600)), "stops at once");
        assert!(bell.wait(Duration::from_secs(3600)), "and stays stopped");
    }
}
