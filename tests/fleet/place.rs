//! Where sidecars share: a store on servers of the test's own, which can crash, hang, forget, hand over to
//! a copy and come back, always at the same address.

use std::time::Duration;

use tokio::runtime::Runtime;

use crate::proxy::{Proxy, Trap};
use crate::{postgres, redis};

/// How long a copy may follow before it stands alone.
const FOLLOWS: Duration = Duration::from_millis(300);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Postgres,
    Redis,
    /// Two servers of Redis, one a replica of the other, and a Sentinel that promotes it.
    Sentinel,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Self::Postgres => "PostgreSQL",
            Self::Redis => "Redis",
            Self::Sentinel => "Redis, Sentinel",
        }
    }
}

enum Servers {
    Postgres(postgres::Server, String),
    Redis(redis::Server),
    Sentinel(Watched),
}

/// Two servers, which of them is the master, and who watches them.
struct Watched {
    pair: [redis::Server; 2],
    master: usize,
    sentinel: redis::Server,
}

/// A proxy between the sidecars and the server, and what runs it.
struct Line {
    proxy: Proxy,
    _runtime: Runtime,
}

pub struct Place {
    pub kind: Kind,
    servers: Servers,
    line: Option<Line>,
}

impl Place {
    /// A store that sidecars connect to directly.
    pub fn start(kind: Kind) -> Self {
        let servers = match kind {
            Kind::Postgres => {
                let server = postgres::Server::start();
                let database = runtime().block_on(server.empty_database());
                Servers::Postgres(server, database)
            }
            Kind::Redis => Servers::Redis(redis::Server::start()),
            Kind::Sentinel => Servers::Sentinel(Watched::start()),
        };
        Self { kind, servers, line: None }
    }

    /// A store behind a proxy.
    pub fn behind_a_proxy(kind: Kind) -> Self {
        let place = Self::start(kind);
        let runtime = runtime();
        let proxy = runtime.block_on(Proxy::to(place.port()));
        Self { line: Some(Line { proxy, _runtime: runtime }), ..place }
    }

    /// What `PURSER_STORE` says.
    pub fn url(&self) -> String {
        let port = self.line.as_ref().map_or_else(|| self.port(), |line| line.proxy.port());
        match &self.servers {
            Servers::Postgres(_, database) => format!("postgres://postgres@127.0.0.1:{port}/{database}"),
            Servers::Redis(_) => format!("redis://127.0.0.1:{port}"),
            Servers::Sentinel(watched) => format!("redis+sentinel://127.0.0.1:{}/main", watched.sentinel.port()),
        }
    }

    fn port(&self) -> u16 {
        match &self.servers {
            Servers::Postgres(server, _) => server.port(),
            Servers::Redis(server) => server.port(),
            Servers::Sentinel(watched) => watched.pair[watched.master].port(),
        }
    }

    /// Ends the server at once: PostgreSQL by an immediate stop, Redis by `kill -9`.
    pub fn crash(&self) {
        match &self.servers {
            Servers::Postgres(server, _) => server.crash(),
            Servers::Redis(server) => server.kill(),
            Servers::Sentinel(watched) => watched.pair[watched.master].kill(),
        }
    }

    /// Starts the server again, over its data.
    pub fn restart(&self) {
        match &self.servers {
            Servers::Postgres(server, _) => server.restart(),
            Servers::Redis(server) => server.restart(),
            Servers::Sentinel(_) => unreachable!("its replica takes over"),
        }
    }

    /// SIGSTOP to everything that the server runs.
    pub fn freeze(&self) {
        match &self.servers {
            Servers::Postgres(server, _) => server.freeze(),
            Servers::Redis(server) => server.freeze(),
            Servers::Sentinel(watched) => watched.pair[watched.master].freeze(),
        }
    }

    /// SIGCONT.
    pub fn thaw(&self) {
        match &self.servers {
            Servers::Postgres(server, _) => server.thaw(),
            Servers::Redis(server) => server.thaw(),
            Servers::Sentinel(watched) => watched.pair[watched.master].thaw(),
        }
    }

    /// Forgets everything.
    pub fn flush(&self) {
        let Servers::Redis(server) = &self.servers else { unreachable!("only Redis forgets everything") };
        assert_eq!(server.run("FLUSHALL"), "OK");
    }

    /// Waits until the replica has taken over from a master that was killed, which then follows it.
    pub fn promote(&mut self) {
        let Servers::Sentinel(watched) = &mut self.servers else { unreachable!("only a Sentinel promotes") };
        watched.promote();
    }

    /// From the server to a copy of it, and back: `on_copy` runs while the copy serves, then the server
    /// does again, which knows nothing of that.
    pub fn there_and_back(&self, on_copy: impl FnOnce()) {
        let proxy = &self.line.as_ref().expect("it is behind a proxy").proxy;
        match &self.servers {
            Servers::Postgres(server, _) => {
                let copy = server.standby();
                std::thread::sleep(FOLLOWS);
                runtime().block_on(copy.run("postgres", "SELECT pg_promote(true)"));
                proxy.lead_to(copy.port());
                on_copy();
                proxy.lead_to(server.port());
            }
            Servers::Redis(server) => {
                let copy = redis::Server::replica_of(server.port());
                std::thread::sleep(FOLLOWS);
                copy.run("REPLICAOF NO ONE");
                proxy.lead_to(copy.port());
                on_copy();
                proxy.lead_to(server.port());
            }
            Servers::Sentinel(_) => unreachable!("it is not behind a proxy"),
        }
    }

    /// Cuts one connection at the next such place of a conversation.
    pub fn arm(&self, trap: Trap) {
        self.line.as_ref().expect("it is behind a proxy").proxy.arm(trap);
    }

    /// How often a connection was cut.
    pub fn cuts(&self) -> u32 {
        self.line.as_ref().expect("it is behind a proxy").proxy.sprung()
    }
}

impl Watched {
    fn start() -> Self {
        let first = redis::Server::start();
        let second = redis::Server::replica_of(first.port());
        let sentinel = redis::Server::sentinel(first.port());
        sentinel.wait_until("SENTINEL REPLICAS main", &second.port().to_string());
        Self { pair: [first, second], master: 0, sentinel }
    }

    fn promote(&mut self) {
        let (old, next) = (&self.pair[self.master], &self.pair[1 - self.master]);
        self.sentinel.wait_until("SENTINEL MASTER main", &format!("\n{}\n", next.port()));
        old.restart();
        // Sentinel would see to it after some seconds.
        old.run(&format!("REPLICAOF 127.0.0.1 {}", next.port()));
        old.wait_for_link();
        self.master = 1 - self.master;
    }
}

fn runtime() -> Runtime {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(1).enable_all().build().expect("a runtime")
}
