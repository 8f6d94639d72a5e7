//! What a listener serves: a router, and before it what is asked most.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use axum::Router;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;

use super::gate::RequestBody;

/// An answer that is being made without the router.
pub type Answering = Pin<Box<dyn Future<Output = Response<Full<Bytes>>> + Send>>;

/// Answers some requests itself, exactly as the router would; a router's matching, its layers and its bodies
/// cost as much as a decision.
pub trait Direct: Send + Sync + 'static {
    /// The answer, or the request back: then it is the router's.
    ///
    /// # Errors
    /// A request that is not answered here.
    #[expect(clippy::result_large_err, reason = "what comes back is the request itself")]
    fn answer(&self, request: Request<RequestBody>) -> Result<Answering, Request<RequestBody>>;
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
