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
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use super::front::Direct;
use super::gate::Gate;
use super::pulse::Pulse;
use super::socket::Socket;
use answer::Date;
use head::Begun;

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
    let (mut received, mut out, mut date) = (BytesMut::new(), Vec::new(), Date::default());
    loop {
        let begun = match Begun::of(&received, looked_at) {
            Begun::Whole(request, bytes) => gate.begin(request, direct).map(|begun| (begun, bytes)),
            Begun::Part => match more(socket, &gate.pulse, &mut received).await {
                More::Come => continue,
                More::Closed => return None,
                More::Missing => None,
            },
            Begun::Other => None,
        };
        let Some(((mut answering, open), bytes)) = begun else { return Some(received.freeze()) };
        received.advance(bytes);
        let answer = poll_fn(|cx| open.in_time(answering.as_mut().poll(cx))).await;
        out.clear();
        let is_last = answer::write(&mut out, &answer, &mut date, gate.pulse.is_finishing());
        if socket.write_all(&out).await.is_err() || is_last {
            return None;
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
