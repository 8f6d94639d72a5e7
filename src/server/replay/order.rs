//! Which lane takes an entry over, and for which entry of another lane it waits.
//!
//! Several teams may draw on one subscription: what a user draws on its own credits in the names of teams, or a pool that came to
//! another team. Their entries carry the subscription's sums one after another, so they are taken over in that order.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use foldhash::fast::RandomState;

use crate::journal::Seq;

/// How many threads take entries over: more than there are cores often, so that none is idle because some teams draw more.
pub(super) const LANES: usize = 4;

/// An entry of another lane that comes before.
#[derive(Clone, Copy, Debug)]
pub(super) struct Before {
    pub lane: usize,
    pub seq: Seq,
}

/// Which entries have been handed to which lane.
pub(super) struct Order {
    random: RandomState,
    /// The last entry that draws on each subscription, by its hash: where two have the same, one waits without need.
    last: HashMap<u64, Before, RandomState>,
}

impl Order {
    pub fn new() -> Self {
        Self { random: RandomState::default(), last: HashMap::default() }
    }

    /// The lane that takes over what is of this team, or of this user alone.
    pub fn lane(&self, scope: &[u8]) -> usize {
        (self.random.hash_one(scope) >> 32) as usize % LANES
    }

    /// For which entry one waits that draws on a subscription; `None`: only for those before it in its lane.
    pub fn next(&mut self, subscription: &[u8], lane: usize, seq: Seq) -> Option<Before> {
        let before = self.last.insert(self.random.hash_one(subscription), Before { lane, seq });
        before.filter(|before| before.lane != lane)
    }
}

/// How far each lane is.
#[derive(Default)]
pub(super) struct Progress([Done; LANES]);

/// In a line of the processor's cache of its own: one lane writes it with each entry.
#[derive(Default)]
#[repr(align(64))]
struct Done {
    /// All entries of this lane up to here have been taken over.
    through: AtomicU64,
    /// No more will be.
    is_over: AtomicBool,
}

impl Progress {
    /// Says that a lane has taken over its entries up to one.
    pub fn note(&self, lane: usize, seq: Seq) {
        self.0[lane].through.store(seq.0, Ordering::Release);
    }

    /// Waits until an entry has been taken over; answers whether it has, or will never be.
    pub fn wait(&self, before: Before) -> bool {
        let done = &self.0[before.lane];
        loop {
            let is_over = done.is_over.load(Ordering::Acquire);
            if done.through.load(Ordering::Acquire) >= before.seq.0 {
                return true;
            }
            if is_over {
                return false;
            }
            thread::yield_now();
        }
    }

    /// Says that a lane has ended once what is answered is dropped, however it ends.
    pub fn end_of(&self, lane: usize) -> impl Drop {
        End(&self.0[lane].is_over)
    }
}

struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_waits_for_the_last_one_of_its_subscription_in_another_lane() {
        let mut order = Order::new();
        let mut next =
            |subscription: &[u8], lane, seq| order.next(subscription, lane, Seq(seq)).map(|before| before.seq.0);
        assert_eq!(next(b"a", 0, 1), None);
        assert_eq!(next(b"a", 0, 2), None);
        assert_eq!(next(b"a", 1, 3), Some(2));
        assert_eq!(next(b"a", 1, 4), None);
        assert_eq!(next(b"a", 0, 5), Some(4));
    }

    #[test]
    fn who_waits_for_what_will_never_be_is_told_so() {
        let progress = Progress::default();
        let before = Before { lane: 1, seq: Seq(7) };
        thread::scope(|scope| {
            let waiting = scope.spawn(|| progress.wait(before));
            let end = progress.end_of(1);
            progress.note(1, Seq(6));
            drop(end);
            assert!(!waiting.join().expect("ends"));
        });
        progress.note(1, Seq(7));
        assert!(progress.wait(before));
    }
}
