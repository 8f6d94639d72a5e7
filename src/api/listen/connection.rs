//! One connection from its first byte to its close.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;

use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use super::calls::{Calls, Taker};
use super::front::Front;
use super::gate::Gate;
use super::limits::Limits;
use super::pulse::{Pulse, Verdict, Watch};
use super::socket::Socket;
use super::{Meters, Stage};

/// What all connections of a listener share.
pub struct Shared {
    /// What answers.
    pub front: Front,
    /// What callers are allowed.
    pub limits: Limits,
    /// What is counted.
    pub meters: Meters,
    /// How long a request may take.
    pub request_ticks: u32,
}

impl Shared {
    /// Put together once for all connections.
    pub fn new(front: Front, limits: Limits, meters: Meters) -> Self {
        Self { front, request_ticks: limits.ticks(limits.request_timeout), limits, meters }
    }
}

/// Hyper, set up for a connection whose requests on HTTP/2 `taker` takes.
fn protocol(limits: &Limits, taker: Taker) -> auto::Builder<Taker> {
    let mut protocol = auto::Builder::new(taker);
    protocol
        .http1()
        .timer(TokioTimer::new())
        // The watch does this: hyper's timer would also run between two requests.
        .header_read_timeout(None)
        .max_buf_size(limits.header_bytes_max as usize)
        .max_headers(limits.headers_max);
    protocol
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams_max)
        .max_header_list_size(limits.header_bytes_max)
        // A peer that vanished is noticed although it owes no request.
        .keep_alive_interval(limits.idle_timeout / 2)
        .keep_alive_timeout(limits.header_timeout);
    protocol
}

/// Serves one connection until it closes, is closed by a limit, or the listener cuts it.
pub async fn serve<S>(stream: S, shared: Arc<Shared>, mut stage: watch::Receiver<Stage>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let pulse = Arc::new(Pulse::default());
    let mut watch = Watch::new(&shared.limits);
    let mut ticks = interval(shared.limits.tick());
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.reset();

    let gate = Gate { shared: Arc::clone(&shared), pulse: Arc::clone(&pulse) };
    let socket = TokioIo::new(Socket::new(stream, Arc::clone(&pulse)));
    let mut calls = Calls::default();
    let protocol = protocol(&shared.limits, calls.taker());
    let mut connection = pin!(protocol.serve_connection(socket, gate));
    loop {
        tokio::select! {
            biased;
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "connection broke");
                }
                return;
            }
            never = poll_fn(|cx| calls.poll(cx)) => match never {},
            verdict = async { ticks.tick().await; watch.tick(&pulse) } => match verdict {
                Verdict::Keep => calls.ring(),
                Verdict::Finish => {
                    watch.finish();
                    connection.as_mut().graceful_shutdown();
                }
                Verdict::Cut => {
                    shared.meters.timed_out.increment(1);
                    return;
                }
            },
            changed = stage.changed() => {
                if changed.is_err() || *stage.borrow_and_update() == Stage::Cut {
                    return;
                }
                watch.finish();
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}
