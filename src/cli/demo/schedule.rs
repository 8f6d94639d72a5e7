//! When which request of a demo is due. Pure: time is an argument and nothing waits here.
//!
//! The loop is open: due times come from the rate or from the trace, never from when the server got
//! round to answering. At a steady rate, what follows a call takes the place of a new call, so that the
//! rate is that of all requests.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::iter::Peekable;
use std::time::Duration;

use super::job::Job;
use super::mix::Mix;

/// Calls of a trace with their times.
pub(super) type Timed = Box<dyn Iterator<Item = (Duration, Job)> + Send>;

/// Where new calls come from.
enum Arrivals {
    Steady { mix: Box<Mix>, per_second: u32, ticks: u64 },
    Timed(Peekable<Timed>),
}

/// What is to be done.
#[derive(Debug)]
pub(super) enum Next {
    /// This request was due at this time.
    Send(Duration, Job),
    /// Nothing is due before this time.
    Wait(Duration),
    /// No new calls come. What follows those under way may still.
    Idle,
}

/// The order of all requests; times count from the start.
pub(super) struct Schedule {
    arrivals: Arrivals,
    /// From then on no new calls are due.
    end: Duration,
    later: BinaryHeap<Reverse<Later>>,
    pushed: u64,
}

impl Schedule {
    /// So many requests a second.
    pub(super) fn steady(mix: Mix, per_second: u32, end: Duration) -> Self {
        Self::over(Arrivals::Steady { mix: Box::new(mix), per_second, ticks: 0 }, end)
    }

    /// Calls at their own times, in order.
    pub(super) fn timed(calls: Timed, end: Duration) -> Self {
        Self::over(Arrivals::Timed(calls.peekable()), end)
    }

    fn over(arrivals: Arrivals, end: Duration) -> Self {
        Self { arrivals, end, later: BinaryHeap::new(), pushed: 0 }
    }

    /// Adds a request that is due at `due`.
    pub(super) fn push(&mut self, due: Duration, job: Job) {
        self.pushed += 1;
        self.later.push(Reverse(Later { due, number: self.pushed, job }));
    }

    /// Lets no new calls come from `now` on.
    pub(super) fn end(&mut self, now: Duration) {
        self.end = self.end.min(now);
    }

    /// What is to be done at `now`; call again until it says to wait.
    pub(super) fn next(&mut self, now: Duration) -> Next {
        let later = self.later.peek().map(|Reverse(later)| later.due);
        let arrival = match &mut self.arrivals {
            Arrivals::Steady { per_second, ticks, .. } => Some(tick(*ticks, *per_second)),
            Arrivals::Timed(calls) => calls.peek().map(|(at, _)| *at),
        };
        match (arrival.filter(|at| *at < self.end), later) {
            (Some(at), _) if at <= now && matches!(self.arrivals, Arrivals::Steady { .. }) => self.take_tick(at),
            (Some(at), later) if at <= now && later.is_none_or(|due| at <= due) => self.take_arrival(),
            (None, Some(due)) | (Some(_), Some(due)) if due <= now && self.takes_later() => self.take_later(),
            (None, None) => Next::Idle,
            (arrival, later) => Next::Wait(arrival.into_iter().chain(later).min().unwrap_or(now)),
        }
    }

    /// At a steady rate, what follows waits for its tick while there are any.
    fn takes_later(&self) -> bool {
        match &self.arrivals {
            Arrivals::Steady { per_second, ticks, .. } => tick(*ticks, *per_second) >= self.end,
            Arrivals::Timed(_) => true,
        }
    }

    fn take_tick(&mut self, at: Duration) -> Next {
        let has_later = self.later.peek().is_some_and(|Reverse(later)| later.due <= at);
        let Arrivals::Steady { mix, ticks, .. } = &mut self.arrivals else { return Next::Idle };
        *ticks += 1;
        let new = if has_later { None } else { mix.next() };
        match new.or_else(|| self.later.pop().map(|Reverse(later)| later.job)) {
            Some(job) => Next::Send(at, job),
            None => Next::Idle,
        }
    }

    fn take_arrival(&mut self) -> Next {
        let Arrivals::Timed(calls) = &mut self.arrivals else { return Next::Idle };
        calls.next().map_or(Next::Idle, |(at, job)| Next::Send(at, job))
    }

    fn take_later(&mut self) -> Next {
        self.later.pop().map_or(Next::Idle, |Reverse(later)| Next::Send(later.due, later.job))
    }
}

/// When tick number `n` is.
fn tick(n: u64, per_second: u32) -> Duration {
    Duration::from_nanos(u64::try_from(u128::from(n) * 1_000_000_000 / u128::from(per_second)).unwrap_or(u64::MAX))
}

/// A request that follows another; ordered by its time, then by when it was pushed.
struct Later {
    due: Duration,
    number: u64,
    job: Job,
}

impl PartialEq for Later {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Later {}

impl PartialOrd for Later {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Later {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.due, self.number).cmp(&(other.due, other.number))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::job::{Direction, Who};
    use super::*;
    use crate::cli::town::Town;
    use crate::domain::Credits;

    fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// A request that is told by its team.
    fn mark(team: usize) -> Job {
        Job::Opt(Who { team, member: None }, Direction::BackIn)
    }

    fn mix() -> Mix {
        Mix::new(Arc::new(Town::mixed("demo", 1, 1, Credits::ZERO)), 1, "r")
    }

    /// What is sent at `now`: the due time in ms, and the mark where it is one.
    fn sent(schedule: &mut Schedule, now: u64) -> Vec<(u128, Option<usize>)> {
        let mut sent = Vec::new();
        while let Next::Send(at, job) = schedule.next(millis(now)) {
            let mark = match job {
                Job::Opt(Who { team, .. }, Direction::BackIn) => Some(team),
                _ => None,
            };
            sent.push((at.as_millis(), mark));
        }
        sent
    }

    #[test]
    fn a_steady_rate_is_that_of_all_requests() {
        let mut schedule = Schedule::steady(mix(), 100, millis(50));
        schedule.push(millis(15), mark(7));
        assert_eq!(sent(&mut schedule, 0), [(0, None)]);
        assert!(matches!(schedule.next(millis(5)), Next::Wait(at) if at == millis(10)));
        assert_eq!(sent(&mut schedule, 30), [(10, None), (20, Some(7)), (30, None)]);
    }

    #[test]
    fn a_late_sender_keeps_the_times_at_which_requests_were_due() {
        let mut schedule = Schedule::steady(mix(), 100, millis(50));
        let due: Vec<_> = sent(&mut schedule, 1_000).into_iter().map(|(at, _)| at).collect();
        assert_eq!(due, [0, 10, 20, 30, 40]);
        assert!(matches!(schedule.next(millis(1_000)), Next::Idle));
    }

    #[test]
    fn after_the_end_only_what_follows_is_sent_at_its_own_time() {
        let mut schedule = Schedule::steady(mix(), 100, millis(1_000));
        schedule.end(millis(5));
        assert_eq!(sent(&mut schedule, 0), [(0, None)]);
        schedule.push(millis(33), mark(1));
        assert!(matches!(schedule.next(millis(30)), Next::Wait(at) if at == millis(33)));
        assert_eq!(sent(&mut schedule, 40), [(33, Some(1))]);
        assert!(matches!(schedule.next(millis(40)), Next::Idle));
    }

    #[test]
    fn a_trace_keeps_its_times_and_what_follows_has_its_own() {
        let calls = [(millis(0), mark(1)), (millis(10), mark(2)), (millis(30), mark(3))];
        let mut schedule = Schedule::timed(Box::new(calls.into_iter()), millis(20));
        schedule.push(millis(4), mark(9));
        assert_eq!(sent(&mut schedule, 100), [(0, Some(1)), (4, Some(9)), (10, Some(2))]);
    }
}
