//! What a listener serves: a router, and before it what is asked most.

use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;

use axum::Router;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, Method, Request, Response, Uri, Version};
use hyper::body::Frame;

use super::gate::RequestBody;
use crate::api::problem::Problem;

/// An answer that is being made without the router.
pub type Answering<'a> = Pin<Box<dyn Future<Output = Response<Whole>> + Send + 'a>>;

/// What has to come about before an answer may be given, or what is answered in its place.
pub type Until<'a> = Pin<Box<dyn Future<Output = Result<(), Problem>> + Send + 'a>>;

/// A request that has come as a whole, as it lies in what was received.
#[derive(Debug)]
pub struct Plain<'a> {
    /// What is asked for: a path, and perhaps a query.
    pub target: &'a str,
    /// Those of its headers that were asked for.
    pub headers: &'a HeaderMap,
    /// The number of its head on its connection: another one where any byte of it is another, but for the body's length.
    pub head: u64,
    /// All of its body.
    pub body: &'a [u8],
}

impl Plain<'_> {
    /// The same for a router; `None`: its target is none.
    pub(super) fn request(self) -> Option<Request<Bytes>> {
        let mut request = Request::new(Bytes::copy_from_slice(self.body));
        *request.uri_mut() = Uri::try_from(self.target).ok()?;
        *request.method_mut() = Method::POST;
        *request.version_mut() = Version::HTTP_11;
        request.headers_mut().clone_from(self.headers);
        Some(request)
    }
}

/// What is answered to a plain request, as far as that was decided at once.
pub enum Decided<'a> {
    /// This JSON with status 200, as soon as it may be given.
    Json(Vec<u8>, Until<'a>),
    /// What is wrong.
    Refused(Problem),
    /// What is not known yet.
    Open(Answering<'a>),
}

/// The body of such an answer.
#[derive(Debug, Default)]
pub struct Whole {
    bytes: Bytes,
    trailers: Option<HeaderMap>,
}

impl Whole {
    /// These bytes, and what follows them on HTTP/2.
    pub fn new(bytes: Bytes, trailers: Option<HeaderMap>) -> Self {
        Self { bytes, trailers }
    }

    /// What is still to be sent, piece by piece.
    pub(super) fn next(&mut self) -> Option<Frame<Bytes>> {
        if !self.bytes.is_empty() {
            return Some(Frame::data(mem::take(&mut self.bytes)));
        }
        self.trailers.take().map(Frame::trailers)
    }

    /// All of them that are not sent yet.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn is_over(&self) -> bool {
        self.bytes.is_empty() && self.trailers.is_none()
    }

    /// How many bytes there are, where nothing follows them.
    pub(super) fn len(&self) -> Option<u64> {
        self.trailers.is_none().then_some(self.bytes.len() as u64)
    }
}

impl From<Bytes> for Whole {
    fn from(bytes: Bytes) -> Self {
        Self::new(bytes, None)
    }
}

/// Answers some requests itself, exactly as the router would; a router's matching, its layers and its bodies
/// cost as much as a decision.
pub trait Direct: Send + Sync + 'static {
    /// The answer, or the request back: then it is the router's.
    ///
    /// # Errors
    /// A request that is not answered here.
    #[expect(clippy::result_large_err, reason = "what comes back is the request itself")]
    fn answer(&self, request: Request<RequestBody>) -> Result<Answering<'static>, Request<RequestBody>>;

    /// What decides plain requests of a new connection at once, if anything does.
    fn deciding(&self) -> Option<Box<dyn Deciding<'_> + '_>> {
        None
    }

    /// The headers of a request that its answer depends on, where nothing of HTTP/1.1 is needed to answer it but a request and
    /// an answer in one piece each: `plain` does without hyper then.
    fn plain_headers(&self) -> Option<&'static [HeaderName]> {
        None
    }
}

/// Decides plain requests of one connection at once, without a future for each.
pub trait Deciding<'a>: Send {
    /// What is decided; `None`: nothing was done, and the request is for [`Direct::answer`].
    fn decide(&mut self, request: &Plain<'_>) -> Option<Decided<'a>>;
}

/// What a listener serves.
#[derive(Clone)]
pub struct Front {
    /// Asked first.
    pub direct: Option<Arc<dyn Direct>>,
    /// Answers everything else.
    pub router: Router,
}

impl From<Router> for Front {
    fn from(router: Router) -> Self {
        Self { direct: None, router }
    }
}
