//! One thread that sends: its connections, its requests and what it counts. Its connections share nothing with those
//! of other threads.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::HeaderValue;
use parking_lot::Mutex;
use tokio::task::JoinSet;

use super::args::Via;
use super::draws::{Draw, Work};
use super::pace::{Arrivals, Pace, Span, Ticket};
use super::tally::{Counts, Tally};
use super::{grpc, http1, stream};
use crate::cli::client::Target;
use crate::cli::interrupt::{Interrupts, Wish};

/// How long after the end the last answers are waited for, and requests that were due before it are sent.
const CATCH_UP_MAX: Duration = Duration::from_secs(10);

/// How long a connection that broke or could not be made waits before it tries again.
const RETRY: Duration = Duration::from_millis(100);

/// What is sent, and where to.
#[derive(Debug)]
pub(super) struct Load {
    pub(super) via: Via,
    pub(super) target: Target,
    /// The value of `authorization`.
    pub(super) token: Option<HeaderValue>,
    pub(super) work: Work,
    pub(super) arrivals: Arrivals,
    pub(super) connections: u32,
    /// Requests under way at once on each of them.
    pub(super) in_flight: u32,
    pub(super) threads: u32,
    pub(super) span: Span,
    /// What is due before is not measured.
    pub(super) warm_up: Duration,
    /// How many seconds are counted together.
    pub(super) every_seconds: u64,
    pub(super) interrupts: Interrupts,
    /// Debits that were decided so far, for the progress bar.
    pub(super) decided: AtomicU64,
}

impl Load {
    /// Nothing counted yet.
    pub(super) fn tally(&self) -> Tally {
        Tally::new(self.warm_up..self.span.end, self.every_seconds)
    }
}

/// Whether a connection goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// Nothing is due any more.
    Done,
    /// It broke; another one may do.
    Broken,
}

/// What one thread shares among its connections.
pub(super) struct Lane {
    pub(super) load: Arc<Load>,
    /// Whoever has it waits for the next request that is due; the others queue up.
    pace: tokio::sync::Mutex<Pace>,
    tally: Mutex<Tally>,
    /// Debits that were sent and not answered.
    under_way: AtomicU64,
}

/// What came of one thread.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) tally: Tally,
    /// When the last answer was there.
    pub(super) end: Duration,
    /// Everything that was due was sent and answered.
    pub(super) complete: bool,
}

/// Sends all requests of thread number `thread`; on a thread of its own.
pub(super) fn run(load: &Arc<Load>, thread: u32) -> std::io::Result<Sent> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let pace = Pace::new(load.arrivals.clone(), load.span.clone(), load.interrupts.clone(), thread, load.threads)?;
        let lane = Arc::new(Lane {
            load: load.clone(),
            pace: tokio::sync::Mutex::new(pace),
            tally: Mutex::new(load.tally()),
            under_way: AtomicU64::new(0),
        });
        let mut connections = JoinSet::new();
        for _ in (thread..load.connections).step_by(load.threads as usize) {
            connections.spawn(connection(lane.clone()));
        }
        let all = async {
            while let Some(ended) = connections.join_next().await {
                ended.expect("a connection does not panic");
            }
        };
        let latest = load.span.end + CATCH_UP_MAX;
        let waited = tokio::time::timeout(latest.saturating_sub(load.span.now()), all);
        let ended = load.interrupts.unless(Wish::EndEarly, waited).await;
        Ok(lane.sent(matches!(ended, Ok(Ok(()))) && load.interrupts.now() == Wish::Go))
    })
}

/// Keeps one connection for as long as anything is due.
async fn connection(lane: Arc<Lane>) {
    loop {
        let ended = match lane.load.target.connect().await {
            Err(error) => Err(error.to_string()),
            Ok(io) => match lane.load.via {
                Via::Http => http1::session::<http1::Debit>(&lane, io).await,
                Via::Batch => http1::session::<http1::Batch>(&lane, io).await,
                Via::Grpc => grpc::session(&lane, io).await,
                Via::Stream => stream::session(&lane, io).await,
            },
        };
        match ended {
            Ok(Ended::Done) => return,
            Ok(Ended::Broken) => {}
            // What is due and cannot be sent is an error too.
            Err(why) => match lane.ticket().await {
                Some(ticket) => lane.begin(1).failed(ticket, 1, &why),
                None => return,
            },
        }
        tokio::time::sleep(RETRY).await;
    }
}

/// Asks for decisions over one connection.
pub(super) trait Caller {
    /// What comes back.
    type Answer: Send;

    /// Sends one request.
    fn ask(&mut self, draws: &[Draw<'_>]) -> impl Future<Output = Result<Self::Answer, Failure>> + Send;

    /// Counts what came back.
    fn count(answer: Self::Answer, draws: &[Draw<'_>], counts: &mut Counts);
}

/// Why a request has no answer.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) why: String,
    /// The connection is of no more use.
    pub(super) is_broken: bool,
}

impl Lane {
    /// Sends one request after the other, each when it is due and the last was answered.
    pub(super) async fn converse<C: Caller>(&self, mut caller: C) -> Ended {
        while let Some(ticket) = self.ticket().await {
            let draws: Vec<Draw<'_>> = self.load.work.draws(ticket).collect();
            self.begin(draws.len());
            match caller.ask(&draws).await {
                Ok(answer) => self.answered(ticket, draws.len(), |counts| C::count(answer, &draws, counts)),
                Err(Failure { why, is_broken }) => {
                    self.failed(ticket, draws.len(), &why);
                    if is_broken {
                        return Ended::Broken;
                    }
                }
            }
        }
        Ended::Done
    }

    /// The next request once it is due; `None` when none will be. May be given up without harm.
    pub(super) async fn ticket(&self) -> Option<Ticket> {
        self.pace.lock().await.next().await
    }

    /// Debits go out.
    pub(super) fn begin(&self, debits: usize) -> &Self {
        self.under_way.fetch_add(debits as u64, Ordering::Relaxed);
        self
    }

    /// A request came back.
    pub(super) fn answered(&self, ticket: Ticket, debits: usize, count: impl FnOnce(&mut Counts)) {
        let now = self.load.span.now();
        count(self.tally.lock().answered(ticket.due, now));
        self.load.decided.fetch_add(debits as u64, Ordering::Relaxed);
        self.under_way.fetch_sub(debits as u64, Ordering::Relaxed);
    }

    /// A request has no answer and will get none.
    pub(super) fn failed(&self, ticket: Ticket, debits: usize, why: &str) {
        self.tally.lock().unanswered(ticket.due).fail(why, debits as u64);
        self.under_way.fetch_sub(debits as u64, Ordering::Relaxed);
    }

    fn sent(&self, complete: bool) -> Sent {
        let mut tally = self.tally.lock().clone();
        let lost = self.under_way.load(Ordering::Relaxed);
        if lost > 0 {
            let end = self.load.span.end;
            tally.unanswered(end).fail("no answer when it ended", lost);
        }
        Sent { tally, end: self.load.span.now(), complete }
    }
}
