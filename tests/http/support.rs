//! A sidecar with a team in it, and a caller that writes requests.

use std::fmt::Write as _;
use std::time::Duration;

use purser::clock::{Clock, ManualClock};
use purser::config::{Config, Listen, Live, StoreUrl};
use purser::domain::{Access, Credits, Features, OperationId, Role, SubscriptionId, TeamId, Timestamp, UserId};
use purser::root::command::Settings;
use purser::root::{Actor, Command, Rollover, Status, Terms};
use purser::server::Server;
use serde_json::Value;
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

/// The bearer of the gateway's token.
pub const GATEWAY: &str = "authorization: Bearer the-gateway";

/// The bearer of an admin's token.
pub const ADMIN: &str = "authorization: Bearer the-admin";

/// Far above every limit: what takes this long hangs.
const HANGS: Duration = Duration::from_secs(20);

/// A sidecar at work, with a clock that stands still.
pub struct Sidecar {
    pub server: Server,
    pub clock: ManualClock,
    pub folder: TempDir,
}

pub fn credits(text: &str) -> Credits {
    text.parse().expect("credits")
}

/// A tokens file for [`GATEWAY`] and [`ADMIN`].
pub fn tokens() -> String {
    let mut tokens = String::new();
    for (role, token) in [("gateway", "the-gateway"), ("admin", "the-admin")] {
        let hash = Sha256::digest(token.as_bytes());
        let hex = hash.iter().fold(String::new(), |mut hex, byte| {
            write!(hex, "{byte:02x}").expect("a text takes all");
            hex
        });
        writeln!(tokens, "{role} test {hex}").expect("a text takes all");
    }
    tokens
}

fn user(name: &str) -> UserId {
    UserId::new(name).expect("a user")
}

fn settings(role: Role, access: Access) -> Settings {
    Settings { role, access, limit: None, opted_out: false }
}

impl Sidecar {
    /// A sidecar without tokens: every caller is an admin.
    ///
    /// Team `acme` of `olga` has the pool `sub_1` with 100 credits a month. In it: `adam` (admin, seat,
    /// limit 10), `ana` (seat, limit 10), `ben` (credits), `cat` (personal, no own credits) and `otto`
    /// (credits, opted out). `dan` is in no team and owns `sub_2` with 50 credits.
    pub async fn open() -> Self {
        Self::start(|_| {}).await
    }

    /// The same with tokens for a gateway and an admin.
    pub async fn closed() -> Self {
        Self::start(|config| {
            let tokens = tokens();
            let file = config.data.with_file_name("tokens");
            std::fs::write(&file, tokens).expect("writes");
            config.auth.tokens_file = Live(Some(file));
        })
        .await
    }

    /// The same with a configuration of its own.
    pub async fn start(change: impl FnOnce(&mut Config)) -> Self {
        let folder = TempDir::new().expect("a folder");
        let clock = Clock::manual("2026-11-22T12:00:00Z".parse().expect("a time"));
        let mut config = Config { data: folder.path().join("data"), ..Config::default() };
        config.server.http = vec!["127.0.0.1:0".parse().expect("an address")];
        config.store.url = StoreUrl::Memory;
        change(&mut config);
        let server = Server::start(&config, clock.clock()).await.expect("starts");
        let sidecar = Self { server, clock, folder };
        sidecar.found().await;
        sidecar
    }

    async fn found(&self) {
        self.subscribe("sub_1", "olga", "20").await;
        self.subscribe("sub_2", "dan", "10").await;
        let team = TeamId::new("acme").expect("a team");
        self.control(Command::PutTeam { id: team.clone(), name: None, owner: Some(user("olga")) }).await;
        let limit = Some(credits("10"));
        for (name, settings) in [
            ("adam", Settings { limit, ..settings(Role::Admin, Access::Seat) }),
            ("ana", Settings { limit, ..settings(Role::Member, Access::Seat) }),
            ("ben", settings(Role::Member, Access::Credits)),
            ("cat", settings(Role::Member, Access::Personal)),
            ("otto", Settings { opted_out: true, ..settings(Role::Member, Access::Credits) }),
        ] {
            self.control(Command::PutMember { team: team.clone(), user: user(name), settings }).await;
        }
    }

    async fn subscribe(&self, id: &str, owner: &str, credits_per_seat: &str) {
        let terms = Terms {
            owner: user(owner),
            plan: "team".to_owned(),
            status: Status::Active,
            seats: 5,
            credits_per_seat: credits(credits_per_seat),
            anchor: "2026-11-01T00:00:00Z".parse::<Timestamp>().expect("a time"),
            rollover: Rollover::default(),
            features: Features { model_whitelist: true, ..Features::default() },
        };
        self.control(Command::PutSubscription { id: SubscriptionId::new(id).expect("an id"), terms }).await;
    }

    /// Buys credits for `acme`.
    pub async fn purchase(&self, id: &str, amount: &str) {
        let subscription = SubscriptionId::new("sub_1").expect("an id");
        let id = OperationId::new(id).expect("an id");
        self.control(Command::Purchase { subscription, id, credits: credits(amount), expires_at: None }).await;
    }

    /// Has the root do it, as an operator.
    pub async fn control(&self, command: Command) {
        let actor = Actor::Service("test".to_owned());
        let controlled = self.server.service().control(command, actor).await.expect("the store is there");
        controlled.answer.expect("is done");
    }

    /// Sends `method path` with header lines and, unless it is empty, a JSON body.
    pub async fn ask(&self, method_path: &str, headers: &[&str], body: &str) -> Answer {
        self.send(&request(method_path, headers, body)).await
    }

    /// A `POST` of a body without further headers.
    pub async fn post(&self, path: &str, body: &str) -> Answer {
        self.ask(&format!("POST {path}"), &[], body).await
    }

    /// A `GET` without further headers.
    pub async fn get(&self, path: &str) -> Answer {
        self.ask(&format!("GET {path}"), &[], "").await
    }

    /// Sends bytes as they are, on a connection of their own.
    pub async fn send(&self, request: &str) -> Answer {
        match &self.server.addresses()[0] {
            Listen::Tcp(address) => exchange(TcpStream::connect(address).await.expect("connects"), request).await,
            Listen::Unix(path) => exchange(UnixStream::connect(path).await.expect("connects"), request).await,
        }
    }
}

/// A request as bytes. The connection is for it alone.
pub fn request(method_path: &str, headers: &[&str], body: &str) -> String {
    let mut request = format!("{method_path} HTTP/1.1\r\nhost: p\r\nconnection: close\r\n");
    for header in headers {
        request.extend([header, "\r\n"]);
    }
    if !body.is_empty() {
        let length = body.len();
        write!(request, "content-type: application/json\r\ncontent-length: {length}\r\n").expect("a text takes all");
    }
    request + "\r\n" + body
}

/// Sends a request and reads until the connection closes.
pub async fn exchange(mut stream: impl AsyncRead + AsyncWrite + Unpin, request: &str) -> Answer {
    let exchange = async {
        // The answer may come, and the connection close, before all of a large body is sent.
        let _ = stream.write_all(request.as_bytes()).await;
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes).await;
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let text = tokio::time::timeout(HANGS, exchange).await.expect("the sidecar answers");
    let (head, body) = text.split_once("\r\n\r\n").expect("a whole head");
    let status = head.split(' ').nth(1).expect("a status").parse().expect("a number");
    Answer { status, head: head.to_ascii_lowercase(), body: body.to_owned() }
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The body of an answer with status 200.
    pub fn ok(&self) -> Value {
        assert_eq!(self.status, 200, "{self:?}");
        assert_eq!(self.header("content-type"), Some("application/json"), "{self:?}");
        self.json()
    }

    /// A header's value, in small letters.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    /// The problem's status, code and pointer; checks that it is a whole problem.
    pub fn problem(&self) -> (u16, String, String) {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        let problem = self.json();
        let text = |name: &str| problem[name].as_str().unwrap_or_default().to_owned();
        assert_eq!(text("type"), format!("urn:purser:problem:{}", text("code")), "{self:?}");
        assert_eq!(problem["status"], self.status, "{self:?}");
        assert!(text("title").len() > 3 && text("detail").len() > 8, "{self:?}");
        assert_eq!(self.status == 503, self.header("retry-after").is_some(), "{self:?}");
        (self.status, text("code"), text("pointer"))
    }
}
