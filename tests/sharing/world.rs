//! Sidecars on one store, each with a data folder of its own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use purser::clock::Clock;
use purser::config::{Config, Listen};
use purser::domain::{Access, Ask, Credits, Denial, Features, OperationId, SubscriptionId, TeamId, Timestamp, UserId};
use purser::engine::{Draw, Drawn, Scope};
use purser::root::{Actor, Command, Patch, Rollover, Settings, Status, Terms};
use purser::server::Server;
use purser::store::redis::{Options, Target};
use purser::store::{Memory, Redis, Store};
use tempfile::TempDir;

use crate::redis;

/// The longest that a sidecar may take to stop.
const STOP: Duration = Duration::from_secs(10);

/// So often a draw is tried again, every 100 ms.
const RETRIES_MAX: usize = 25;

/// Which store they share.
#[derive(Clone, Copy, Debug)]
pub enum Backend {
    /// The specification.
    Memory,
    /// A Redis of the test's own.
    Redis,
}

/// A store that can be connected to any number of times.
enum Shop {
    Memory(Arc<Memory>),
    Redis(redis::Server),
}

impl Shop {
    fn open(backend: Backend) -> Self {
        match backend {
            Backend::Memory => Self::Memory(Arc::new(Memory::shared())),
            Backend::Redis => Self::Redis(redis::Server::start()),
        }
    }

    /// The store itself, to look into.
    async fn connect(&self) -> Arc<dyn Store> {
        match self {
            Self::Memory(store) => Arc::clone(store) as Arc<dyn Store>,
            Self::Redis(server) => {
                let target = Target { nodes: vec![("127.0.0.1".to_owned(), server.port())], ..Target::default() };
                Arc::new(Redis::open(Options::new(target)).await.expect("the store opens"))
            }
        }
    }

    /// How a sidecar comes to it: as a whole, or by the URL in its configuration.
    fn of(&self, config: &mut Config) -> Option<Arc<dyn Store>> {
        match self {
            Self::Memory(store) => Some(Arc::clone(store) as Arc<dyn Store>),
            Self::Redis(server) => {
                config.store.url = format!("redis://127.0.0.1:{}", server.port()).parse().expect("it is a URL");
                None
            }
        }
    }
}

pub struct World {
    pub sidecars: Vec<Arc<Sidecar>>,
    store: Arc<dyn Store>,
    _backend: Shop,
}

pub struct Sidecar {
    server: Server,
    name: usize,
    asked: AtomicU64,
    _folder: TempDir,
}

impl World {
    /// Sidecars that share a store, each by a connection of its own where there are connections.
    pub async fn start(sidecars: usize, backend: Backend) -> Self {
        let backend = Shop::open(backend);
        let store = backend.connect().await;
        let mut started = Vec::new();
        for name in 0..sidecars {
            started.push(Arc::new(Sidecar::start(name, &backend).await));
        }
        Self { sidecars: started, store, _backend: backend }
    }

    /// A team with a pool of `pool` credits and its members with their limits, made through the first
    /// sidecar; returns when all know it.
    pub async fn team(&self, pool: u32, members: &[(&str, Option<u32>)]) {
        self.control(Command::PutSubscription { id: subscription(), terms: terms(pool) }).await;
        self.control(Command::PutTeam { id: team(), name: None, owner: Some(user("olga")) }).await;
        self.control(Command::Assign { team: team(), subscription: subscription() }).await;
        for (name, limit) in members {
            let settings = Settings { access: Access::Credits, limit: limit.map(credits), ..Settings::default() };
            self.control(Command::PutMember { team: team(), user: user(name), settings }).await;
        }
        tokio::time::sleep(Duration::from_millis(1_500)).await;
    }

    pub async fn limit(&self, member: &str, limit: Option<u32>) {
        let patch = Patch { limit: Some(limit.map(credits)), ..Patch::default() };
        self.control(Command::PatchMember { team: team(), user: user(member), patch }).await;
    }

    async fn control(&self, command: Command) {
        let answer = self.sidecars[0].server.service().control(command, Actor::Service("test".into())).await;
        answer.expect("the store is there").answer.expect("the rules allow it");
    }

    /// What is lent and neither spent nor returned, over all sidecars.
    pub async fn lent(&self) -> Credits {
        let row = self.store.subscription(&subscription()).await.expect("the store is there").expect("it was put");
        let free = row.accounts.iter().flat_map(|account| &account.holders).map(|holder| holder.free());
        free.fold(Credits::ZERO, Credits::plus)
    }

    /// Stops every sidecar. Then `spent` were spent, nothing is lent any more, and the ledger and the
    /// tables say the same.
    pub async fn stop(self, spent: Credits) {
        let lent = async |world: &Self| world.lent().await;
        let Self { sidecars, store, _backend } = self;
        for sidecar in sidecars {
            let sidecar = Arc::into_inner(sidecar).expect("nobody asks any more");
            assert!(sidecar.server.stop(STOP).await.flushed, "everything is in the store");
        }
        let world = Self { sidecars: Vec::new(), store, _backend };
        assert_eq!(lent(&world).await, Credits::ZERO, "who stops returns everything");
        let row = world.store.subscription(&subscription()).await.expect("the store is there").expect("it was put");
        let used = row.accounts.iter().map(|account| account.spent().minus(account.refunded()));
        assert_eq!(used.fold(Credits::ZERO, Credits::plus), spent);
        let audit = world.store.audit().await.expect("the store is there");
        assert_eq!((audit.differences, &audit.listed[..]), (0, &[][..]));
    }
}

impl Sidecar {
    async fn start(name: usize, shop: &Shop) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut config = Config { data: folder.path().to_owned(), ..Config::default() };
        config.server.http = vec![Listen::Tcp(SocketAddr::from(([127, 0, 0, 1], 0)))];
        let store = shop.of(&mut config);
        let server = Server::start_on(&config, Clock::system(), store).await.expect("a sidecar starts");
        Self { server, name, asked: AtomicU64::new(0), _folder: folder }
    }

    pub async fn debit(&self, member: &str, credits: Credits) -> Result<(), Box<Denial>> {
        self.draw(member, credits, None).await.map(drop)
    }

    /// As [`Self::debit`], asking again while others have to return what they hold: about a second.
    pub async fn debit_soon(&self, member: &str, credits: Credits) {
        for _ in 0..RETRIES_MAX {
            match self.debit(member, credits).await {
                Ok(()) => return,
                Err(denial) => assert!(denial.reason.retryable(), "{denial:?}"),
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("{member} was denied {credits} for too long");
    }

    pub async fn hold(&self, member: &str, credits: Credits) -> Result<OperationId, Box<Denial>> {
        self.draw(member, credits, Some(60_000)).await
    }

    async fn draw(&self, member: &str, credits: Credits, ttl: Option<u64>) -> Result<OperationId, Box<Denial>> {
        let number = self.asked.fetch_add(1, Ordering::Relaxed);
        let id = OperationId::new(&format!("{}-{number}", self.name)).expect("an id");
        let ask = Ask { credits, min_credits: None, model: None };
        let draw = Draw { id: id.clone(), team: Some(team()), member: user(member), ask, ttl_millis: ttl };
        match self.server.service().draw(&draw, None).await.expect("a draw") {
            Drawn::Allowed(_) => Ok(id),
            Drawn::Denied(denial) => Err(denial),
            Drawn::Short(_) => unreachable!("a service does not answer so"),
        }
    }

    pub async fn settle(&self, hold: &OperationId, cost: Credits) {
        let settled = self.server.service().settle(&Scope::Team(team()), hold, cost, None).await;
        settled.expect("the hold is open");
    }
}

pub fn credits(whole: u32) -> Credits {
    Credits::from_credits(whole).expect("every u32 fits")
}

pub fn user(name: &str) -> UserId {
    UserId::new(name).expect("a name")
}

fn team() -> TeamId {
    TeamId::new("acme").expect("a name")
}

fn subscription() -> SubscriptionId {
    SubscriptionId::new("sub").expect("a name")
}

fn terms(pool: u32) -> Terms {
    Terms {
        owner: user("olga"),
        plan: "team".into(),
        status: Status::Active,
        seats: 1,
        credits_per_seat: credits(pool),
        anchor: Timestamp::from_millis(1_767_225_600_000).expect("in range"),
        rollover: Rollover::default(),
        features: Features::default(),
    }
}
