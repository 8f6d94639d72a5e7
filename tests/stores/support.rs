//! A store to test, a small stand-in for an engine that makes entries, and rules that make rows.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use purser::domain::{
    AskedEnd, Credits, Drawer, Entry, Fact, Member, OperationId, Payer, Posting, Set, SubscriptionId, Tally, Team,
    TeamId, Timestamp, UserId, Whitelist,
};
use purser::root::subscription::{Rollover, Status, Subscription, Terms};
use purser::root::sync::{Batch, Request, granted};
use purser::root::{Actor, Change, Done, Missing, Outcome, Refusal, Rows, Shares, Want};
use purser::store::redis::{Discovery, Options, Target};
use purser::store::{Controlled, Loaded, Memory, Postgres, Redis, Sqlite, Store, StoreError, sqlite};
use tokio::sync::OnceCell;

use crate::postgres::{self, Server};
use crate::redis;

/// What [`Store::control`] takes, owned.
pub type Ruled = Result<Result<Done, Refusal>, Missing>;

pub fn block_on<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    runtime.expect("a runtime starts").block_on(work)
}

/// Runs a test on every store.
pub fn on_every_store(test: impl AsyncFn(Arc<dyn Store>)) {
    on_every_sole_store(&test);
    on_every_shared_store(&test);
}

/// Runs a test on every store that serves one sidecar.
pub fn on_every_sole_store(test: impl AsyncFn(Arc<dyn Store>)) {
    block_on(async {
        test(Arc::new(Memory::default())).await;
        let (_folder, file) = new_file();
        test(Arc::new(open(&file).await)).await;
    });
}

/// A database of the test's own, with tables; its name.
pub async fn new_database() -> String {
    static TEMPLATE: OnceCell<String> = OnceCell::const_new();
    let server = postgres::server();
    let template = TEMPLATE.get_or_init(async || {
        let name = server.empty_database().await;
        open_postgres(server, &name).await.close();
        name
    });
    server.create_database(template.await).await
}

pub async fn open_postgres(server: &Server, database: &str) -> Postgres {
    Postgres::open(purser::store::postgres::Options::new(&server.url(database)).expect("the URL is right"))
        .await
        .expect("the store opens")
}

/// Runs a test on every store that many sidecars share.
pub fn on_every_shared_store(test: impl AsyncFn(Arc<dyn Store>)) {
    block_on(async {
        test(Arc::new(Memory::shared())).await;
        test(Arc::new(open_postgres(postgres::server(), &new_database().await).await)).await;
        test(Arc::new(open_redis(redis_server()).await)).await;
        static NODE: OnceLock<redis::Server> = OnceLock::new();
        let node = NODE.get_or_init(redis::lone_node);
        test(Arc::new(reopen(target_of(Discovery::Cluster, [node]), &new_prefix()).await)).await;
    });
}

/// The Redis of this test process.
pub fn redis_server() -> &'static redis::Server {
    static SERVER: OnceLock<redis::Server> = OnceLock::new();
    SERVER.get_or_init(redis::Server::start)
}

/// The prefix of a store that nobody has.
fn new_prefix() -> String {
    static STORES: AtomicU32 = AtomicU32::new(0);
    format!("{{test{}}}", STORES.fetch_add(1, Ordering::Relaxed))
}

/// An empty store on a server that others may be using.
pub async fn open_redis(server: &redis::Server) -> Redis {
    reopen_redis(server, &new_prefix()).await
}

/// The store under a prefix.
pub async fn reopen_redis(server: &redis::Server, prefix: &str) -> Redis {
    reopen(target(server.port()), prefix).await
}

async fn reopen(target: Target, prefix: &str) -> Redis {
    let options = Options { prefix: prefix.to_owned(), ..Options::new(target) };
    Redis::open(options).await.expect("the store opens")
}

/// The store in a Cluster of which these nodes are named.
pub async fn opened_cluster(nodes: &[redis::Server]) -> Redis {
    Redis::open(Options::new(target_of(Discovery::Cluster, nodes))).await.expect("the store opens")
}

/// A server on loopback.
pub fn target(port: u16) -> Target {
    Target { nodes: vec![("127.0.0.1".to_owned(), port)], ..Target::default() }
}

fn target_of<'a>(discovery: Discovery, nodes: impl IntoIterator<Item = &'a redis::Server>) -> Target {
    let nodes = nodes.into_iter().map(|node| ("127.0.0.1".to_owned(), node.port())).collect();
    Target { nodes, discovery, ..Target::default() }
}

pub fn new_file() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("purser.db");
    (folder, file)
}

pub async fn open(file: &std::path::Path) -> Sqlite {
    Sqlite::open(sqlite::Options::new(file)).await.expect("the store opens")
}

pub fn at(text: &str) -> Timestamp {
    text.parse().expect(text)
}

pub fn now() -> Timestamp {
    at("2026-11-22T12:00:00Z")
}

pub fn credits(text: &str) -> Credits {
    text.parse().expect(text)
}

pub fn team_id(text: &str) -> TeamId {
    TeamId::new(text).expect(text)
}

pub fn user(text: &str) -> UserId {
    UserId::new(text).expect(text)
}

pub fn sub(text: &str) -> SubscriptionId {
    SubscriptionId::new(text).expect(text)
}

pub fn op(text: &str) -> OperationId {
    OperationId::new(text).expect(text)
}

pub fn admin() -> Actor {
    Actor::Service("ops".to_owned())
}

pub fn terms(owner: &str) -> Terms {
    Terms {
        owner: user(owner),
        plan: "team".to_owned(),
        status: Status::Active,
        seats: 5,
        credits_per_seat: credits("1000"),
        anchor: at("2026-11-01T00:00:00Z"),
        rollover: Rollover::default(),
        features: Default::default(),
    }
}

pub fn team(id: &str, subscription: &str) -> Team {
    Team {
        id: team_id(id),
        name: format!("Team {id}"),
        owner: user("ana"),
        subscription: Some(sub(subscription)),
        whitelist: Whitelist::default(),
        seats_taken: 1,
        members: 2,
        epoch: 3,
    }
}

pub fn done(changes: Vec<Change>) -> Ruled {
    Ok(Ok(Done { outcome: Outcome::Created, changes }))
}

/// Makes a subscription as control would.
pub fn put_subscription(rows: &mut Rows, id: &str, terms: &Terms, now: Timestamp) -> Ruled {
    let id = sub(id);
    let before = rows.subscription(&id)?.cloned();
    let after = match &before {
        Some(before) => Subscription { terms: terms.clone(), epoch: before.epoch + 1, ..before.clone() },
        None => Subscription::new(id.clone(), terms.clone(), now),
    };
    let none = Subscription { grants: Vec::new(), ..after.clone() };
    let mut changes = vec![Change::SubscriptionPut { subscription: id, terms: terms.clone() }];
    changes.extend(granted(before.as_ref().unwrap_or(&none), &after));
    rows.put_subscription(after);
    done(changes)
}

/// Makes a team with two members as control would.
pub fn put_team(rows: &mut Rows, id: &str, subscription: &str) -> Ruled {
    let team = team(id, subscription);
    rows.team(&team.id)?;
    let mut changes =
        vec![Change::TeamPut { team: team.id.clone(), name: team.name.clone(), owner: team.owner.clone() }];
    for name in ["ana", "bob"] {
        let member = Member { epoch: 3, limit: Some(credits("60.5")), ..Member::new(user(name)) };
        rows.member(&team.id, &member.user)?;
        changes.push(Change::MemberPut { team: team.id.clone(), member: member.clone() });
        rows.put_member(&team.id, member);
    }
    rows.put_team(team);
    done(changes)
}

pub async fn control(store: &dyn Store, rule: impl Fn(&mut Rows) -> Ruled + Send + Sync) -> Controlled {
    store.control(&rule, &admin(), now()).await.expect("control goes through")
}

/// A subscription `s`, assigned to a team `t` of ana and bob, and a registered sidecar 7.
pub async fn seeded(store: &dyn Store) -> Engine {
    control(store, |rows| put_subscription(rows, "s", &terms("ana"), now())).await;
    control(store, |rows| put_team(rows, "t", "s")).await;
    store.register(7, 1, 11).await.expect("the store answers").expect("it is the first");
    Engine::new()
}

/// All rows of a store, as a start sees them, but for the root's.
pub async fn loaded(store: &dyn Store, now: Timestamp) -> Vec<Loaded> {
    let mut rows = Vec::new();
    store.load(7, now, &mut |row| rows.push(row)).await.expect("the store loads");
    // Which store it is differs from store to store.
    rows.retain(|row| !matches!(row, Loaded::Root(_)));
    rows
}

/// What members drew, window by window, however the store keeps it.
pub fn drawn(rows: &[Loaded]) -> Vec<Tally> {
    let of = |row: &Loaded| match row {
        Loaded::Draws { tally, .. } => vec![*tally],
        Loaded::MemberFunds(row) => {
            let holders = row.accounts.iter().flat_map(|account| &account.holders);
            holders.map(|h| Tally { spent: h.spent, refunded: h.refunded, held: h.held }).collect()
        }
        _ => Vec::new(),
    };
    rows.iter().flat_map(of).collect()
}

pub async fn report(store: &dyn Store, request: &Request) -> u64 {
    let reply = store.sync(request, now()).await.expect("the store answers");
    reply.expect("the report is taken").acked
}

/// Makes entries with right sums, as an engine would, and numbers them.
pub struct Engine {
    pub entries: Vec<Entry>,
    pub drawer: Drawer,
    pub window: Timestamp,
    accounts: BTreeMap<(SubscriptionId, Timestamp), Tally>,
    members: BTreeMap<(TeamId, UserId, Timestamp), Tally>,
    holds: BTreeMap<OperationId, (Set, Timestamp)>,
}

impl Engine {
    pub fn new() -> Self {
        let drawer =
            Drawer { team: Some(team_id("t")), member: user("bob"), payer: Payer::Pool, subscription: sub("s") };
        Self {
            entries: Vec::new(),
            drawer,
            window: at("2026-11-01T00:00:00Z"),
            accounts: BTreeMap::new(),
            members: BTreeMap::new(),
            holds: BTreeMap::new(),
        }
    }

    /// What was drawn so far on the subscription in the window.
    pub fn tally(&self) -> Tally {
        self.accounts.get(&(self.drawer.subscription.clone(), self.window)).copied().unwrap_or_default()
    }

    fn push(&mut self, id: &str, fact: Fact, postings: Vec<Posting>) -> &mut Self {
        let mut summed = Vec::new();
        for mut posting in postings {
            let account = self.accounts.entry((self.drawer.subscription.clone(), posting.window)).or_default();
            *account = account.after(&posting).expect("sums fit");
            posting.account = *account;
            if let (Payer::Pool, Some(team)) = (self.drawer.payer, &self.drawer.team) {
                let key = (team.clone(), self.drawer.member.clone(), posting.window);
                let member = self.members.entry(key).or_default();
                *member = member.after(&posting).expect("sums fit");
                posting.member = Some(*member);
            }
            summed.push(posting);
        }
        let at = now().plus_millis(self.entries.len() as u64);
        let drawer = self.drawer.clone();
        self.entries.push(Entry { at, id: op(id), drawer, fact, rates: None, postings: summed.into() });
        self
    }

    pub fn debit(&mut self, id: &str, cost: &str) -> &mut Self {
        let spent = credits(cost);
        let fact = Fact::Debited { credits: spent, model: purser::domain::Model::new("gpt-4o").ok(), content: 1 };
        self.push(id, fact, vec![Posting { spent, ..Posting::new(self.window) }])
    }

    pub fn hold(&mut self, id: &str, cost: &str) -> &mut Self {
        let (credits, expires_at) = (credits(cost), now().plus_millis(60_000));
        let set = Set { credits, expires_at };
        self.holds.insert(op(id), (set, self.window));
        let fact = Fact::Held { credits, expires_at, model: None, content: u64::MAX };
        self.push(id, fact, vec![Posting { held: Some(set), ..Posting::new(self.window) }])
    }

    pub fn extend(&mut self, id: &str) -> &mut Self {
        let (set, window) = self.holds[&op(id)];
        let expires_at = now().plus_millis(90_000);
        let held = Set { expires_at, ..set };
        self.holds.insert(op(id), (held, window));
        let posting = Posting { held: Some(held), unheld: Some(set), ..Posting::new(window) };
        self.push(id, Fact::Extended { expires_at }, vec![posting])
    }

    pub fn settle(&mut self, id: &str, cost: &str) -> &mut Self {
        let (set, window) = self.holds.remove(&op(id)).expect("the hold is open");
        let charged = credits(cost);
        let returned = set.credits.saturating_sub(charged);
        let fact = Fact::Settled { charged, returned, debt: Credits::ZERO, late: false };
        let own = Posting { spent: charged, unheld: Some(set), ..Posting::new(window) };
        let above = charged.saturating_sub(set.credits);
        if window == self.window || above.is_zero() {
            return self.push(id, fact, vec![own]);
        }
        let own = Posting { spent: set.credits, ..own };
        self.push(id, fact, vec![own, Posting { spent: above, ..Posting::new(self.window) }])
    }

    pub fn release(&mut self, id: &str) -> &mut Self {
        let (set, window) = self.holds.remove(&op(id)).expect("the hold is open");
        let posting = Posting { unheld: Some(set), ..Posting::new(window) };
        self.push(id, Fact::Released { returned: set.credits }, vec![posting])
    }

    pub fn refund(&mut self, id: &str, debit: &str, cost: &str) -> &mut Self {
        let refunded = credits(cost);
        let fact = Fact::Refunded { debit: op(debit), credits: refunded, content: 5 };
        self.push(id, fact, vec![Posting { refunded, ..Posting::new(self.window) }])
    }

    /// Undoes a debit.
    pub fn void(&mut self, id: &str, cost: &str) -> &mut Self {
        let refunded = credits(cost);
        let fact = Fact::Voided { credits: refunded, reused: false };
        self.push(id, fact, vec![Posting { refunded, ..Posting::new(self.window) }])
    }

    /// Takes an end in of what another one has.
    pub fn ask_end(&mut self, id: &str, end: AskedEnd) -> &mut Self {
        self.push(id, Fact::EndAsked { end }, Vec::new())
    }

    /// A report of entries `first` to `last` of the journal, the first of which is 1.
    pub fn request(&self, first: usize, last: usize) -> Request {
        Request {
            sidecar: 7,
            incarnation: 1,
            batch: Batch { first: first as u64, entries: self.entries[first - 1..last].to_vec() },
            wants: BTreeMap::from([(self.drawer.subscription.clone(), Vec::new())]),
            shares: Some(Shares {
                wants: BTreeMap::from([(self.drawer.subscription.clone(), Want::default())]),
                ..Shares::default()
            }),
        }
    }

    /// A report of all entries.
    pub fn all(&self) -> Request {
        self.request(1, self.entries.len())
    }
}

pub fn is_unavailable<T>(answer: &Result<T, StoreError>) -> bool {
    matches!(answer, Err(StoreError::Unavailable(_)))
}
