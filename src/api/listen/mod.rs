//! Listening: an accept loop of our own on hyper, serving one front over HTTP/1.1 and HTTP/2 on TCP and
//! unix sockets, with limits that hold (`axum::serve` sets no timer).
//!
//! TLS is not here: a sidecar is reached over loopback or a unix socket, or through a proxy that
//! ends TLS. Who may call, and what, is not here either.

mod bind;
mod calls;
mod connection;
mod front;
mod gate;
mod limits;
mod plain;
mod pulse;
mod socket;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use metrics::{Counter, Gauge};
use tokio::sync::watch;

pub use bind::{BindError, Bound};
pub use front::{Answering, Decided, Deciding, Direct, Front, Plain, Until, Whole};
pub use gate::{BodyTooSlow, RequestBody};
pub use limits::Limits;

use crate::config::Listen;
use bind::Stream;
use connection::Shared;

/// How long no connection is taken after the system refused one for want of file descriptors or
/// memory. Without it the loop would spin, as the connection stays in the backlog.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What a connection beyond the cap is told. A caller of HTTP/2 only sees the close.
const REFUSAL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/problem+json\r\n\
    content-length: 189\r\nretry-after: 1\r\nconnection: close\r\n\r\n\
    {\"type\":\"urn:purser:problem:unavailable\",\"title\":\"Unavailable\",\"status\":503,\
    \"detail\":\"All connections of this listener are taken; reuse connections or raise the cap.\",\
    \"code\":\"unavailable\"}\n";

/// What is counted about connections. The default counts into nothing.
#[derive(Clone)]
pub struct Meters {
    /// Connections taken.
    pub accepted: Counter,
    /// Connections refused, as all were taken.
    pub refused: Counter,
    /// Connections closed by a time-out other than idling.
    pub timed_out: Counter,
    /// Failed attempts to take a connection.
    pub accept_errors: Counter,
    /// Open connections.
    pub open: Gauge,
}

impl Default for Meters {
    fn default() -> Self {
        Self {
            accepted: Counter::noop(),
            refused: Counter::noop(),
            timed_out: Counter::noop(),
            accept_errors: Counter::noop(),
            open: Gauge::noop(),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Open,
    /// No further connection; requests in flight are answered.
    Draining,
    Cut,
}

/// Addresses at work. Dropped, it closes everything at once; see [`Serving::drain`].
#[derive(Debug)]
pub struct Serving {
    addresses: Vec<Listen>,
    stage: watch::Sender<Stage>,
    open: Arc<AtomicUsize>,
}

/// How a drain ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// Connections with a request in flight that the deadline cut off.
    pub cut: usize,
}

/// Serves `front` on open addresses, in tasks of the current tokio runtime. The limits hold for all
/// addresses together.
///
/// # Panics
/// When [`Limits::check`] finds something; a configuration is checked before anything is opened.
pub fn serve(bound: Vec<Bound>, front: impl Into<Front>, limits: Limits, meters: Meters) -> Serving {
    assert_eq!(limits.check(), Ok(()), "limits are checked with the configuration");
    let (sender, stage) = watch::channel(Stage::Open);
    let open = Arc::new(AtomicUsize::new(0));
    let addresses = bound.iter().map(|bound| bound.address().clone()).collect();
    let shared = Arc::new(Shared::new(front.into(), limits, meters));
    for bound in bound {
        tokio::spawn(accept_loop(bound, Arc::clone(&shared), Arc::clone(&open), stage.clone()));
    }
    Serving { addresses, stage: sender, open }
}

impl Serving {
    /// Where it listens in fact, in the order given.
    pub fn addresses(&self) -> &[Listen] {
        &self.addresses
    }

    /// Open connections.
    pub fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Stops taking connections, closes idle ones, and answers the requests in flight; what is not
    /// done by the deadline is cut off.
    pub async fn drain(self, deadline: Duration) -> Drained {
        self.stage.send_replace(Stage::Draining);
        if tokio::time::timeout(deadline, self.stage.closed()).await.is_ok() {
            return Drained { cut: 0 };
        }
        let cut = self.open();
        self.stage.send_replace(Stage::Cut);
        self.stage.closed().await;
        Drained { cut }
    }
}

async fn accept_loop(bound: Bound, shared: Arc<Shared>, open: Arc<AtomicUsize>, mut stage: watch::Receiver<Stage>) {
    loop {
        let accepted = tokio::select! {
            biased;
            _ = stage.changed() => return,
            accepted = bound.accept() => accepted,
        };
        match accepted {
            Ok(stream) => admit(stream, &shared, &open, &stage),
            Err(error) => {
                shared.meters.accept_errors.increment(1);
                if !is_about_one_connection(&error) {
                    tracing::warn!(address = %bound.address(), %error, "cannot take a connection; pausing");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

/// Whether the next connection may well be taken at once.
fn is_about_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{
        ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted, InvalidInput, NotConnected,
    };
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted | InvalidInput | NotConnected
    )
}

/// Starts serving a connection, or refuses it when all are taken.
fn admit(stream: Stream, shared: &Arc<Shared>, open: &Arc<AtomicUsize>, stage: &watch::Receiver<Stage>) {
    let Some(place) = Place::take(open, shared) else {
        shared.meters.refused.increment(1);
        // Best effort: a caller that cannot be told sees the close.
        let _ = match stream {
            Stream::Tcp(stream) => stream.try_write(REFUSAL),
            Stream::Unix(stream) => stream.try_write(REFUSAL),
        };
        return;
    };
    shared.meters.accepted.increment(1);
    let (shared, stage) = (Arc::clone(shared), stage.clone());
    tokio::spawn(async move {
        match stream {
            Stream::Tcp(stream) => connection::serve(stream, shared, stage).await,
            Stream::Unix(stream) => connection::serve(stream, shared, stage).await,
        }
        drop(place);
    });
}

/// One of the connections that may be open, given back when dropped.
struct Place {
    open: Arc<AtomicUsize>,
    shared: Arc<Shared>,
}

impl Place {
    fn take(open: &Arc<AtomicUsize>, shared: &Arc<Shared>) -> Option<Self> {
        let one_more = |open: usize| (open < shared.limits.connections_max).then_some(open + 1);
        open.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).ok()?;
        shared.meters.open.increment(1.0);
        Some(Self { open: Arc::clone(open), shared: Arc::clone(shared) })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let before = self.open.fetch_sub(1, Ordering::Relaxed);
        debug_assert!(before > 0, "a place is given back once");
        self.shared.meters.open.decrement(1.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::problem::{Code, Problem};

    #[test]
    fn the_refusal_is_a_whole_problem() {
        let text = std::str::from_utf8(REFUSAL).expect("text");
        let (head, body) = text.split_once("\r\n\r\n").expect("a head and a body");
        let problem = Problem::new(
            Code::Unavailable,
            "All connections of this listener are taken; reuse connections or raise the cap.",
        );
        assert_eq!(body.trim_end(), problem.to_json());
        assert!(head.contains(&format!("content-length: {}\r\n", body.len())), "{head} has {}", body.len());
    }
}
