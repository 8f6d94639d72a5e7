//! The model API behind a proxy: answers each call with what it saw of it, and counts the calls.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::serve::ListenerExt;
use http::{HeaderMap, StatusCode};
use http_body_util::channel::{Channel, Sender};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

/// What a call shall use, and how it shall end.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub struct Call {
    pub end: End,
    pub prompt: u64,
    /// Those of the prompt that the model had cached.
    pub cached: u64,
    pub completion: u64,
}

/// How a call ends.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq)]
pub enum End {
    /// Answered as a whole.
    Json,
    /// Answered in parts, of which the last but one tells what was used.
    Stream,
    /// Answered in parts, of which none tells what was used.
    Untold,
    /// Goes on for ever: its caller leaves.
    Endless,
    /// The same, but each part tells what was used until then.
    Counted,
    /// Fails at once.
    Fails,
    /// Breaks in mid-stream.
    Breaks,
}

#[derive(Clone)]
pub struct Upstream {
    pub address: SocketAddr,
    calls: Arc<AtomicUsize>,
    /// What a stream waits for before it sends its second part.
    pub second_part: Arc<Semaphore>,
}

impl Upstream {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
        let address = listener.local_addr().expect("it is bound");
        let upstream = Self { address, calls: Arc::default(), second_part: Arc::new(Semaphore::new(0)) };
        let router = Router::new()
            .route("/v1/chat/completions", post(tell))
            .route("/v1/images/generations", post(tell))
            .route("/v1/stream", get(stream))
            .route("/v1/broken", get(broken))
            .route("/v1/calls", post(call))
            .with_state(upstream.clone());
        // Small parts leave at once, so that the time of a call is no timer's.
        let listener = listener.tap_io(|connection| connection.set_nodelay(true).expect("a TCP option"));
        tokio::spawn(async move { axum::serve(listener, router).await.expect("it serves") });
        upstream
    }

    /// How many calls reached the model.
    pub fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    fn count(&self) {
        self.calls.fetch_add(1, Ordering::SeqCst);
    }
}

async fn tell(State(upstream): State<Upstream>, headers: HeaderMap, body: Bytes) -> Response {
    upstream.count();
    let id = headers.get("purser-id").and_then(|id| id.to_str().ok()).map(str::to_owned);
    axum::Json(json!({ "purser_id": id, "body": String::from_utf8_lossy(&body), "usage": usage() })).into_response()
}

/// What each call has used.
fn usage() -> Value {
    json!({
        "prompt_tokens": 812, "completion_tokens": 400, "total_tokens": 1212, "prompt_tokens_details": { "cached_tokens": 512 }
    })
}

/// Two parts, of which the second is sent only when the test says so, and then what the call has used.
async fn stream(State(upstream): State<Upstream>) -> Response {
    upstream.count();
    let (mut sender, body) = Channel::<Bytes>::new(1);
    tokio::spawn(async move {
        // A caller that has gone away takes no more: nothing is left to do.
        let _ = sender.send_data(Bytes::from_static(b"data: one\n\n")).await;
        upstream.second_part.acquire().await.expect("never closed").forget();
        let _ = sender.send_data(Bytes::from_static(b"data: two\n\n")).await;
        let used = format!("data: {}\n\ndata: [DONE]\n\n", json!({ "choices": [], "usage": usage() }));
        let _ = sender.send_data(Bytes::from(used)).await;
    });
    Response::builder().header("content-type", "text/event-stream").body(Body::new(body)).expect("a response")
}

async fn broken(State(upstream): State<Upstream>) -> StatusCode {
    upstream.count();
    StatusCode::INTERNAL_SERVER_ERROR
}

/// The id that reached the model goes back in the header `saw`.
async fn call(State(upstream): State<Upstream>, headers: HeaderMap, body: Bytes) -> Response {
    upstream.count();
    let call: Call = serde_json::from_slice(&body).expect("the body says how the call shall end");
    let mut answer = match call.end {
        End::Json => {
            let body = json!({ "choices": [], "usage": used(&call) }).to_string();
            ([("content-type", content_type("application/json", &call))], body).into_response()
        }
        End::Fails => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        _ => {
            let (sender, body) = Channel::<Bytes, std::io::Error>::new(1);
            // A caller that has gone away takes no more: nothing is left to do.
            tokio::spawn(async move { parts(call, sender).await });
            ([("content-type", content_type("text/event-stream", &call))], Body::new(body)).into_response()
        }
    };
    if let Some(id) = headers.get("purser-id") {
        answer.headers_mut().insert("saw", id.clone());
    }
    answer
}

/// Some model APIs name their characters as well.
fn content_type(of: &str, call: &Call) -> String {
    if call.completion % 4 < 2 { of.to_owned() } else { format!("{of}; charset=utf-8") }
}

async fn parts(call: Call, mut sender: Sender<Bytes, std::io::Error>) -> Option<()> {
    let event = |value: Value| Bytes::from(format!("data: {value}\n\n"));
    let delta = json!({ "choices": [{ "delta": { "content": "one" } }] });
    let counted = json!({ "choices": [{ "delta": { "content": "one" } }], "usage": used(&call) });
    sender.send_data(event(if call.end == End::Counted { counted } else { delta.clone() })).await.ok()?;
    match call.end {
        End::Breaks => sender.abort(std::io::Error::other("it breaks")),
        End::Endless | End::Counted => std::future::pending().await,
        _ => {
            sender.send_data(event(delta)).await.ok()?;
            if call.end != End::Untold {
                sender.send_data(event(json!({ "choices": [], "usage": used(&call) }))).await.ok()?;
            }
            sender.send_data(Bytes::from_static(b"data: [DONE]\n\n")).await.ok()?;
        }
    }
    Some(())
}

fn used(call: &Call) -> Value {
    json!({
        "prompt_tokens": call.prompt, "completion_tokens": call.completion, "total_tokens": call.prompt + call.completion,
        "prompt_tokens_details": { "cached_tokens": call.cached },
        "completion_tokens_details": { "reasoning_tokens": call.completion / 2 }
    })
}
