//! When which request is due. A closed loop has always one due; an open one has them by its rate or its trace,
//! never by when the server got round to answering.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::timer::Timer;
use crate::cli::interrupt::{Interrupts, Wish};
use crate::clock::Clock;

/// Where requests come from.
#[derive(Clone, Debug)]
pub(super) enum Arrivals {
    /// Each after an answer.
    Closed,
    /// So many a second.
    Steady(u32),
    /// At these times.
    Timed(Arc<[Duration]>),
}

impl Arrivals {
    /// When request number `n` is due since the start, `now` for one that is due at any time; `None` after the last.
    fn due(&self, n: u64, now: Duration) -> Option<Duration> {
        match self {
            Self::Closed => Some(now),
            Self::Steady(per_second) => {
                let nanos = u128::from(n) * 1_000_000_000 / u128::from(*per_second);
                Some(Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)))
            }
            Self::Timed(times) => usize::try_from(n).ok().and_then(|n| times.get(n)).copied(),
        }
    }
}

/// A request that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ticket {
    /// Its place among all requests.
    pub(super) number: u64,
    /// Since the start.
    pub(super) due: Duration,
}

/// The start and end that all threads have in common.
#[derive(Clone, Debug)]
pub(super) struct Span {
    pub(super) clock: Clock,
    pub(super) start: Instant,
    /// Nothing is due from then on.
    pub(super) end: Duration,
}

impl Span {
    pub(super) fn now(&self) -> Duration {
        self.clock.since(self.start)
    }
}

/// Gives one thread its requests: of `threads` each has one number in so many.
pub(super) struct Pace {
    arrivals: Arrivals,
    span: Span,
    next: u64,
    threads: u64,
    timer: Timer,
    interrupts: Interrupts,
}

impl Pace {
    /// The requests of thread number `thread`; within a runtime.
    pub(super) fn new(
        arrivals: Arrivals,
        span: Span,
        interrupts: Interrupts,
        thread: u32,
        threads: u32,
    ) -> std::io::Result<Self> {
        let timer = Timer::new()?;
        Ok(Self { arrivals, span, next: thread.into(), threads: threads.into(), timer, interrupts })
    }

    /// Waits until a request is due; `None` when none will be. Whoever gives up waiting has taken none.
    pub(super) async fn next(&mut self) -> Option<Ticket> {
        let now = self.span.now();
        let due = self.arrivals.due(self.next, now).filter(|due| *due < self.span.end)?;
        if self.interrupts.now() > Wish::Go {
            return None;
        }
        if due > now {
            self.interrupts.unless(Wish::Go, self.timer.wait(due - now)).await.ok()?;
        }
        let number = self.next;
        self.next += self.threads;
        Some(Ticket { number, due })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due(arrivals: &Arrivals, now: u64) -> Vec<Option<u128>> {
        (0..4).map(|n| arrivals.due(n, Duration::from_millis(now)).map(|due| due.as_millis())).collect()
    }

    #[test]
    fn an_open_loop_does_not_ask_when_it_is_asked() {
        let times: Arc<[Duration]> = [3, 8].map(Duration::from_millis).into();
        for now in [0, 7_000] {
            assert_eq!(due(&Arrivals::Steady(100), now), [0, 10, 20, 30].map(Some));
            assert_eq!(due(&Arrivals::Timed(times.clone()), now), [Some(3), Some(8), None, None]);
        }
        assert_eq!(due(&Arrivals::Closed, 7), [Some(7); 4]);
    }

    #[test]
    fn threads_share_the_rate_and_keep_the_times_when_they_are_late() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let interrupts = Interrupts::catch(runtime.handle()).expect("signals can be caught");
        let clock = Clock::system();
        let span = Span { start: clock.instant(), clock, end: Duration::from_millis(25) };
        let tickets = |thread| {
            runtime.block_on(async {
                let pace = Pace::new(Arrivals::Steady(200), span.clone(), interrupts.clone(), thread, 2);
                let (mut pace, mut tickets) = (pace.expect("a timer"), Vec::new());
                while let Some(Ticket { number, due }) = pace.next().await {
                    assert!(span.now() >= due, "never before it is due");
                    tickets.push((number, due.as_millis()));
                }
                tickets
            })
        };
        assert_eq!(tickets(0), [(0, 0), (2, 10), (4, 20)]);
        assert_eq!(tickets(1), [(1, 5), (3, 15)]);
    }
}
