//! The messages of a request's body, each behind its length, read where they lie in what was received.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::Body;
use bytes::{Buf, Bytes, BytesMut};
use hyper::body::Body as HttpBody;
use tonic::Status;

/// Before each message: whether it is compressed, and its length in four bytes.
pub const PREFIX_BYTES: usize = 5;

/// The messages of one body, as they come.
pub struct Frames {
    body: Body,
    bytes_max: usize,
    received: Bytes,
    /// How much of that is the message that was handed on last.
    taken: usize,
}

impl Frames {
    /// Messages of so many bytes at most.
    pub fn new(body: Body, bytes_max: usize) -> Self {
        Self { body, bytes_max, received: Bytes::new(), taken: 0 }
    }

    /// The next one; `None` once the caller has no more.
    ///
    /// # Errors
    /// It is too large, compressed, or not complete, or the body broke off: nothing can be read behind it.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<&[u8], Status>>> {
        self.received.advance(self.taken);
        self.taken = 0;
        loop {
            match prefix(&self.received, self.bytes_max) {
                Ok(Some((len, message))) if message.len() >= len => {
                    self.taken = PREFIX_BYTES + len;
                    return Poll::Ready(Some(Ok(&self.received[PREFIX_BYTES..self.taken])));
                }
                Ok(_) => {}
                Err(status) => return Poll::Ready(Some(Err(status))),
            }
            let data = match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => frame.into_data(),
                Some(Err(error)) => return Poll::Ready(Some(Err(Status::from_error(error.into())))),
                None if self.received.is_empty() => return Poll::Ready(None),
                None => return Poll::Ready(Some(Err(Status::internal("the message ends too early")))),
            };
            if let Ok(data) = data {
                self.received = joined(std::mem::take(&mut self.received), data);
            }
        }
    }
}

/// How long the message is that these bytes begin, and what is there of it and behind it.
///
/// # Errors
/// It is larger than may be, or compressed.
pub fn prefix(mut bytes: &[u8], bytes_max: usize) -> Result<Option<(usize, &[u8])>, Status> {
    if bytes.len() < PREFIX_BYTES {
        return Ok(None);
    }
    if bytes.get_u8() != 0 {
        return Err(Status::internal("the message says that it is compressed, and the call does not say how"));
    }
    let len = bytes.get_u32() as usize;
    if len > bytes_max {
        return Err(Status::out_of_range(format!("the message has {len} bytes, more than {bytes_max}")));
    }
    Ok(Some((len, bytes)))
}

/// What was received first, and what came behind it.
pub fn joined(first: Bytes, second: Bytes) -> Bytes {
    if first.is_empty() {
        return second;
    }
    let mut both = first.try_into_mut().unwrap_or_else(|first| BytesMut::from(&*first));
    both.extend_from_slice(&second);
    both.freeze()
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::future::poll_fn;

    use axum::body::Body;
    use tonic::Code;
    use tonic::codegen::tokio_stream;

    use super::*;

    /// The messages of a body that comes in these pieces, and how it ends.
    async fn read(pieces: Vec<Vec<u8>>) -> (Vec<Vec<u8>>, Option<Code>) {
        let pieces = pieces.into_iter().map(|piece| Ok::<_, Infallible>(Bytes::from(piece)));
        let mut frames = Frames::new(Body::from_stream(tokio_stream::iter(pieces)), 300);
        let mut messages = Vec::new();
        loop {
            let next = poll_fn(|cx| frames.poll_next(cx).map(|next| next.map(|next| next.map(<[u8]>::to_vec))));
            match next.await {
                Some(Ok(message)) => messages.push(message),
                end => return (messages, end.map(|end| end.expect_err("is the end").code())),
            }
        }
    }

    fn framed(message: &[u8]) -> Vec<u8> {
        [&[0, 0, 0], &(message.len() as u16).to_be_bytes()[..], message].concat()
    }

    #[tokio::test]
    async fn messages_are_the_same_in_however_many_pieces_they_come() {
        let messages = vec![b"one".to_vec(), Vec::new(), vec![7; 300], b"four".to_vec()];
        let all: Vec<u8> = messages.iter().flat_map(|message| framed(message)).collect();
        assert_eq!(read(vec![all.clone()]).await, (messages.clone(), None));
        assert_eq!(read(all.iter().map(|byte| vec![*byte]).collect()).await, (messages.clone(), None));
        for cut in 0..all.len() {
            assert_eq!(read(vec![all[..cut].to_vec(), all[cut..].to_vec()]).await, (messages.clone(), None), "{cut}");
        }
    }

    #[tokio::test]
    async fn what_is_no_message_ends_them() {
        let good = framed(b"good");
        for (bad, code) in [
            (vec![0, 0, 0], Code::Internal),
            (framed(b"good")[..7].to_vec(), Code::Internal),
            (vec![1, 0, 0, 0, 1, 7], Code::Internal),
            (framed(&[7; 301]), Code::OutOfRange),
            // Its length is enough to refuse it.
            (vec![0, 255, 255, 255, 255], Code::OutOfRange),
        ] {
            assert_eq!(read(vec![good.clone(), bad]).await, (vec![b"good".to_vec()], Some(code)));
        }
    }
}
