//! Between hyper and what answers: every request is counted while it is open, its body has a deadline,
//! and its handler has one.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::response::IntoResponse;
use axum::routing::future::RouteFuture;
use bytes::Bytes;
use http::{Request, Response};
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use hyper::service::Service;
use tokio::time::Sleep;

use super::connection::Shared;
use super::front::{self, Whole};
use super::pulse::{OpenRequest, Pulse};
use crate::api::problem::{Code, Problem};

/// What a listener serves as one connection sees it.
#[derive(Clone)]
pub struct Gate {
    /// What all connections share.
    pub shared: Arc<Shared>,
    /// The connection's counts.
    pub pulse: Arc<Pulse>,
}

impl Service<Request<Incoming>> for Gate {
    type Response = Response<Answer>;
    type Error = Infallible;
    type Future = Answering;

    fn call(&self, request: Request<Incoming>) -> Answering {
        let open = self.pulse.begin(request.version());
        let Shared { front, limits, request_ticks, .. } = &*self.shared;
        let pulse = Arc::clone(&self.pulse);
        let request =
            request.map(|body| RequestBody { body, pulse, body_timeout: limits.body_timeout, deadline: None });
        let request = match &front.direct {
            Some(direct) => direct.answer(request),
            None => Err(request),
        };
        let answer = match request {
            Ok(answer) => Maker::Direct(answer),
            Err(request) => {
                let answer = tower::Service::call(&mut front.router.clone(), request.map(Body::new));
                Maker::Router(Box::new(answer))
            }
        };
        Answering { answer, open: Some(open), timeout: (limits.request_timeout, *request_ticks) }
    }
}

/// A request that is being answered, for as long as it may take.
pub struct Answering {
    answer: Maker,
    /// Taken by the answer.
    open: Option<OpenRequest>,
    /// The time, and the same in ticks; the connection polls this at each of them.
    timeout: (Duration, u32),
}

enum Maker {
    Direct(front::Answering),
    Router(Box<RouteFuture<Infallible>>),
}

impl Future for Answering {
    type Output = Result<Response<Answer>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let answer = match &mut this.answer {
            Maker::Direct(answer) => answer.as_mut().poll(cx).map(|answer| answer.map(AnswerBody::Whole)),
            Maker::Router(answer) => Pin::new(answer).poll(cx).map(|answer| match answer {
                Ok(answer) => answer.map(AnswerBody::Stream),
                Err(never) => match never {},
            }),
        };
        let answer = match answer {
            Poll::Ready(answer) => answer,
            Poll::Pending if this.open.as_ref().is_some_and(|open| open.is_overdue(this.timeout.1.into())) => {
                too_slow(this.timeout.0).into_response().map(AnswerBody::Stream)
            }
            Poll::Pending => return Poll::Pending,
        };
        let open = this.open.take();
        Poll::Ready(Ok(answer.map(|body| Answer { body, _open: open })))
    }
}

fn too_slow(request_timeout: Duration) -> Problem {
    Problem::new(
        Code::Unavailable,
        format!("No answer within {request_timeout:?}; the same request with the same id may be sent again."),
    )
}

/// A body that did not arrive in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the body did not arrive within {0:?}")]
pub struct BodyTooSlow(pub Duration);

/// A request's body, which must be complete within its time from the first wait for it.
pub struct RequestBody {
    body: Incoming,
    pulse: Arc<Pulse>,
    body_timeout: Option<Duration>,
    deadline: Option<Pin<Box<Sleep>>>,
}

impl HttpBody for RequestBody {
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = self.get_mut();
        if let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(cx) {
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let Some(body_timeout) = this.body_timeout else { return Poll::Pending };
        let deadline = this.deadline.get_or_insert_with(|| Box::pin(tokio::time::sleep(body_timeout)));
        deadline.as_mut().poll(cx).map(|()| Some(Err(BodyTooSlow(body_timeout).into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        if !self.body.is_end_stream() {
            self.pulse.leave_unread();
        }
    }
}

/// The body of an answer; its request is open until this is dropped.
pub struct Answer {
    body: AnswerBody,
    _open: Option<OpenRequest>,
}

enum AnswerBody {
    Whole(Whole),
    Stream(Body),
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match &mut self.get_mut().body {
            AnswerBody::Whole(body) => Poll::Ready(body.next().map(Ok)),
            AnswerBody::Stream(body) => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.body {
            AnswerBody::Whole(body) => body.is_over(),
            AnswerBody::Stream(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.body {
            AnswerBody::Whole(body) => body.len().map_or_else(SizeHint::default, SizeHint::with_exact),
            AnswerBody::Stream(body) => body.size_hint(),
        }
    }
}
