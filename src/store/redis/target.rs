//! Which Redis to ask and how to find it. Reading a URL is the configuration's.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// The hash tag and prefix of all keys where none is named.
pub const PREFIX: &str = "{purser}";

/// How the one server that holds the keys is found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Discovery {
    /// It is the node that is named.
    #[default]
    Direct,
    /// The named nodes are of a Cluster, one of which owns the keys' slot.
    Cluster,
    /// The named nodes are Sentinels that know the master of this name.
    Sentinel {
        /// The name.
        master: String,
        /// A user of the Sentinels.
        user: Option<String>,
        /// The password of the Sentinels.
        password: Option<String>,
    },
}

/// What to connect to.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Target {
    /// Hosts and ports, at least one.
    pub nodes: Vec<(String, u16)>,
    /// How to get from them to the server with the keys.
    pub discovery: Discovery,
    /// The user, where one is needed.
    pub user: Option<String>,
    /// The password, where one is needed.
    pub password: Option<String>,
    /// The number of the database.
    pub database: i64,
    /// Whether all connections are encrypted.
    pub tls: bool,
    /// A file of certificates in PEM to trust instead of the system's.
    pub ca: Option<PathBuf>,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nodes: Vec<_> = self.nodes.iter().map(|(host, port)| format!("{host}:{port}")).collect();
        let kind = match &self.discovery {
            Discovery::Direct => "redis",
            Discovery::Cluster => "cluster",
            Discovery::Sentinel { .. } => "sentinel",
        };
        write!(f, "{kind} {}", nodes.join(","))
    }
}

/// Without passwords.
impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Target({self})")
    }
}

/// How to open a store.
#[derive(Clone, Debug)]
pub struct Options {
    /// Which Redis.
    pub target: Target,
    /// What all keys begin with; it has a hash tag, so that all are in one slot.
    pub prefix: String,
    /// The longest that one verb may take.
    pub verb_timeout: Duration,
}

impl Options {
    /// A store on a server of its own.
    pub fn new(target: Target) -> Self {
        Self { target, prefix: PREFIX.to_owned(), verb_timeout: Duration::from_secs(5) }
    }
}
