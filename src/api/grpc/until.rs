//! A request's messages, as they come until the server stops. For streams whose service does not end them by itself: an open one would
//! keep the server from stopping until it gives up waiting.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::extract::Request;
use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame};
use tokio::sync::watch;

/// The request whose messages end, as if its caller had no more, once `closing` says true.
pub fn closing(request: Request, mut closing: watch::Receiver<bool>) -> Request {
    let closed = Box::pin(async move { drop(closing.wait_for(|is_closing| *is_closing).await) });
    request.map(|body| Body::new(Until { body, closed: Some(closed) }))
}

struct Until {
    body: Body,
    /// `None`: it has ended.
    closed: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl HttpBody for Until {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = self.get_mut();
        let Some(closed) = &mut this.closed else { return Poll::Ready(None) };
        if let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(cx) {
            return Poll::Ready(frame);
        }
        std::task::ready!(closed.as_mut().poll(cx));
        this.closed = None;
        Poll::Ready(None)
    }
}
