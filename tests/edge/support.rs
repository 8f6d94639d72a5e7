//! A small router behind the real listener, and a caller that writes bytes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{FromRef, State};
use axum::http::{HeaderMap, HeaderName, Method, Request, Response};
use axum::routing::{get, post};
use http_body_util::{BodyExt, Collected};
use purser::api::ids::{InPath, operation_id};
use purser::api::json::{Body, BodyLimits, Json};
use purser::api::listen::{Answering, Bound, Direct, Front, Limits, Meters, RequestBody, Serving, serve};
use purser::api::problem::{Code, Problem, with_fallbacks};
use purser::api::wire::{Amount, Whole, Wire};
use purser::config::Listen;
use purser::domain::{OperationId, TeamId, UserId};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

/// Short enough to wait for, long enough for a loaded machine.
pub const LIMITS: Limits = Limits {
    connections_max: 8,
    header_timeout: Duration::from_millis(100),
    body_timeout: Some(Duration::from_millis(100)),
    idle_timeout: Duration::from_millis(200),
    request_timeout: Duration::from_millis(300),
    stall_timeout: Duration::from_millis(600),
    ..Limits::DEFAULT
};

/// Far above every limit: what takes this long hangs.
pub const HANGS: Duration = Duration::from_secs(10);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Debit {
    id: Option<Wire<OperationId>>,
    team: Option<Wire<TeamId>>,
    member: Wire<UserId>,
    credits: Amount,
    ttl_ms: Option<Whole<1_000, 86_400_000>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Batch<'a> {
    #[serde(borrow)]
    ops: Vec<&'a RawValue>,
}

async fn debit(headers: HeaderMap, Json(debit): Json<Debit>) -> Result<String, Problem> {
    let id = operation_id(&headers, debit.id.map(|id| id.0))?;
    let id = id.as_ref().map_or("-", OperationId::as_str);
    let team = debit.team.as_ref().map_or("-", |team| team.0.as_str());
    let ttl = debit.ttl_ms.map_or(0, Whole::get);
    Ok(format!("{id} {team} {} {} {ttl}", debit.member.0, debit.credits.0))
}

async fn batch(body: Body<true>) -> Result<String, Problem> {
    let batch: Batch<'_> = body.read()?;
    for (row, op) in batch.ops.iter().enumerate() {
        purser::api::json::read::<Debit>(op.get()).map_err(|fault| fault.in_row(row).in_field("ops"))?;
    }
    Ok(batch.ops.len().to_string())
}

async fn balance(InPath((team, member)): InPath<(TeamId, UserId)>) -> String {
    format!("{team} {member}")
}

async fn release(InPath(id): InPath<OperationId>) -> String {
    id.to_string()
}

/// Where requests of `/wait` stand until they are let through.
pub struct Gate {
    pub arrived: Semaphore,
    pub passes: Semaphore,
}

impl Gate {
    /// Waits until one more request has arrived.
    pub async fn arrival(&self) {
        self.arrived.acquire().await.expect("is never closed").forget();
    }
}

#[derive(Clone)]
struct Shared {
    gate: Arc<Gate>,
    bodies: BodyLimits,
}

impl FromRef<Shared> for BodyLimits {
    fn from_ref(shared: &Shared) -> Self {
        shared.bodies
    }
}

async fn wait(gate: &Gate) {
    gate.arrived.add_permits(1);
    gate.passes.acquire().await.expect("is never closed").forget();
}

async fn waited(State(Shared { gate, .. }): State<Shared>) -> &'static str {
    wait(&gate).await;
    "waited"
}

fn router(gate: Arc<Gate>) -> Router {
    let router: Router<Shared> = Router::new()
        .route("/v1/debits", post(debit))
        .route("/v1/batch", post(batch))
        .route("/v1/holds/{id}/release", post(release))
        .route("/v1/teams/{team}/members/{member}/balance", get(balance))
        .route("/wait", get(waited))
        .route("/large", get(|| async { vec![b'x'; 64 * 1024 * 1024] }));
    with_fallbacks(router).with_state(Shared { gate, bodies: BodyLimits::default() })
}

/// Answers before the router: `POST /echo` with its body, `POST /wait` once it is let through.
struct Early(Arc<Gate>);

impl Direct for Early {
    fn answer(&self, request: Request<RequestBody>) -> Result<Answering<'static>, Request<RequestBody>> {
        let path = request.uri().path().to_owned();
        if request.method() != Method::POST || !["/echo", "/wait"].contains(&&*path) {
            return Err(request);
        }
        let gate = Arc::clone(&self.0);
        Ok(Box::pin(async move {
            let body = request.into_body().collect().await.map(Collected::to_bytes);
            if path == "/wait" {
                wait(&gate).await;
            }
            match body {
                Ok(body) => Response::new(body.into()),
                Err(error) => Problem::new(Code::RequestTimeout, error.to_string()).answer(),
            }
        }))
    }

    fn plain_headers(&self) -> Option<&'static [HeaderName]> {
        Some(&[])
    }
}

/// A listener at work, and the gate of `/wait`.
pub struct Edge {
    pub serving: Serving,
    pub gate: Arc<Gate>,
}

impl Edge {
    pub fn start(address: &str, limits: Limits, meters: Meters) -> Self {
        let address: Listen = address.parse().expect("an address");
        let gate = Arc::new(Gate { arrived: Semaphore::new(0), passes: Semaphore::new(0) });
        let bound = Bound::open(&address).expect("opens");
        let front = Front { direct: Some(Arc::new(Early(Arc::clone(&gate)))), router: router(Arc::clone(&gate)) };
        Self { serving: serve(vec![bound], front, limits, meters), gate }
    }

    pub fn tcp() -> Self {
        Self::start("127.0.0.1:0", LIMITS, Meters::default())
    }

    pub fn address(&self) -> SocketAddr {
        match &self.serving.addresses()[0] {
            Listen::Tcp(address) => *address,
            Listen::Unix(path) => panic!("{} is no TCP address", path.display()),
        }
    }

    pub async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address()).await.expect("connects")
    }

    /// Sends a request on a connection of its own and gives the answer.
    pub async fn ask(&self, request: &str) -> Answer {
        let mut stream = self.connect().await;
        stream.write_all(request.as_bytes()).await.expect("sends");
        read_answer(&mut stream).await.expect("an answer")
    }
}

/// A `POST` of a JSON body.
pub fn post_json(path: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nhost: p\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    )
}

/// A `GET`.
pub fn get_path(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: p\r\n\r\n")
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    /// The problem's code and pointer; checks that it is a whole problem.
    pub fn problem(&self) -> (String, Option<String>) {
        assert!(self.head.contains("content-type: application/problem+json"), "{self:?}");
        let problem: serde_json::Value = serde_json::from_str(&self.body).expect("JSON");
        let text = |name: &str| problem[name].as_str().map(str::to_owned);
        let code = text("code").expect("a code");
        assert_eq!(text("type"), Some(format!("urn:purser:problem:{code}")));
        assert_eq!(problem["status"], self.status);
        assert!(text("title").is_some() && text("detail").is_some_and(|detail| detail.len() > 8), "{self:?}");
        (code, text("pointer"))
    }
}

/// One answer with a content length; `None` when the connection ends before one.
pub async fn read_answer(stream: &mut (impl AsyncRead + Unpin)) -> Option<Answer> {
    tokio::time::timeout(HANGS, async {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.ok()?);
        }
        let head = String::from_utf8(head).expect("text").to_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).expect("a length");
        let mut body = vec![0; length.parse().expect("a number")];
        stream.read_exact(&mut body).await.ok()?;
        let status = head.split(' ').nth(1).expect("a status").parse().expect("a number");
        Some(Answer { status, head, body: String::from_utf8(body).expect("text") })
    })
    .await
    .expect("the listener answers or closes")
}

/// Waits until the other side closes.
pub async fn read_to_close(stream: &mut (impl AsyncRead + Unpin)) {
    let mut rest = Vec::new();
    // A reset is a close as well.
    let _ = tokio::time::timeout(HANGS, stream.read_to_end(&mut rest)).await.expect("the listener closes");
    assert_eq!(String::from_utf8_lossy(&rest), "");
}
