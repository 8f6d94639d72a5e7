//! Around every call: who is calling is known before the message is read, the answer is counted, its panic is an error, and
//! what the library says of a message that cannot be read is said in our words.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::extract::Request;
use axum::response::Response;
use tonic::{Code, Status};
use tower::{Layer, Service};

use super::faults::in_our_words;
use crate::api::auth::Caller;
use crate::api::problem::Problem;
use crate::api::routes::guard::caught;
use crate::api::state::App;
use crate::metrics::{Call, Metrics};

/// The paths of calls that ask nobody who it is: health and reflection, as over HTTP.
const OPEN: [&str; 2] = ["/grpc.health.v1.Health/", "/grpc.reflection.v1.ServerReflection/"];

/// The stream whose requests are counted one by one, where they are answered.
pub const DECIDE: &str = "/purser.v1.Purser/Decide";

/// Every call, by its path.
const PATHS: [&str; 14] = [
    "/purser.v1.Purser/Debit",
    "/purser.v1.Purser/Hold",
    "/purser.v1.Purser/Check",
    "/purser.v1.Purser/Settle",
    "/purser.v1.Purser/Release",
    "/purser.v1.Purser/Extend",
    "/purser.v1.Purser/Refund",
    "/purser.v1.Purser/Balance",
    DECIDE,
    "/envoy.service.auth.v3.Authorization/Check",
    "/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit",
    "/grpc.health.v1.Health/Check",
    "/grpc.health.v1.Health/Watch",
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
];

/// Guards every call.
#[derive(Clone)]
pub struct Guards {
    app: App,
    counted: Arc<Counted>,
}

/// The counters of calls, and of what is none.
struct Counted {
    calls: [Call; PATHS.len()],
    none: Call,
}

impl Guards {
    /// Lets in whom this state knows, and counts into its metrics.
    pub fn new(app: App) -> Self {
        let metrics = app.service.metrics();
        let counted = Counted { calls: PATHS.map(|path| call(metrics, path)), none: metrics.call("none") };
        Self { app, counted: Arc::new(counted) }
    }
}

/// The counters of one call.
pub fn call(metrics: &Metrics, path: &'static str) -> Call {
    metrics.call(path.trim_start_matches('/'))
}

impl<S> Layer<S> for Guards {
    type Service = Guarded<S>;

    fn layer(&self, inner: S) -> Guarded<S> {
        Guarded { inner, guards: self.clone() }
    }
}

/// Guarded calls.
#[derive(Clone)]
pub struct Guarded<S> {
    inner: S,
    guards: Guards,
}

impl<S> Service<Request> for Guarded<S>
where
    S: Service<Request, Response = Response, Error = Infallible, Future: Send + 'static>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        let Guards { app, counted } = &self.guards;
        let path = request.uri().path();
        let at = PATHS.iter().position(|known| *known == path);
        let call = at.map_or(&counted.none, |at| &counted.calls[at]).clone();
        let is_counted_here = path != DECIDE;
        let is_open = OPEN.iter().any(|open| path.starts_with(open));
        let known = (!is_open).then(|| Caller::of(request.headers(), app)).transpose();
        let answer = match known {
            Ok(caller) => {
                request.extensions_mut().extend(caller.map(with).unwrap_or_default());
                Ok(self.inner.call(request))
            }
            Err(problem) => Err(problem),
        };
        Box::pin(async move {
            let answer = match answer {
                Ok(answer) => caught(answer).await.map(|Ok(answer)| answer),
                Err(problem) => Err(problem),
            };
            Ok(answered(answer, &call, is_counted_here))
        })
    }
}

fn with(caller: Caller) -> http::Extensions {
    let mut extensions = http::Extensions::new();
    extensions.insert(caller);
    extensions
}

/// The answer, counted. One that says how it ended in its head has failed; of the others only a stream can fail later.
fn answered(answer: Result<Response, Problem>, call: &Call, is_counted_here: bool) -> Response {
    let status = match &answer {
        Ok(answer) => Status::from_header_map(answer.headers()),
        Err(problem) => Some(problem.clone().into()),
    };
    match (status, answer) {
        (Some(status), Ok(answer)) if status.code() == Code::Ok => {
            call.answered(Code::Ok as usize);
            answer
        }
        (None, Ok(answer)) => {
            if is_counted_here {
                call.answered(Code::Ok as usize);
            }
            answer
        }
        (status, _) => {
            let status = in_our_words(status.expect("a problem has a status"));
            call.answered(status.code() as usize);
            status.into_http()
        }
    }
}
