//! A whole sidecar on a free port, callers of every kind, and a team to work on.

use std::fmt::Write as _;
use std::fs;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, Method, Request};
use http_body_util::BodyExt;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use purser::clock::{Clock, ManualClock};
use purser::config::{Config, Listen, Live};
use purser::domain::{Ask, OperationId, TeamId, UserId};
use purser::engine::{Draw, Drawn};
use purser::server::Server;
use purser::store::Store;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

/// Far above every limit: what takes this long hangs.
const HANGS: Duration = Duration::from_secs(30);

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    Admin,
    Gateway,
    User(&'static str),
    /// Without a token.
    Nobody,
}

/// Owns `sub_1` and the team `acme`.
pub const OWNER: Who = Who::User("olga");
/// An admin of `acme`.
pub const ADAM: Who = Who::User("adam");
/// A plain member of `acme`.
pub const MIA: Who = Who::User("mia");
/// In no team.
pub const STRANGER: Who = Who::User("sam");

pub struct Sidecar {
    pub server: Server,
    pub clock: ManualClock,
    client: Client<HttpConnector, Body>,
    base: String,
    _place: TempDir,
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The JSON of an answer that must have this status.
    #[track_caller]
    pub fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        if self.body.is_empty() { Value::Null } else { self.json() }
    }

    /// Status, code and pointer of a problem.
    #[track_caller]
    pub fn problem(&self) -> (u16, String, Option<String>) {
        assert_eq!(self.headers[CONTENT_TYPE], "application/problem+json", "{self:?}");
        let problem = self.json();
        assert_eq!(problem["status"], self.status);
        assert!(problem["detail"].as_str().is_some_and(|detail| detail.len() > 8), "{self:?}");
        let text = |name: &str| problem[name].as_str().map(str::to_owned);
        (self.status, text("code").expect("a code"), text("pointer"))
    }
}

fn hash(token: &str) -> String {
    Sha256::digest(token).iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").expect("writes to memory");
        hex
    })
}

impl Sidecar {
    /// An empty sidecar on 22 November 2026.
    pub async fn start() -> Self {
        Self::start_on(None).await
    }

    /// The same on a store that is there already.
    pub async fn start_on(store: Option<Arc<dyn Store>>) -> Self {
        Self::start_with(store, |_| {}).await
    }

    /// The same with a configuration of its own.
    pub async fn start_with(store: Option<Arc<dyn Store>>, change: impl FnOnce(&mut Config)) -> Self {
        let place = tempfile::tempdir().expect("a folder");
        let tokens = place.path().join("tokens");
        fs::write(&tokens, format!("admin root {}\ngateway edge {}\n", hash("admin"), hash("gateway")))
            .expect("writes");
        let mut config = Config { data: place.path().join("data"), ..Config::default() };
        config.server.http = vec!["127.0.0.1:0".parse().expect("an address")];
        config.auth.tokens_file = Live(Some(tokens));
        change(&mut config);
        let clock = Clock::manual("2026-11-22T12:00:00Z".parse().expect("a time"));
        let server = Server::start_on(&config, clock.clock(), store).await.expect("starts");
        let Listen::Tcp(address) = &server.addresses()[0] else { panic!("a TCP address") };
        let base = format!("http://{address}");
        let client = Client::builder(TokioExecutor::new()).build_http();
        Self { server, clock, client, base, _place: place }
    }

    /// A sidecar with `sub_1` of olga (3 seats of 100 credits), her team `acme`, its admin adam, and
    /// its member mia, who draws on the pool up to 50.
    pub async fn with_team() -> Self {
        let sidecar = Self::start().await;
        sidecar.found().await;
        sidecar
    }

    /// Makes the team of [`Self::with_team`].
    pub async fn found(&self) {
        let sidecar = self;
        sidecar.put("/v1/subscriptions/sub_1", terms()).await.expect(201);
        sidecar.put("/v1/teams/acme", json!({ "owner": "olga" })).await.expect(201);
        sidecar.put("/v1/teams/acme/members/adam", json!({ "role": "admin" })).await.expect(201);
        let mia = json!({ "access": "credits", "limit": "50" });
        sidecar.put("/v1/teams/acme/members/mia", mia).await.expect(201);
    }

    pub fn address(&self) -> &str {
        self.base.trim_start_matches("http://")
    }

    pub async fn send(&self, who: Who, method: &str, path: &str, body: Option<String>, accept: &str) -> Answer {
        let method: Method = method.parse().expect("a method");
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.base));
        let token = |token: &str| format!("Bearer {token}");
        request = match who {
            Who::Nobody => request,
            Who::Gateway => request.header(AUTHORIZATION, token("gateway")),
            Who::Admin => request.header(AUTHORIZATION, token("admin")),
            Who::User(user) => request.header(AUTHORIZATION, token("admin")).header("purser-actor", user),
        };
        if !accept.is_empty() {
            request = request.header(ACCEPT, accept);
        }
        if body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let request = request.body(body.map_or_else(Body::empty, Body::from)).expect("a request");
        let asking = async {
            let (parts, body) = self.client.request(request).await.expect("an answer").into_parts();
            let body = body.collect().await.expect("a whole answer").to_bytes();
            let body = String::from_utf8(body.to_vec()).expect("text");
            Answer { status: parts.status.as_u16(), headers: parts.headers, body }
        };
        tokio::time::timeout(HANGS, asking).await.expect("the sidecar answers")
    }

    pub async fn ask(&self, who: Who, method: &str, path: &str, body: Value) -> Answer {
        let body = (!body.is_null()).then(|| body.to_string());
        self.send(who, method, path, body, "").await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.ask(Who::Admin, "GET", path, Value::Null).await
    }

    pub async fn put(&self, path: &str, body: Value) -> Answer {
        self.ask(Who::Admin, "PUT", path, body).await
    }

    /// A debit, or a hold of a minute, that must be allowed.
    pub async fn draw(&self, id: &str, team: Option<&str>, member: &str, credits: &str, hold: bool) {
        let draw = Draw {
            id: OperationId::new(id).expect("an id"),
            team: team.map(|team| TeamId::new(team).expect("an id")),
            member: UserId::new(member).expect("an id"),
            ask: Ask { credits: credits.parse().expect("an amount"), min_credits: None, model: None },
            ttl_millis: hold.then_some(60_000),
            pricing: Default::default(),
        };
        let drawn = self.server.service().draw(&draw, None).await.expect("decides");
        assert!(matches!(drawn, Drawn::Allowed(_)), "{drawn:?}");
    }
}

/// Olga's terms of `sub_1`.
pub fn terms() -> Value {
    json!({
        "owner": "olga", "plan": "team", "status": "active", "seats": 3, "credits_per_seat": "100",
        "billing_anchor": "2026-11-01T00:00:00Z",
        "features": { "private_workflows": true, "save_history": false, "model_whitelist": true },
    })
}
