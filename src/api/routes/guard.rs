//! Around every handler: its answer is counted, and its panic is an answer too.
//!
//! A panic is a defect, yet one request's defect must not end the process or leave its caller
//! without a word. What it had locked is not poisoned: state changes only by entries, each whole.

use std::any::Any;
use std::collections::HashMap;
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::extract::{MatchedPath, Request};
use axum::response::Response;
use bytes::Bytes;
use http::Response as HttpResponse;
use parking_lot::RwLock;
use tower::{Layer, Service};

use crate::api::problem::{Code, Problem};
use crate::metrics::{Metrics, Route};

/// The label of requests that no route takes.
const NO_ROUTE: &str = "none";

/// Guards the routes of one router.
#[derive(Clone)]
pub struct Guards(Arc<Routes>);

/// The counters of routes by their path, made when a route is first called. Paths are those of the
/// router, so there are no more of them than routes.
struct Routes {
    metrics: Metrics,
    counted: RwLock<HashMap<Arc<str>, Route, foldhash::fast::RandomState>>,
}

impl Guards {
    /// Counts into these metrics.
    pub fn new(metrics: &Metrics) -> Self {
        Self(Arc::new(Routes { metrics: metrics.clone(), counted: RwLock::default() }))
    }
}

/// Guards an answer that the router does not make.
pub async fn guard<B, F>(route: Route, answer: F) -> HttpResponse<B>
where
    B: From<Bytes>,
    F: Future<Output = HttpResponse<B>>,
{
    let answer = pin!(async { Ok(answer.await) });
    match (Answering { answer, route }).await {
        Ok(answer) => answer,
        Err(never) => match never {},
    }
}

impl Routes {
    fn of(&self, path: Option<&MatchedPath>) -> Route {
        let path = path.map_or(NO_ROUTE, MatchedPath::as_str);
        if let Some(route) = self.counted.read().get(path) {
            return route.clone();
        }
        let path: Arc<str> = path.into();
        let made = || self.metrics.route(Arc::clone(&path));
        self.counted.write().entry(Arc::clone(&path)).or_insert_with(made).clone()
    }
}

impl<S> Layer<S> for Guards {
    type Service = Guarded<S>;

    fn layer(&self, inner: S) -> Guarded<S> {
        Guarded { inner, routes: Arc::clone(&self.0) }
    }
}

/// One guarded route.
#[derive(Clone)]
pub struct Guarded<S> {
    inner: S,
    routes: Arc<Routes>,
}

impl<S> Service<Request> for Guarded<S>
where
    S: Service<Request, Response = Response, Error = Infallible>,
    S::Future: Unpin,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Answering<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let route = self.routes.of(request.extensions().get());
        Answering { answer: self.inner.call(request), route }
    }
}

/// An answer that is being made.
pub struct Answering<F> {
    answer: F,
    route: Route,
}

impl<B, F> Future for Answering<F>
where
    B: From<Bytes>,
    F: Future<Output = Result<HttpResponse<B>, Infallible>> + Unpin,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let answer = &mut this.answer;
        let answer = match poll_caught(Pin::new(answer), cx) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Ok(Ok(answer))) => answer,
            Poll::Ready(Ok(Err(never))) => match never {},
            Poll::Ready(Err(problem)) => problem.answer(),
        };
        this.route.answered(answer.status().as_u16());
        Poll::Ready(Ok(answer))
    }
}

/// What a future comes to, and its panic as a problem.
pub async fn caught<F: Future>(future: F) -> Result<F::Output, Problem> {
    let mut future = pin!(future);
    poll_fn(|cx| poll_caught(future.as_mut(), cx)).await
}

fn poll_caught<F: Future>(future: Pin<&mut F>, cx: &mut Context<'_>) -> Poll<Result<F::Output, Problem>> {
    match caught_now(|| future.poll(cx)) {
        Ok(output) => output.map(Ok),
        Err(problem) => Poll::Ready(Err(problem)),
    }
}

/// What is made at once, and its panic as a problem.
pub fn caught_now<T>(make: impl FnOnce() -> T) -> Result<T, Problem> {
    // Nothing of the request is looked at again after a panic: it is only dropped.
    catch_unwind(AssertUnwindSafe(make)).map_err(|panic| {
        tracing::error!(panic = message(&*panic), "a handler panicked; this is a defect of purser");
        let detail = "Purser has a defect that this request hit; the log has more. The same id may be sent again.";
        Problem::new(Code::Internal, detail)
    })
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a message")
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::Body;
    use axum::routing::get;
    use http::StatusCode;
    use tower::ServiceExt;

    use super::*;

    async fn panics() -> &'static str {
        panic!("a defect for this test")
    }

    #[tokio::test]
    async fn a_panic_is_one_answer_and_counted_like_any_other() {
        let metrics = Metrics::new();
        let router: Router = Router::new()
            .route("/panics", get(panics))
            .route("/fine/{id}", get(|| async { "fine" }))
            .layer(Guards::new(&metrics));
        for (path, status) in [("/panics", 500), ("/fine/1", 200), ("/fine/2", 200), ("/nothing", 404)] {
            let request = Request::get(path).body(Body::empty()).expect("a request");
            let answer = router.clone().oneshot(request).await.expect("an answer");
            assert_eq!(answer.status(), StatusCode::from_u16(status).expect("a status"), "{path}");
        }
        let page = metrics.render();
        for line in [
            r#"{route="/panics",status="500"} 1"#,
            r#"{route="/fine/{id}",status="200"} 2"#,
            r#"{route="none",status="404"} 1"#,
        ] {
            assert!(page.contains(line), "{line} in {page}");
        }
    }
}
