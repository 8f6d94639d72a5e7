//! Plain requests of an HTTP/1.1 connection, answered without hyper: those that are answered before the router, whole in
//! one piece and in their usual form.
//!
//! With the first request that is anything else the connection is hyper's for good, from that request's first byte on. So
//! whatever HTTP/1.1 has beside plain requests, HTTP/2 too, has one implementation. What is plain is read by the same parser
//! as hyper's. Why: docs/decisions/0026-plain-requests.md.

mod answer;
mod head;

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use http::Response;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use super::front::{Decided, Direct, Whole};
use super::gate::{Gate, Timed};
use super::pulse::Pulse;
use super::socket::Socket;
use answer::Date;
use head::{Begun, Head};

/// Room for what is read at once: some twenty requests.
const READ_BYTES: usize = 4 * 1024;

/// How long the rest of a request may take; hyper, which then takes it over, has the time-outs of heads and bodies.
const PATIENCE: Duration = Duration::from_millis(20);

/// Answers plain requests until one is not: then gives what has been received from its first byte on. `None`: the
/// connection ends.
pub async fn serve<S>(socket: &mut Socket<S>, gate: &Gate, direct: &dyn Direct) -> Option<Bytes>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let Some(looked_at) = direct.plain_headers() else { return Some(Bytes::new()) };
    let mut deciding = direct.deciding();
    let (mut received, mut head) = (BytesMut::new(), Head::default());
    let (mut out, mut date) = (Vec::new(), Date::default());
    loop {
        let begun = match head.begun(&received, looked_at) {
            Begun::Whole(request, bytes) => {
                let decided = deciding.as_mut().and_then(|deciding| deciding.decide(&request));
                gate.begin(decided, request, direct).map(|begun| (begun, bytes))
            }
            Begun::Part => match more(socket, &gate.pulse, &mut received).await {
                More::Come => continue,
                More::Closed => return None,
                More::Missing => None,
            },
            Begun::Other => None,
        };
        let Some(((decided, open), bytes)) = begun else { return Some(received.freeze()) };
        received.advance(bytes);
        let answer = answer(decided, &open).await;
        out.clear();
        let is_last = answer.write(&mut out, &mut date, gate.pulse.is_finishing());
        if socket.write_all(&out).await.is_err() || is_last {
            return None;
        }
    }
}

/// An answer that may be given.
#[expect(clippy::large_enum_variant, reason = "made once and written at once: a box would cost more")]
enum Answer {
    Json(Vec<u8>),
    Other(Response<Whole>),
}

impl Answer {
    /// Appends it; says whether the connection ends with it.
    fn write(&self, out: &mut Vec<u8>, date: &mut Date, is_last: bool) -> bool {
        match self {
            Self::Json(body) => {
                answer::write_json(out, body, date, is_last);
                is_last
            }
            Self::Other(answer) => answer::write(out, answer, date, is_last),
        }
    }
}

/// The answer, as soon as it may be given, or that it comes too late.
async fn answer(decided: Decided<'_>, open: &Timed) -> Answer {
    match decided {
        Decided::Json(body, mut until) => match poll_fn(|cx| open.in_time(until.as_mut().poll(cx), Err)).await {
            Ok(()) => Answer::Json(body),
            Err(problem) => Answer::Other(problem.answer()),
        },
        Decided::Refused(problem) => Answer::Other(problem.answer()),
        Decided::Open(mut answering) => {
            Answer::Other(poll_fn(|cx| open.in_time(answering.as_mut().poll(cx), |late| late.answer())).await)
        }
    }
}

/// What came of waiting for more bytes.
enum More {
    Come,
    Closed,
    /// The rest of a request, which now has its time with hyper.
    Missing,
}

/// Waits for more of a request that has begun, or for the next one, which may take as long as a connection may idle.
async fn more<S>(socket: &mut Socket<S>, pulse: &Pulse, received: &mut BytesMut) -> More
where
    S: AsyncRead + Unpin,
{
    let has_begun = !received.is_empty();
    received.reserve(READ_BYTES);
    let mut read = pin!(socket.read_buf(received));
    let read = if has_begun {
        timeout(PATIENCE, read).await.unwrap_or(Ok(0))
    } else {
        // The connection's task looks here whenever it is told to finish.
        poll_fn(|cx| if pulse.is_finishing() { Poll::Ready(Ok(0)) } else { read.as_mut().poll(cx) }).await
    };
    match read {
        Ok(0) if has_begun => More::Missing,
        Ok(0) | Err(_) => More::Closed,
        Ok(_) => More::Come,
    }
}
