//! Sidecars on one store, each with a data folder of its own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use purser::clock::Clock;
use purser::config::{Config, Listen, Live};
use purser::domain::{Access, Ask, Credits, Denial, Features, OperationId, SubscriptionId, TeamId, Timestamp, UserId};
use purser::engine::{Draw, Drawn, Scope};
use purser::root::{Actor, Command, Patch, Rollover, Settings, Status, Terms};
use purser::server::{Server, StartError};
use purser::service::Service;
use purser::store::redis::{Options, Target};
use purser::store::{Blocks, Memory, Postgres, Redis, Store};
use tempfile::TempDir;

use crate::cut::Cut;
use crate::{postgres, redis};

/// The longest that a sidecar may take to stop.
const STOP: Duration = Duration::from_secs(10);

/// So often a draw is tried again, every 100 ms.
const RETRIES_MAX: usize = 25;

/// Where the record is.
#[derive(Clone, Copy, Debug)]
pub enum Place {
    /// The specification.
    Memory,
    Postgres,
    Redis,
    /// PostgreSQL, and a Redis that lends blocks.
    Blocks,
}

impl Place {
    pub const ALL: [Self; 3] = [Self::Memory, Self::Postgres, Self::Redis];
}

/// A store that can be connected to any number of times.
enum Shop {
    Memory(Arc<Memory>),
    Postgres(String),
    Redis(Box<redis::Server>),
    Blocks(String, Box<redis::Server>),
}

impl Shop {
    async fn open(place: Place) -> Self {
        match place {
            Place::Memory => Self::Memory(Arc::new(Memory::shared())),
            Place::Postgres => {
                let server = postgres::server();
                Self::Postgres(server.url(&server.empty_database().await))
            }
            Place::Redis => Self::Redis(Box::new(redis::Server::start())),
            Place::Blocks => Self::beside(redis::Server::start()).await,
        }
    }

    async fn beside(lender: redis::Server) -> Self {
        let server = postgres::server();
        Self::Blocks(server.url(&server.empty_database().await), Box::new(lender))
    }

    async fn connect(&self) -> Arc<dyn Store> {
        match self {
            Self::Memory(store) => Arc::clone(store) as Arc<dyn Store>,
            Self::Postgres(url) => {
                let options = purser::store::postgres::Options::new(url).expect("the URL is right");
                Arc::new(Postgres::open(options).await.expect("the store opens"))
            }
            Self::Blocks(url, lender) => {
                let options = purser::store::postgres::Options::new(url).expect("the URL is right");
                let store = Postgres::open(options).await.expect("the store opens");
                let target = Target { nodes: vec![("127.0.0.1".to_owned(), lender.port())], ..Target::default() };
                Arc::new(Blocks::new(store, purser::store::redis::Lender::new(Options::new(target))))
            }
            Self::Redis(server) => {
                let target = Target { nodes: vec![("127.0.0.1".to_owned(), server.port())], ..Target::default() };
                Arc::new(Redis::open(Options::new(target)).await.expect("the store opens"))
            }
        }
    }
}

pub struct World {
    pub sidecars: Vec<Arc<Sidecar>>,
    store: Arc<dyn Store>,
    added: AtomicUsize,
    /// Where it is a server, that ends with it.
    shop: Shop,
}

pub struct Sidecar {
    server: Server,
    name: usize,
    asked: AtomicU64,
    folder: TempDir,
}

impl World {
    /// Sidecars, each with connections of its own where the store is a server.
    pub async fn start(place: Place, sidecars: usize) -> Self {
        Self::start_at(Shop::open(place).await, sidecars).await
    }

    /// As [`Self::start`], on PostgreSQL beside a lender.
    pub async fn start_beside(lender: redis::Server, sidecars: usize) -> Self {
        Self::start_at(Shop::beside(lender).await, sidecars).await
    }

    async fn start_at(shop: Shop, sidecars: usize) -> Self {
        let mut started = Vec::new();
        for name in 0..sidecars {
            started.push(Arc::new(Sidecar::start(name, shop.connect().await).await));
        }
        let store = shop.connect().await;
        Self { sidecars: started, store, added: AtomicUsize::new(sidecars), shop }
    }

    /// One more sidecar, and the line between it and the store.
    pub async fn add(&self) -> (Sidecar, Arc<Cut>) {
        let line = Cut::new(Arc::clone(&self.store));
        let name = self.added.fetch_add(1, Ordering::Relaxed);
        (Sidecar::start(name, Arc::clone(&line) as Arc<dyn Store>).await, line)
    }

    /// The server that lends blocks.
    pub fn lender(&self) -> Option<&redis::Server> {
        match &self.shop {
            Shop::Blocks(_, lender) => Some(lender),
            _ => None,
        }
    }

    pub fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.store)
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

    /// Empties the Redis that all share.
    pub fn empty(&self) {
        let Shop::Redis(server) = &self.shop else { panic!("only Redis can be emptied") };
        server.run("FLUSHALL");
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
        let Self { sidecars, store, added, shop } = self;
        for sidecar in sidecars {
            let sidecar = Arc::into_inner(sidecar).expect("nobody asks any more");
            assert!(sidecar.server.stop(STOP).await.flushed, "everything is in the store");
        }
        let world = Self { sidecars: Vec::new(), store, added, shop };
        assert_eq!(lent(&world).await, Credits::ZERO, "who stops returns everything");
        let row = world.store.subscription(&subscription()).await.expect("the store is there").expect("it was put");
        let used = row.accounts.iter().map(|account| account.spent().minus(account.refunded()));
        assert_eq!(used.fold(Credits::ZERO, Credits::plus), spent);
        let audit = world.store.audit().await.expect("the store is there");
        assert_eq!((audit.differences, &audit.listed[..]), (0, &[][..]));
    }
}

impl Sidecar {
    async fn start(name: usize, store: Arc<dyn Store>) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let server = start(&folder, store).await.expect("a sidecar starts");
        Self { server, name, asked: AtomicU64::new(0), folder }
    }

    pub fn service(&self) -> &Service {
        self.server.service()
    }

    /// Stops it; answers whether everything is in the store.
    pub async fn stop(self) -> bool {
        self.server.stop(STOP).await.flushed
    }

    /// Stops it and starts it again as itself without the entries of its journal, as if all were confirmed long ago.
    pub async fn outlive_journal(self, store: Arc<dyn Store>) -> Self {
        let Self { server, name, asked, folder } = self;
        assert!(server.stop(STOP).await.flushed);
        for file in std::fs::read_dir(folder.path()).expect("it is there").flatten() {
            if file.file_name().to_string_lossy().starts_with("journal-") {
                std::fs::remove_file(file.path()).expect("it can go");
            }
        }
        let server = start(&folder, store).await.expect("it starts");
        Self { server, name, asked, folder }
    }

    /// Stops it and starts it again with the same data folder; answers whether everything was in the
    /// store before, and what came of the start.
    pub async fn restart(self, store: Arc<dyn Store>) -> (bool, Result<Server, StartError>) {
        let flushed = self.server.stop(STOP).await.flushed;
        (flushed, start(&self.folder, store).await)
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

    /// As [`Self::debit_soon`], a hold.
    pub async fn hold_soon(&self, member: &str, credits: Credits) -> OperationId {
        for _ in 0..RETRIES_MAX {
            match self.hold(member, credits).await {
                Ok(id) => return id,
                Err(denial) => assert!(denial.reason.retryable(), "{denial:?}"),
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("{member} was denied a hold of {credits} for too long");
    }

    pub async fn hold(&self, member: &str, credits: Credits) -> Result<OperationId, Box<Denial>> {
        self.draw(member, credits, Some(60_000)).await
    }

    async fn draw(&self, member: &str, credits: Credits, ttl: Option<u64>) -> Result<OperationId, Box<Denial>> {
        let number = self.asked.fetch_add(1, Ordering::Relaxed);
        let id = OperationId::new(&format!("{}-{number}", self.name)).expect("an id");
        let ask = Ask { credits, min_credits: None, model: None };
        let draw = Draw {
            id: id.clone(),
            team: Some(team()),
            member: user(member),
            ask,
            ttl_millis: ttl,
            pricing: Default::default(),
        };
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

async fn start(folder: &TempDir, store: Arc<dyn Store>) -> Result<Server, StartError> {
    let mut config = Config { data: folder.path().to_owned(), ..Config::default() };
    config.server.http = vec![Listen::Tcp(SocketAddr::from(([127, 0, 0, 1], 0)))];
    config.rates.file = Live(Some(concat!(env!("CARGO_MANIFEST_DIR"), "/config/rates.toml").into()));
    // A machine that is busy with other tests takes its time for a sync.
    config.lease.wait = Duration::from_secs(1);
    Server::start_on(&config, Clock::system(), Some(store)).await
}

pub fn credits(whole: u32) -> Credits {
    Credits::from_credits(whole).expect("every u32 fits")
}

pub fn user(name: &str) -> UserId {
    UserId::new(name).expect("a name")
}

pub fn team() -> TeamId {
    TeamId::new("acme").expect("a name")
}

pub fn subscription() -> SubscriptionId {
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
