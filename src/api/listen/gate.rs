//! Between hyper and the router: every request is counted while it is open, its body has a deadline,
//! and its handler has one.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::IntoResponse;
use bytes::Bytes;
use http::{Request, Response};
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use hyper::service::Service;
use tokio::time::Sleep;

use super::limits::Limits;
use super::pulse::{OpenRequest, Pulse};
use crate::api::problem::{Code, Problem};

/// The router as one connection sees it.
#[derive(Clone)]
pub struct Gate {
    /// What answers.
    pub router: Router,
    /// The connection's counts.
    pub pulse: Arc<Pulse>,
    /// The listener's limits.
    pub limits: Limits,
}

impl Service<Request<Incoming>> for Gate {
    type Response = Response<Answer>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Answer>, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let open = self.pulse.begin(request.version());
        let (body_timeout, request_timeout) = (self.limits.body_timeout, self.limits.request_timeout);
        let pulse = Arc::clone(&self.pulse);
        let request = request.map(|body| Body::new(RequestBody { body, pulse, body_timeout, deadline: None }));
        let answering = tower::Service::call(&mut self.router.clone(), request);
        Box::pin(async move {
            let answer = match tokio::time::timeout(request_timeout, answering).await {
                Ok(Ok(answer)) => answer,
                Err(_) => too_slow(request_timeout).into_response(),
            };
            Ok(answer.map(|body| Answer { body, _open: open }))
        })
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
struct RequestBody {
    body: Incoming,
    pulse: Arc<Pulse>,
    body_timeout: Duration,
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
        let body_timeout = this.body_timeout;
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
    body: Body,
    _open: OpenRequest,
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Pin::new(&mut self.get_mut().body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
