//! Work that may take longer than a request: it runs once at a time in a task of its own, and who asks for it waits for
//! it, or comes back and attaches to what runs.
//!
//! What has ended is given to all who wait; where nobody does, to the next who asks, unless too much time has passed:
//! then the work begins anew.

use std::future::Future;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::watch;

use crate::clock::Clock;
use crate::domain::Timestamp;

/// How long an outcome is kept that nobody has been given. Who was told to come back does so at once.
const KEPT: Duration = Duration::from_secs(60);

/// What became of work within the time that its asker had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress<T> {
    /// This came of it.
    Ended(T),
    /// It goes on, or other work of its kind does and it has not begun.
    Running {
        /// When what runs began.
        since: Timestamp,
    },
}

/// Work of one kind. `K` says what exactly is done, `T` what comes of it.
#[derive(Debug)]
pub struct Job<K, T> {
    clock: Clock,
    current: Mutex<Option<Run<K, T>>>,
}

#[derive(Clone, Debug)]
struct Run<K, T> {
    key: K,
    since: Timestamp,
    /// The outcome and when it was there.
    ended: watch::Receiver<Option<(T, Instant)>>,
}

impl<K, T> Job<K, T>
where
    K: Clone + PartialEq,
    T: Clone + Send + Sync + 'static,
{
    /// Nothing runs yet.
    pub fn new(clock: Clock) -> Self {
        Self { clock, current: Mutex::new(None) }
    }

    /// Begins `work`, or attaches to the same that runs, and waits for its end at most `patience`.
    ///
    /// # Panics
    /// When `work` did.
    pub async fn run<W>(&self, key: K, work: W, patience: Duration) -> Progress<T>
    where
        W: Future<Output = T> + Send + 'static,
    {
        let Run { key: of, since, mut ended } = self.begin_or_attach(&key, work);
        let Ok(outcome) = tokio::time::timeout(patience, ended.wait_for(Option::is_some)).await else {
            return Progress::Running { since };
        };
        if of != key {
            return Progress::Running { since };
        }
        self.forget(since);
        let (value, _) = outcome.expect("work does not panic").clone().expect("waited for");
        Progress::Ended(value)
    }

    fn begin_or_attach<W>(&self, key: &K, work: W) -> Run<K, T>
    where
        W: Future<Output = T> + Send + 'static,
    {
        let mut current = self.current.lock();
        if let Some(run) = current.as_ref().filter(|run| self.can_attach(run, key)) {
            return run.clone();
        }
        let (sender, ended) = watch::channel(None);
        let clock = self.clock.clone();
        tokio::spawn(async move {
            let value = work.await;
            sender.send_replace(Some((value, clock.instant())));
        });
        current.insert(Run { key: key.clone(), since: self.clock.now(), ended }).clone()
    }

    /// Whether it runs, or has ended a moment ago for somebody who wanted the same.
    fn can_attach(&self, run: &Run<K, T>, key: &K) -> bool {
        match &*run.ended.borrow() {
            Some((_, at)) => run.key == *key && self.clock.since(*at) <= KEPT,
            // Without a sender, the work has panicked.
            None => run.ended.has_changed().is_ok(),
        }
    }

    /// The next who asks begins anew.
    fn forget(&self, since: Timestamp) {
        let mut current = self.current.lock();
        if current.as_ref().is_some_and(|run| run.since == since && run.ended.borrow().is_some()) {
            *current = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use tokio::sync::oneshot;

    use super::*;

    const LONG: Duration = Duration::from_secs(20);

    fn job() -> Job<u8, u32> {
        Job::new(Clock::system())
    }

    #[tokio::test]
    async fn who_asks_meanwhile_attaches_and_all_get_the_one_outcome() {
        let job = job();
        let (let_go, go) = oneshot::channel::<u32>();
        let work = async move { go.await.expect("is let go") };
        assert!(matches!(job.run(1, work, Duration::ZERO).await, Progress::Running { .. }));
        let never = || async { unreachable!("the first goes on") };
        assert!(matches!(job.run(2, never(), Duration::ZERO).await, Progress::Running { .. }), "other work waits");
        let both = async {
            let (first, second) = (job.run(1, never(), LONG), job.run(1, never(), LONG));
            let (first, second, ()) = tokio::join!(first, second, async { let_go.send(7).expect("is waited for") });
            (first, second)
        };
        assert_eq!(both.await, (Progress::Ended(7), Progress::Ended(7)));
        assert_eq!(job.run(1, ready(8), LONG).await, Progress::Ended(8), "what was given is not given again");
    }

    #[tokio::test]
    async fn what_ended_while_nobody_waited_is_kept_a_while_for_the_next_who_asks() {
        let clock = Clock::manual("2026-11-22T12:00:00Z".parse().expect("a time"));
        let job = Job::new(clock.clock());
        for (later, given) in [(KEPT, 1), (KEPT + Duration::from_secs(1), 2)] {
            let (let_go, go) = oneshot::channel::<()>();
            let work = async move { go.await.map_or(0, |()| 1) };
            assert!(matches!(job.run(1, work, Duration::ZERO).await, Progress::Running { .. }));
            let mut ended = job.current.lock().as_ref().expect("runs").ended.clone();
            let_go.send(()).expect("runs");
            ended.wait_for(Option::is_some).await.expect("ends");
            clock.advance(later);
            assert_eq!(job.run(1, ready(2), LONG).await, Progress::Ended(given), "after {later:?}");
        }
    }

    #[tokio::test]
    async fn after_a_panic_the_work_begins_anew() {
        let job = job();
        assert!(matches!(job.run(1, pending(), Duration::ZERO).await, Progress::Running { .. }));
        let (sender, ended) = watch::channel(None);
        drop(sender);
        job.current.lock().as_mut().expect("runs").ended = ended;
        assert_eq!(job.run(1, ready(3), LONG).await, Progress::Ended(3));
    }
}
