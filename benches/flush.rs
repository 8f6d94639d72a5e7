//! How fast reports come into the stores, and how many changes a second PostgreSQL takes when they are
//! of different teams: the positions of the ledger must not make them wait for each other.
//!
//! Not a criterion bench: a flush is long, and the figure is entries a second. The files lie in the folder
//! for temporary files: point `TMPDIR` to the disk in question. The servers run on the same machine. Names of
//! stores as arguments leave the others out: `cargo bench --bench flush -- postgres`.

#[path = "../tests/support/postgres.rs"]
mod postgres;
#[path = "../tests/support/redis.rs"]
mod redis;
#[allow(dead_code, reason = "the bench uses a part of it")]
#[path = "../tests/stores/support.rs"]
mod support;

use std::sync::Arc;

use purser::clock::Clock;
use purser::root::sync::Request;
use purser::store::{Memory, Store};
use support::{
    Engine, block_on, control, new_database, new_file, now, open, open_postgres, open_redis, put_subscription,
    put_team, report, sub, team_id, terms, user,
};

/// The allocator of the program that is measured.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Entries of one report.
const BATCHES: [usize; 3] = [500, 2_000, 10_000];

/// For how long operations are remembered, as `idempotency.retain` is unless it is set.
const REMEMBERS_MILLIS: u64 = 24 * 3_600_000;

/// The first sidecar's id.
const SIDECAR: u128 = 7;

/// Who reports.
#[derive(Clone, Copy)]
struct Fleet {
    sidecars: usize,
    /// Sidecars of one pool wait for each other, those of two do not.
    pools: usize,
}

const ALONE: Fleet = Fleet { sidecars: 1, pools: 1 };

/// Transactions under way at once.
const TOGETHER: [usize; 3] = [1, 4, 16];

fn is_smoke() -> bool {
    std::env::var_os("PURSER_BENCH_SMOKE").is_some() || std::env::args().any(|arg| arg == "--test")
}

/// Whether a store is measured: where none is named, all are.
fn is_asked(store: &str) -> bool {
    let mut named = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).peekable();
    named.peek().is_none() || named.any(|name| store.starts_with(&name))
}

fn main() {
    let (entries, changes) = if is_smoke() { (1_000, 32) } else { (200_000, 4_000) };
    println!(
        "{:<16} {:>8} {:>8} {:>8} {:>12} {:>10}",
        "store", "sidecars", "pools", "batch", "entries/s", "ms a batch"
    );
    for batch in BATCHES.map(|batch| batch.min(entries)) {
        block_on(each(entries, batch));
    }
    if is_asked("postgres") {
        println!("{:<16} {:>8} {:>12}", "store", "at once", "changes/s");
        for together in TOGETHER {
            block_on(change("postgres", together, changes));
        }
    }
}

async fn each(entries: usize, batch: usize) {
    if is_asked("memory") {
        // What the rules and the making of rows take, whatever the store.
        flush("memory", &Memory::default(), ALONE, entries, batch).await;
    }
    if is_asked("sqlite") {
        let (_folder, file) = new_file();
        flush("sqlite", &open(&file).await, ALONE, entries, batch).await;
    }
    for fleet in [ALONE, Fleet { sidecars: 2, pools: 1 }, Fleet { sidecars: 2, pools: 2 }] {
        if is_asked("postgres") {
            let store = open_postgres(postgres_server().await, &new_database().await).await;
            flush("postgres", &store, fleet, entries, batch).await;
        }
        for fsync in ["everysec", "always"] {
            if is_asked("redis") {
                let server = redis::Server::with(&["--appendonly", "yes", "--appendfsync", fsync]);
                flush(&format!("redis {fsync}"), &open_redis(&server).await, fleet, entries, batch).await;
            }
        }
    }
}

/// A server with memory as one has it that is not only there for a test: a quarter of what a small machine has,
/// as its manual recommends, so that the newest part of the ledger's indexes stays in it.
async fn postgres_server() -> &'static postgres::Server {
    static SET: tokio::sync::OnceCell<()> = tokio::sync::OnceCell::const_new();
    let server = postgres::server();
    let set = async || {
        server.run("postgres", "ALTER SYSTEM SET shared_buffers = '1GB'").await;
        server.crash();
        server.restart();
    };
    SET.get_or_init(set).await;
    server
}

/// Debits, and holds that are settled, in the ratio of two to two: `entries` of them, on the pool of this number.
fn requests(sidecar: u128, pool: usize, entries: usize, batch: usize) -> Vec<Request> {
    let mut engine = Engine::new();
    (engine.drawer.team, engine.drawer.subscription) = (Some(team_id(&format!("t{pool}"))), sub(&format!("s{pool}")));
    for n in 0..entries / 4 {
        engine.drawer.member = user(&format!("user-{}", n % 1_000));
        let id = |of: &str| format!("request-{sidecar}-{n}-{of}");
        engine.debit(&id("a"), "0.001").hold(&id("b"), "0.002").settle(&id("b"), "0.001").debit(&id("c"), "0.0005");
    }
    let entries = engine.entries.len();
    let request = |first: usize| {
        let mut request = Request { sidecar, ..engine.request(first + 1, (first + batch).min(entries)) };
        // As a sidecar reports: its ids are its own for as long as it remembers them.
        request.shares.iter_mut().for_each(|shares| shares.remembers_millis = REMEMBERS_MILLIS);
        request
    };
    (0..entries).step_by(batch).map(request).collect()
}

/// Flushes `entries` by a fleet, each sidecar from a thread of its own.
async fn flush(name: &str, store: &dyn Store, Fleet { sidecars, pools }: Fleet, entries: usize, batch: usize) {
    let clock = Clock::system();
    for pool in 0..pools {
        let (subscription, team, owner) = (format!("s{pool}"), format!("t{pool}"), format!("owner-{pool}"));
        control(store, |rows| put_subscription(rows, &subscription, &terms(&owner), now())).await;
        control(store, |rows| put_team(rows, &team, &subscription)).await;
    }
    let mut work = Vec::new();
    for number in 0..sidecars {
        let sidecar = SIDECAR + number as u128;
        store.register(sidecar, 1, 11).await.expect("the store answers").expect("it is the first");
        work.push(requests(sidecar, number % pools, entries / sidecars, batch));
    }
    let entries: usize = work.iter().flatten().map(|request| request.batch.entries.len()).sum();
    let reports: usize = work.iter().map(Vec::len).sum();
    let started = clock.instant();
    let runtime = tokio::runtime::Handle::current();
    let all = async |requests: &[Request]| {
        for request in requests {
            report(store, request).await;
        }
    };
    std::thread::scope(|scope| {
        for requests in &work {
            let (runtime, all) = (&runtime, &all);
            scope.spawn(move || runtime.block_on(all(requests)));
        }
    });
    let seconds = clock.since(started).as_secs_f64();
    let (rate, each) = (entries as f64 / seconds, seconds * 1e3 / reports as f64);
    println!("{name:<16} {sidecars:>8} {pools:>8} {batch:>8} {rate:>12.0} {each:>10.1}");
    assert_eq!(store.audit().await.expect("it is audited").differences, 0);
}

async fn change(name: &str, together: usize, changes: usize) {
    let clock = Clock::system();
    let database = new_database().await;
    let mut options = purser::store::postgres::Options::new(&postgres::server().url(&database)).expect("a URL");
    options.connections_max = together as u32;
    let store = Arc::new(purser::store::Postgres::open(options).await.expect("the store opens"));
    let started = clock.instant();
    let work = (0..together).map(|worker| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            for _ in 0..changes / together {
                control(&*store, |rows| put_team(rows, &format!("team-{worker}"), "s")).await;
            }
        })
    });
    for work in work.collect::<Vec<_>>() {
        work.await.expect("the changes go through");
    }
    let rate = (changes / together * together) as f64 / clock.since(started).as_secs_f64();
    println!("{name:<16} {together:>8} {rate:>12.0}");
}
