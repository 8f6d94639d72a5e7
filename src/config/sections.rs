//! The sections of the configuration as the program uses them, with their defaults.
//!
//! Why a default is what it is stands beside it in `config/purser.toml`; a test holds the two
//! together.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use super::{Durability, Listen, Live, LogFormat, LogLevel, RedisUrl, StoreUrl, show};

pub(super) const KIB: u64 = 1 << 10;
pub(super) const MIB: u64 = 1 << 20;
pub(super) const GIB: u64 = 1 << 30;
pub(super) const HOUR: Duration = Duration::from_secs(3_600);

/// `[server]`
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Server {
    /// Where the HTTP interface listens; at least one.
    #[serde(serialize_with = "show::texts")]
    pub http: Vec<Listen>,
    /// Where the gRPC interface listens; nowhere when empty.
    #[serde(serialize_with = "show::texts", skip_serializing_if = "Vec::is_empty")]
    pub grpc: Vec<Listen>,
    /// Where metrics and health listen alone; with the interface when `None`.
    #[serde(serialize_with = "show::optional_text", skip_serializing_if = "Option::is_none")]
    pub admin: Option<Listen>,
    /// From the connection, or the first byte of a further request, to the end of the headers.
    #[serde(serialize_with = "show::duration")]
    pub header_timeout: Duration,
    /// From the headers to the end of the body.
    #[serde(serialize_with = "show::duration")]
    pub body_timeout: Duration,
    /// How long a connection may be kept without a request.
    #[serde(serialize_with = "show::duration")]
    pub idle_timeout: Duration,
    /// From the headers of a request to the head of its answer.
    #[serde(serialize_with = "show::duration")]
    pub request_timeout: Duration,
    /// How long an answer may last without a byte moving.
    #[serde(serialize_with = "show::duration")]
    pub stall_timeout: Duration,
    /// Requests at once on one HTTP/2 connection, and on one stream of decisions.
    pub streams_max: u32,
    /// Open connections over all addresses of HTTP, and over all of gRPC; more are closed at once.
    pub connections_max: u32,
    /// Bytes of one body, or of one message of gRPC.
    #[serde(serialize_with = "show::bytes")]
    pub body_bytes_max: u64,
    /// Bytes of the body of a batch or of a bulk change.
    #[serde(serialize_with = "show::bytes")]
    pub batch_bytes_max: u64,
    /// Operations of one batch.
    pub batch_ops_max: u32,
    /// Threads that answer; 0 for one per core.
    pub workers: u32,
    /// How long a stopping server finishes, flushes and returns.
    #[serde(serialize_with = "show::duration")]
    pub drain_deadline: Duration,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            http: vec![Listen::Tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)))],
            grpc: Vec::new(),
            admin: None,
            header_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(90),
            request_timeout: Duration::from_secs(30),
            stall_timeout: Duration::from_secs(60),
            streams_max: 256,
            connections_max: 4096,
            body_bytes_max: 64 * KIB,
            batch_bytes_max: MIB,
            batch_ops_max: 1_000,
            workers: 0,
            drain_deadline: Duration::from_secs(20),
        }
    }
}

/// `[auth]`
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Auth {
    /// The file of service tokens; its content is read anew on SIGHUP too.
    #[serde(serialize_with = "show::live_path", skip_serializing_if = "is_none")]
    pub tokens_file: Live<Option<PathBuf>>,
    /// How users' own tokens are checked.
    #[serde(skip_serializing_if = "is_none")]
    pub jwt: Live<Option<Jwt>>,
}

impl Auth {
    /// Whether nobody is asked who it is, so that every caller is an admin.
    pub fn is_open(&self) -> bool {
        self.tokens_file.is_none() && self.jwt.is_none()
    }
}

fn is_none<T>(value: &Live<Option<T>>) -> bool {
    value.0.is_none()
}

/// `[auth.jwt]`
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Jwt {
    /// Where the keys are.
    #[serde(flatten)]
    pub keys: JwtKeys,
    /// What `aud` must say.
    pub audience: String,
    /// The only algorithm that is accepted, whatever a token's header says.
    pub algorithm: jsonwebtoken::Algorithm,
}

/// A file with the keys of users' tokens.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub enum JwtKeys {
    /// One key: a PEM public key, or for HS algorithms the shared secret.
    #[serde(rename = "key_file", serialize_with = "show::path")]
    KeyFile(PathBuf),
    /// A JSON Web Key Set.
    #[serde(rename = "jwks_file", serialize_with = "show::path")]
    JwksFile(PathBuf),
}

/// `[journal]`
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Journal {
    /// What an answer waits for.
    pub durability: Durability,
    /// Size of one file; allocated before it is used.
    #[serde(serialize_with = "show::bytes")]
    pub segment_bytes: u64,
    /// Size of all files; at the cap decisions are denied as `unavailable`.
    #[serde(serialize_with = "show::bytes")]
    pub bytes_max: u64,
    /// Entries decided but not written; at the cap a decision is denied as `unavailable`.
    #[serde(serialize_with = "show::bytes")]
    pub queue_bytes_max: u64,
    /// Longest time between a write and its sync.
    #[serde(serialize_with = "show::duration")]
    pub sync_interval: Duration,
}

impl Default for Journal {
    fn default() -> Self {
        Self {
            durability: Durability::Os,
            segment_bytes: 64 * MIB,
            bytes_max: 4 * GIB,
            queue_bytes_max: 8 * MIB,
            sync_interval: Duration::from_millis(10),
        }
    }
}

/// `[store]`
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Store {
    /// Which store.
    #[serde(serialize_with = "show::text")]
    pub url: StoreUrl,
    /// Longest time between two flushes.
    #[serde(serialize_with = "show::duration")]
    pub flush_interval: Duration,
    /// Entries of one flush.
    pub batch_entries_max: u32,
    /// How long one call may take before it counts as lost.
    #[serde(serialize_with = "show::duration")]
    pub timeout: Duration,
    /// Connections to a shared store at most.
    pub connections_max: u32,
    /// A Redis that lends blocks of a PostgreSQL store's credits.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "show::optional_text")]
    pub leases: Option<Box<RedisUrl>>,
}

impl Default for Store {
    fn default() -> Self {
        Self {
            url: StoreUrl::SqliteInData,
            flush_interval: Duration::from_millis(200),
            batch_entries_max: 10_000,
            timeout: Duration::from_secs(5),
            connections_max: 8,
            leases: None,
        }
    }
}

/// `[idempotency]`
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Idempotency {
    /// How long a first answer is remembered.
    #[serde(serialize_with = "show::duration")]
    pub retain: Duration,
    /// How many are remembered at most; the oldest go first.
    pub entries_max: u64,
}

impl Default for Idempotency {
    fn default() -> Self {
        Self { retain: 24 * HOUR, entries_max: 10_000_000 }
    }
}

/// `[holds]`
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Holds {
    /// Lifetime of a hold that names none.
    #[serde(serialize_with = "show::duration")]
    pub ttl_default: Duration,
    /// Longest lifetime that a hold may ask for.
    #[serde(serialize_with = "show::duration")]
    pub ttl_max: Duration,
    /// Longest time between the expiry of a hold and its entry.
    #[serde(serialize_with = "show::duration")]
    pub expire_interval: Duration,
    /// Open holds of one team, or of one user without a team.
    pub per_team_max: u32,
}

impl Default for Holds {
    fn default() -> Self {
        Self {
            ttl_default: Duration::from_secs(60),
            ttl_max: 24 * HOUR,
            expire_interval: Duration::from_millis(250),
            per_team_max: 100_000,
        }
    }
}

/// `[lease]`
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Lease {
    /// How long a decision waits for credits to be lent.
    #[serde(serialize_with = "show::duration")]
    pub wait: Duration,
}

impl Default for Lease {
    fn default() -> Self {
        Self { wait: Duration::from_millis(50) }
    }
}

/// `[whitelist]`
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Whitelist {
    /// Whether it applies to every draw on the pool, not only to members with the team's features.
    pub on_pool_spend: Live<bool>,
}

/// `[rates]`
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Rates {
    /// The rate card; its content is read anew on SIGHUP too.
    #[serde(serialize_with = "show::live_path", skip_serializing_if = "is_none")]
    pub file: Live<Option<PathBuf>>,
}

/// `[audit]`
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Audit {
    /// Time between two audits.
    #[serde(serialize_with = "show::duration")]
    pub interval: Duration,
}

impl Default for Audit {
    fn default() -> Self {
        Self { interval: HOUR }
    }
}

/// `[log]`
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Log {
    /// The least severity that is written.
    pub level: Live<LogLevel>,
    /// How a line looks.
    pub format: LogFormat,
}

impl Default for Log {
    fn default() -> Self {
        Self { level: Live(LogLevel::Info), format: LogFormat::Text }
    }
}
