//! One connection from its first byte to its close.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use hyper::rt::{Read, Write};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::calls::{Calls, Taker};
use super::front::Front;
use super::gate::Gate;
use super::limits::Limits;
use super::plain;
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
pub async fn serve<S>(stream: S, shared: Arc<Shared>, stage: watch::Receiver<Stage>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let pulse = Arc::new(Pulse::default());
    let gate = Gate { shared: Arc::clone(&shared), pulse: Arc::clone(&pulse) };
    let mut socket = Socket::new(stream, Arc::clone(&pulse));
    let mut oversight = Oversight::new(&shared, &pulse, stage);
    let Some(received) = serve_plain(&mut socket, &gate, &mut oversight).await else { return };
    socket.put_back(received);
    serve_all(TokioIo::new(socket), gate, &mut oversight).await;
}

/// Serves plain requests; gives what has been received of the first other one.
async fn serve_plain<S>(socket: &mut Socket<S>, gate: &Gate, oversight: &mut Oversight<'_>) -> Option<Bytes>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let Some(direct) = &gate.shared.front.direct else { return Some(Bytes::new()) };
    let mut plain = pin!(plain::serve(socket, gate, &**direct));
    loop {
        tokio::select! {
            biased;
            other = plain.as_mut() => return other,
            event = oversight.next() => match event {
                // It is looked at after each of them.
                Event::Passed | Event::Finish => {}
                Event::Cut => return None,
            }
        }
    }
}

/// Serves whatever comes, by hyper.
async fn serve_all<S>(socket: S, gate: Gate, oversight: &mut Oversight<'_>)
where
    S: Read + Write + Unpin + Send + 'static,
{
    let mut calls = Calls::default();
    let protocol = protocol(&gate.shared.limits, calls.taker());
    let is_finishing = gate.pulse.is_finishing();
    let mut connection = pin!(protocol.serve_connection(socket, gate));
    if is_finishing {
        connection.as_mut().graceful_shutdown();
    }
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
            event = oversight.next() => match event {
                Event::Passed => calls.ring(),
                Event::Finish => connection.as_mut().graceful_shutdown(),
                Event::Cut => return,
            }
        }
    }
}

/// What ends a connection from outside: its limits, and the listener.
struct Oversight<'a> {
    shared: &'a Shared,
    pulse: &'a Pulse,
    watch: Watch,
    ticks: Interval,
    stage: watch::Receiver<Stage>,
}

enum Event {
    /// Some time.
    Passed,
    /// No further request is to be taken.
    Finish,
    Cut,
}

impl<'a> Oversight<'a> {
    fn new(shared: &'a Shared, pulse: &'a Pulse, stage: watch::Receiver<Stage>) -> Self {
        let mut ticks = interval(shared.limits.tick());
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks.reset();
        Self { shared, pulse, watch: Watch::new(&shared.limits), ticks, stage }
    }

    /// What comes next. Given up while it waits, it has missed nothing.
    async fn next(&mut self) -> Event {
        tokio::select! {
            biased;
            _ = self.ticks.tick() => match self.watch.tick(self.pulse) {
                Verdict::Keep => return Event::Passed,
                Verdict::Finish => {}
                Verdict::Cut => {
                    self.shared.meters.timed_out.increment(1);
                    return Event::Cut;
                }
            },
            changed = self.stage.changed() => {
                if changed.is_err() || *self.stage.borrow_and_update() == Stage::Cut {
                    return Event::Cut;
                }
            }
        }
        self.pulse.finish();
        Event::Finish
    }
}
