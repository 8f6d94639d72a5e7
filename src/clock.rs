//! The only place that asks the time.
//!
//! A [`Clock`] gives two things: the wall time as a [`Timestamp`], for what is written down (windows,
//! expiries, entries), and a monotonic [`Instant`], for how long something took. The wall time never
//! runs backwards: when the machine's clock is set back, the last time given is held until the machine
//! catches up, and the step is counted. [`Clock::manual`] is a clock that moves only when told to; it
//! is part of the library so that no test has to sleep.
//!
//! Not here: timers. Who waits uses tokio's and asks this clock afterwards.
#![allow(clippy::disallowed_methods, reason = "the one place where the time is read")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};

use crate::domain::Timestamp;

/// A step back that is shorter is held but not counted: threads that read the machine's clock at
/// the same moment and a clock being slewed both look like one.
pub const STEP_COUNTED_MILLIS: i64 = 100;

/// Where the time comes from; clones show the same time.
#[derive(Clone, Debug)]
pub struct Clock(Arc<Inner>);

/// The machine's seconds since 1970, for what is only shown to a reader: no rule depends on them, and a manual clock does
/// not move them.
pub fn wall_seconds() -> u64 {
    clock_gettime(ClockId::RealtimeCoarse).tv_sec.try_into().unwrap_or(0)
}

#[derive(Debug)]
struct Inner {
    source: Source,
    /// The latest time given, in milliseconds since 1970.
    last: AtomicI64,
    /// Whether the source is behind `last` by a step that was counted.
    held: AtomicBool,
    steps: AtomicU64,
}

#[derive(Debug)]
enum Source {
    System,
    Manual { wall: AtomicI64, origin: Instant, passed_micros: AtomicU64 },
}

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        Self::over(Source::System)
    }

    /// A clock that stands at `start` until [`ManualClock`] moves it.
    pub fn manual(start: Timestamp) -> ManualClock {
        let wall = AtomicI64::new(start.millis());
        ManualClock(Self::over(Source::Manual { wall, origin: Instant::now(), passed_micros: AtomicU64::new(0) }))
    }

    fn over(source: Source) -> Self {
        let last = AtomicI64::new(Timestamp::MIN.millis());
        Self(Arc::new(Inner { source, last, held: AtomicBool::new(false), steps: AtomicU64::new(0) }))
    }

    /// The time now, never earlier than any time this clock gave before.
    pub fn now(&self) -> Timestamp {
        let wall = self.0.source.wall_millis();
        let last = self.0.last.load(Ordering::Relaxed);
        let now = match wall.cmp(&last) {
            std::cmp::Ordering::Greater => self.0.go_on(wall),
            std::cmp::Ordering::Equal => wall,
            std::cmp::Ordering::Less => self.0.hold(wall, last),
        };
        debug_assert!(now >= wall && now >= last);
        Timestamp::from_millis(now).unwrap_or(Timestamp::MAX)
    }

    /// Makes `floor` the earliest time that this clock gives. Recovery calls it with the time of the
    /// last entry, so that time does not run backwards over a restart either.
    pub fn not_before(&self, floor: Timestamp) {
        self.0.last.fetch_max(floor.millis(), Ordering::Relaxed);
    }

    /// A point on the monotonic clock, for durations only.
    pub fn instant(&self) -> Instant {
        match &self.0.source {
            Source::System => Instant::now(),
            Source::Manual { origin, passed_micros, .. } => {
                *origin + Duration::from_micros(passed_micros.load(Ordering::Relaxed))
            }
        }
    }

    /// How long ago `start` was; zero when it is in the future.
    pub fn since(&self, start: Instant) -> Duration {
        self.instant().saturating_duration_since(start)
    }

    /// How often the machine's clock was set back by at least [`STEP_COUNTED_MILLIS`].
    pub fn steps(&self) -> u64 {
        self.0.steps.load(Ordering::Relaxed)
    }
}

impl Inner {
    fn go_on(&self, wall: i64) -> i64 {
        self.held.store(false, Ordering::Relaxed);
        self.last.fetch_max(wall, Ordering::Relaxed).max(wall)
    }

    fn hold(&self, wall: i64, last: i64) -> i64 {
        if last - wall >= STEP_COUNTED_MILLIS && !self.held.swap(true, Ordering::Relaxed) {
            self.steps.fetch_add(1, Ordering::Relaxed);
        }
        last
    }
}

impl Source {
    fn wall_millis(&self) -> i64 {
        match self {
            Self::System => {
                let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX).min(Timestamp::MAX.millis())
            }
            Self::Manual { wall, .. } => wall.load(Ordering::Relaxed),
        }
    }
}

/// Moves a manual clock; [`ManualClock::clock`] is what the code under test gets.
#[derive(Clone, Debug)]
pub struct ManualClock(Clock);

impl ManualClock {
    /// The clock that this one moves.
    pub fn clock(&self) -> Clock {
        self.0.clone()
    }

    /// The time that the clock shows.
    pub fn now(&self) -> Timestamp {
        self.0.now()
    }

    /// Lets wall and monotonic time pass together. The wall has whole milliseconds; give those.
    pub fn advance(&self, by: Duration) {
        if let Source::Manual { wall, passed_micros, .. } = &self.0.0.source {
            let millis = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
            let before = Timestamp::from_millis(wall.load(Ordering::Relaxed)).unwrap_or(Timestamp::MAX);
            wall.store(before.plus_millis(millis).millis(), Ordering::Relaxed);
            let micros = u64::try_from(by.as_micros()).unwrap_or(u64::MAX);
            passed_micros.fetch_add(micros, Ordering::Relaxed);
        }
    }

    /// Sets the wall, forwards or back, as an operator sets a machine's clock; no monotonic time passes.
    pub fn set(&self, to: Timestamp) {
        if let Source::Manual { wall, .. } = &self.0.0.source {
            wall.store(to.millis(), Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis).expect("within 1970 to 9999")
    }

    #[test]
    fn a_step_back_is_held_and_counted_once() {
        let manual = Clock::manual(at(10_000));
        let clock = manual.clock();
        assert_eq!(clock.now(), at(10_000));

        manual.set(at(4_000));
        assert_eq!((clock.now(), clock.now()), (at(10_000), at(10_000)), "held");
        manual.advance(Duration::from_secs(5));
        assert_eq!((clock.now(), clock.steps()), (at(10_000), 1), "still behind");
        manual.advance(Duration::from_secs(2));
        assert_eq!((clock.now(), clock.steps()), (at(11_000), 1), "caught up");

        manual.set(at(1_000));
        assert_eq!((clock.now(), clock.steps()), (at(11_000), 2), "a second step");
    }

    #[test]
    fn a_short_step_back_is_held_but_not_counted() {
        let manual = Clock::manual(at(10_000));
        let clock = manual.clock();
        clock.now();
        manual.set(at(10_000 - STEP_COUNTED_MILLIS + 1));
        assert_eq!((clock.now(), clock.steps()), (at(10_000), 0));
    }

    #[test]
    fn time_does_not_start_before_the_floor() {
        let manual = Clock::manual(at(1_000));
        manual.clock().not_before(at(5_000));
        assert_eq!(manual.now(), at(5_000));
        manual.advance(Duration::from_secs(5));
        assert_eq!(manual.now(), at(6_000));
    }

    #[test]
    fn setting_the_wall_changes_no_duration() {
        let manual = Clock::manual(at(1_000));
        let clock = manual.clock();
        let start = clock.instant();
        manual.set(at(900_000));
        assert_eq!(clock.since(start), Duration::ZERO);
        manual.advance(Duration::from_micros(1_500));
        assert_eq!(clock.since(start), Duration::from_micros(1_500));
    }

    #[test]
    fn the_machines_clock_never_runs_backwards_under_threads() {
        let clock = Clock::system();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let mut last = clock.now();
                    for _ in 0..20_000 {
                        let now = clock.now();
                        assert!(now >= last);
                        last = now;
                    }
                });
            }
        });
        assert!(clock.now() > at(1_700_000_000_000), "the machine knows the year");
    }
}
