//! What a connection is doing, and for how long.
//!
//! Hyper's own header timer also runs between two requests and does not know HTTP/2 or a silent new connection, so
//! each connection counts what it does and a watch looks at the counts once per tick. No clock is read and no timer
//! is set per request: how long something lasts is a number of ticks.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use super::limits::Limits;

/// Counts of one connection, written by its parts and read by its [`Watch`]. Relaxed: each is a
/// hint of its own, and one seen late is seen at the next tick.
#[derive(Debug, Default)]
pub struct Pulse {
    /// Requests without a complete answer.
    open: AtomicU32,
    /// Requests begun.
    begun: AtomicU64,
    /// Ticks so far.
    ticks: AtomicU64,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
    /// `bytes_in` when the last answer was complete: more means that a further head has begun.
    answered_at: AtomicU64,
    http2: AtomicBool,
    unread: AtomicBool,
    finishing: AtomicBool,
}

impl Pulse {
    /// Counts bytes received.
    pub fn received(&self, bytes: usize) {
        self.bytes_in.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Counts bytes sent.
    pub fn sent(&self, bytes: usize) {
        self.bytes_out.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Counts a request as open until the guard is dropped.
    pub fn begin(self: &Arc<Self>, version: http::Version) -> OpenRequest {
        self.http2.store(version == http::Version::HTTP_2, Ordering::Relaxed);
        self.begun.fetch_add(1, Ordering::Relaxed);
        self.open.fetch_add(1, Ordering::Relaxed);
        OpenRequest { pulse: Arc::clone(self), begun_at: self.ticks.load(Ordering::Relaxed) }
    }

    /// Notes that a body was given up before its end.
    pub fn leave_unread(&self) {
        self.unread.store(true, Ordering::Relaxed);
    }

    /// Whether the caller may still be sending what nobody will read.
    pub fn has_unread(&self) -> bool {
        self.unread.load(Ordering::Relaxed) && !self.http2.load(Ordering::Relaxed)
    }

    /// Notes that the connection was told to finish.
    pub fn finish(&self) {
        self.finishing.store(true, Ordering::Relaxed);
    }

    /// Whether the connection takes no further request.
    pub fn is_finishing(&self) -> bool {
        self.finishing.load(Ordering::Relaxed)
    }

    fn state(&self) -> State {
        let begun = self.begun.load(Ordering::Relaxed);
        let bytes_in = self.bytes_in.load(Ordering::Relaxed);
        if self.open.load(Ordering::Relaxed) > 0 {
            return State { phase: Phase::Answering, stamp: bytes_in + self.bytes_out.load(Ordering::Relaxed) };
        }
        let further_head = bytes_in != self.answered_at.load(Ordering::Relaxed) && !self.http2.load(Ordering::Relaxed);
        let phase = if begun == 0 || further_head { Phase::Head } else { Phase::Idle };
        State { phase, stamp: begun }
    }
}

/// A request that is being answered, up to the last byte of the answer.
#[derive(Debug)]
pub struct OpenRequest {
    pulse: Arc<Pulse>,
    /// At which tick.
    begun_at: u64,
}

impl OpenRequest {
    /// Whether its time of so many ticks is over.
    pub fn is_overdue(&self, ticks: u64) -> bool {
        self.pulse.ticks.load(Ordering::Relaxed) - self.begun_at > ticks
    }
}

impl Drop for OpenRequest {
    fn drop(&mut self) {
        let pulse = &self.pulse;
        pulse.answered_at.store(pulse.bytes_in.load(Ordering::Relaxed), Ordering::Relaxed);
        let open = pulse.open.fetch_sub(1, Ordering::Relaxed);
        debug_assert!(open > 0, "a request ends once");
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Waiting for the rest of a request's head, or for the first one.
    Head,
    /// Between two requests.
    Idle,
    Answering,
    /// Told to finish; it gets as long as a head would to close.
    Finishing,
}

/// A phase, and a number that changes when it begins anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct State {
    phase: Phase,
    stamp: u64,
}

/// What to do with a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Go on.
    Keep,
    /// Take no further request and close when the open ones are answered.
    Finish,
    /// Close now.
    Cut,
}

/// Counts for how many ticks a connection has been in one state.
#[derive(Debug)]
pub struct Watch {
    state: State,
    ticks: u32,
    head_ticks: u32,
    idle_ticks: u32,
    stall_ticks: u32,
}

impl Watch {
    /// A watch of a new connection.
    pub fn new(limits: &Limits) -> Self {
        Self {
            state: State { phase: Phase::Head, stamp: 0 },
            ticks: 0,
            head_ticks: limits.ticks(limits.header_timeout),
            idle_ticks: limits.ticks(limits.idle_timeout),
            // A request whose time is over is answered before.
            stall_ticks: limits.ticks(limits.stall_timeout).max(limits.ticks(limits.request_timeout).saturating_add(1)),
        }
    }

    /// To be called once per tick.
    pub fn tick(&mut self, pulse: &Pulse) -> Verdict {
        pulse.ticks.fetch_add(1, Ordering::Relaxed);
        let mut state = pulse.state();
        if pulse.is_finishing() && state.phase != Phase::Answering {
            state = State { phase: Phase::Finishing, stamp: 0 };
        }
        if state != self.state {
            (self.state, self.ticks) = (state, 0);
            return Verdict::Keep;
        }
        self.ticks = self.ticks.saturating_add(1);
        let (ticks_max, verdict) = match state.phase {
            Phase::Head | Phase::Finishing => (self.head_ticks, Verdict::Cut),
            Phase::Idle => (self.idle_ticks, Verdict::Finish),
            Phase::Answering => (self.stall_ticks, Verdict::Cut),
        };
        if self.ticks >= ticks_max { verdict } else { Verdict::Keep }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Head 4 ticks, idle 6, stall 8.
    fn watch() -> (Arc<Pulse>, Watch) {
        let limits = Limits {
            header_timeout: Duration::from_secs(4),
            idle_timeout: Duration::from_secs(6),
            stall_timeout: Duration::from_secs(8),
            body_timeout: Some(Duration::from_secs(4)),
            request_timeout: Duration::from_secs(4),
            ..Limits::DEFAULT
        };
        (Arc::default(), Watch::new(&limits))
    }

    /// Ticks until something else than `Keep`.
    fn ticks(watch: &mut Watch, pulse: &Pulse, mut each: impl FnMut()) -> (u32, Verdict) {
        for tick in 1..100 {
            each();
            let verdict = watch.tick(pulse);
            if verdict != Verdict::Keep {
                return (tick, verdict);
            }
        }
        (100, Verdict::Keep)
    }

    #[test]
    fn a_head_that_dribbles_in_is_cut_all_the_same() {
        let (pulse, mut watch) = watch();
        assert_eq!(ticks(&mut watch, &pulse, || pulse.received(1)), (4, Verdict::Cut));
    }

    #[test]
    fn an_idle_connection_is_finished_and_then_cut() {
        let (pulse, mut watch) = watch();
        drop(pulse.begin(http::Version::HTTP_11));
        assert_eq!(ticks(&mut watch, &pulse, || {}), (7, Verdict::Finish));
        pulse.finish();
        assert_eq!(ticks(&mut watch, &pulse, || {}), (5, Verdict::Cut));
    }

    #[test]
    fn a_second_head_has_the_time_of_a_head() {
        let (pulse, mut watch) = watch();
        pulse.received(100);
        drop(pulse.begin(http::Version::HTTP_11));
        assert_eq!(watch.tick(&pulse), Verdict::Keep);
        pulse.received(1);
        assert_eq!(ticks(&mut watch, &pulse, || {}), (5, Verdict::Cut));
    }

    #[test]
    fn pings_of_http_2_keep_nothing_open() {
        let (pulse, mut watch) = watch();
        drop(pulse.begin(http::Version::HTTP_2));
        assert_eq!(ticks(&mut watch, &pulse, || pulse.received(17)), (7, Verdict::Finish));
    }

    #[test]
    fn a_request_is_overdue_after_its_time_even_while_bytes_move() {
        let (pulse, mut watch) = watch();
        drop(pulse.begin(http::Version::HTTP_11));
        let open = pulse.begin(http::Version::HTTP_11);
        for tick in 0..10 {
            pulse.received(1);
            assert_eq!(watch.tick(&pulse), Verdict::Keep);
            assert_eq!(open.is_overdue(4), tick >= 4, "seen at the first tick, over four ticks later");
        }
        drop(open);
        assert!(!pulse.begin(http::Version::HTTP_11).is_overdue(4), "the next one has its own time");
    }

    #[test]
    fn an_answer_lasts_as_long_as_bytes_move() {
        let (pulse, mut watch) = watch();
        let _open = pulse.begin(http::Version::HTTP_11);
        assert_eq!(ticks(&mut watch, &pulse, || pulse.sent(1)), (100, Verdict::Keep));
        pulse.finish();
        assert_eq!(ticks(&mut watch, &pulse, || {}), (8, Verdict::Cut));
    }
}
