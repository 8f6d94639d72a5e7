//! Between what reads requests, hyper or `plain`, and what answers: every request is counted while it is open, its body has a deadline,
//! and its handler has one.

use std::convert::Infallible;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use axum::routing::future::RouteFuture;
use bytes::Bytes;
use http::{Request, Response, Version};
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use hyper::service::Service;
use tokio::time::Sleep;

use super::connection::Shared;
use super::front::{self, Decided, Direct, Plain, Whole};
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

impl Gate {
    /// Answers a plain request that is answered before the router, where it was not `decided` at once; none other.
    pub fn begin<'a>(
        &self,
        decided: Option<Decided<'a>>,
        request: Plain<'_>,
        direct: &'a dyn Direct,
    ) -> Option<(Decided<'a>, Timed)> {
        let decided = decided.or_else(|| self.answering(request, direct))?;
        Some((decided, self.open(Version::HTTP_11)))
    }

    fn answering<'a>(&self, request: Plain<'_>, direct: &'a dyn Direct) -> Option<Decided<'a>> {
        let request = request.request()?.map(|body| self.body(Source::Whole(body)));
        direct.answer(request).ok().map(Decided::Open)
    }

    fn body(&self, source: Source) -> RequestBody {
        let (pulse, body_timeout) = (Arc::clone(&self.pulse), self.shared.limits.body_timeout);
        RequestBody { source, pulse, body_timeout, deadline: None }
    }

    fn open(&self, version: Version) -> Timed {
        let Shared { limits, request_ticks, .. } = &*self.shared;
        Timed { open: self.pulse.begin(version), timeout: limits.request_timeout, ticks: (*request_ticks).into() }
    }
}

/// A request that is being answered, and the time that it has.
pub struct Timed {
    open: OpenRequest,
    timeout: Duration,
    /// The same in ticks; the connection polls the answer at each of them.
    ticks: u64,
}

impl Timed {
    /// What is waited for, or that it comes too late.
    pub fn in_time<T>(&self, waited: Poll<T>, late: impl FnOnce(Problem) -> T) -> Poll<T> {
        match waited {
            Poll::Pending if self.open.is_overdue(self.ticks) => Poll::Ready(late(too_slow(self.timeout))),
            waited => waited,
        }
    }
}

impl Service<Request<Incoming>> for Gate {
    type Response = Response<Answer>;
    type Error = Infallible;
    type Future = Answering;

    fn call(&self, request: Request<Incoming>) -> Answering {
        let open = self.open(request.version());
        let front = &self.shared.front;
        let request = request.map(|body| self.body(Source::Stream(body)));
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
        Answering { answer, open: Some(open) }
    }
}

/// A request that is being answered, for as long as it may take.
pub struct Answering {
    answer: Maker,
    /// Taken by the answer.
    open: Option<Timed>,
}

enum Maker {
    Direct(front::Answering<'static>),
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
        let answer = ready!(match &this.open {
            Some(open) => open.in_time(answer, |late| late.answer()),
            None => answer,
        });
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
    source: Source,
    pulse: Arc<Pulse>,
    body_timeout: Option<Duration>,
    deadline: Option<Pin<Box<Sleep>>>,
}

enum Source {
    Stream(Incoming),
    Whole(Bytes),
}

impl HttpBody for RequestBody {
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = self.get_mut();
        let body = match &mut this.source {
            Source::Stream(body) => body,
            Source::Whole(bytes) if bytes.is_empty() => return Poll::Ready(None),
            Source::Whole(bytes) => return Poll::Ready(Some(Ok(Frame::data(mem::take(bytes))))),
        };
        if let Poll::Ready(frame) = Pin::new(body).poll_frame(cx) {
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let Some(body_timeout) = this.body_timeout else { return Poll::Pending };
        let deadline = this.deadline.get_or_insert_with(|| Box::pin(tokio::time::sleep(body_timeout)));
        deadline.as_mut().poll(cx).map(|()| Some(Err(BodyTooSlow(body_timeout).into())))
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Stream(body) => body.is_end_stream(),
            Source::Whole(bytes) => bytes.is_empty(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Stream(body) => body.size_hint(),
            Source::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
        }
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        if let Source::Stream(body) = &self.source
            && !body.is_end_stream()
        {
            self.pulse.leave_unread();
        }
    }
}

/// The body of an answer; its request is open until this is dropped.
pub struct Answer {
    body: AnswerBody,
    _open: Option<Timed>,
}

enum AnswerBody {
    Whole(Whole),
    Stream(Body),
}

impl From<Bytes> for AnswerBody {
    fn from(bytes: Bytes) -> Self {
        Self::Whole(bytes.into())
    }
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
