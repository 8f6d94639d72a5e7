//! Sends what is due, over a fixed number of keep-alive connections, and counts the answers.
//!
//! A thread of its own keeps the times, because a runtime's timers are a thousand times coarser than an
//! answer takes. A latency is counted from when the request was due, so that a server that stalls is
//! charged for everything that had to wait (coordinated omission).

use std::sync::Arc;
use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use super::job::Job;
use super::perform::Performer;
use super::schedule::{Next, Schedule};
use super::tally::Tally;
use crate::cli::interrupt::{Interrupts, Wish};
use crate::clock::Clock;

/// The longest sleep while nothing is due; a request that follows an answer may come in between.
const SLEEP_MAX: Duration = Duration::from_micros(500);

/// How long after the end a server that is behind may catch up.
const CATCH_UP_MAX: Duration = Duration::from_secs(10);

/// How often the progress bar moves.
const BAR_EVERY: Duration = Duration::from_millis(100);

/// One run of traffic.
pub(super) struct Traffic {
    pub(super) performer: Performer,
    pub(super) schedule: Mutex<Schedule>,
    pub(super) tally: Mutex<Tally>,
    /// Let no new calls come, or nothing at all.
    pub(super) interrupts: Interrupts,
    pub(super) clock: Clock,
}

impl Traffic {
    /// Sends everything and waits for the last answer; blocks this thread. Answers how long it took,
    /// and whether something was left unsent.
    pub(super) fn run(
        self: &Arc<Self>,
        runtime: &Handle,
        connections: u32,
        end: Duration,
        bar: &ProgressBar,
    ) -> (Duration, bool) {
        let permits = Arc::new(Semaphore::new(connections as usize));
        let start = self.clock.instant();
        let (mut moved, mut complete) = (Duration::ZERO, true);
        loop {
            let now = self.clock.since(start);
            match self.interrupts.now() {
                Wish::Go => {}
                Wish::EndEarly => self.schedule.lock().end(now),
                Wish::Stop | Wish::Terminate => {
                    complete = false;
                    break;
                }
            }
            if now > moved + BAR_EVERY {
                (moved, _) = (now, self.show(bar, now.min(end)));
            }
            if now > end + CATCH_UP_MAX {
                complete = false;
                break;
            }
            let next = self.schedule.lock().next(now);
            match next {
                Next::Send(due, job) => {
                    let Ok(permit) = runtime.block_on(permits.clone().acquire_owned()) else { break };
                    let traffic = self.clone();
                    runtime.spawn(async move {
                        traffic.send(start, due, job).await;
                        drop(permit);
                    });
                }
                Next::Wait(at) => std::thread::sleep(at.saturating_sub(now).min(SLEEP_MAX)),
                Next::Idle if permits.available_permits() == connections as usize => {
                    // An answer's follow-ups are scheduled before its permit is given back.
                    if matches!(self.schedule.lock().next(now), Next::Idle) {
                        break;
                    }
                }
                Next::Idle => std::thread::sleep(SLEEP_MAX),
            }
        }
        // The last answers, so that the audit finds the server at rest.
        let all = runtime.block_on(permits.acquire_many(connections));
        drop(all);
        (self.clock.since(start), complete)
    }

    async fn send(&self, start: Instant, due: Duration, job: Job) {
        let (kind, answer) = self.performer.perform(&job).await;
        let now = self.clock.since(start);
        let later = {
            let mut tally = self.tally.lock();
            tally.sent += 1;
            tally.latency(kind, now.saturating_sub(due));
            answer.count(&job, &mut tally)
        };
        let mut schedule = self.schedule.lock();
        later.into_iter().for_each(|(after, job)| schedule.push(now + after, job));
    }

    fn show(&self, bar: &ProgressBar, now: Duration) {
        let tally = self.tally.lock();
        bar.set_position(u64::try_from(now.as_millis()).unwrap_or(u64::MAX));
        bar.set_message(format!("{} requests, {} denied", tally.sent, tally.denied()));
    }
}
