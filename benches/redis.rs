//! How fast reports come into Redis, and how many syncs a second it takes when all are of one hot pool, so
//! that each finds the row that another has just written.
//!
//! Not a criterion bench: the figures are entries and syncs a second. The server runs on the same machine,
//! with what it writes in the folder for temporary files: point `TMPDIR` to the disk in question.

#[path = "../tests/stores/peer.rs"]
#[allow(dead_code, reason = "the bench uses a part of it")]
mod peer;
#[path = "../tests/support/postgres.rs"]
mod postgres;
#[path = "../tests/support/redis.rs"]
mod redis;
#[allow(dead_code, reason = "the bench uses a part of it")]
#[path = "../tests/stores/support.rs"]
mod support;

use std::sync::Arc;

use peer::Peer;
use purser::clock::Clock;
use purser::root::sync::Request;
use purser::store::Store;
use redis::Server;
use support::{
    Engine, block_on, control, now, open_redis, put_subscription, put_team, reopen_redis, report, seeded, terms, user,
};

/// The allocator of the program that is measured.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Entries of one report.
const BATCHES: [usize; 3] = [500, 2_000, 10_000];

/// The first sidecar's id.
const SIDECAR: u128 = 7;

/// Sidecars that share one pool.
const SIDECARS: [u128; 4] = [1, 2, 8, 32];

fn is_smoke() -> bool {
    std::env::var_os("PURSER_BENCH_SMOKE").is_some() || std::env::args().any(|arg| arg == "--test")
}

fn main() {
    let (entries, syncs) = if is_smoke() { (1_000, 64) } else { (200_000, 4_000) };
    let everysec = Server::with(&["--appendonly", "yes", "--appendfsync", "everysec"]);
    let always = Server::start();
    println!("{:<16} {:>8} {:>8} {:>12} {:>10}", "store", "sidecars", "batch", "entries/s", "ms a batch");
    for batch in BATCHES.map(|batch| batch.min(entries)) {
        for sidecars in [1, 2] {
            block_on(async { flush("redis everysec", &open_redis(&everysec).await, sidecars, entries, batch).await });
        }
        block_on(async { flush("redis always", &open_redis(&always).await, 1, entries, batch).await });
    }
    println!("{:<16} {:>8} {:>12}", "store", "sidecars", "syncs/s");
    for sidecars in SIDECARS {
        block_on(share("redis everysec", &everysec, sidecars, syncs));
        block_on(share("redis always", &always, sidecars, syncs));
    }
}

/// Debits, and holds that are settled, in the ratio of two to two: `entries` of them by as many sidecars.
fn requests(sidecar: u128, entries: usize, batch: usize) -> Vec<Request> {
    let mut engine = Engine::new();
    for n in 0..entries / 4 {
        engine.drawer.member = user(&format!("user-{}", n % 1_000));
        let id = |of: &str| format!("request-{sidecar}-{n}-{of}");
        engine.debit(&id("a"), "0.001").hold(&id("b"), "0.002").settle(&id("b"), "0.001").debit(&id("c"), "0.0005");
    }
    let entries = engine.entries.len();
    let request = |first: usize| Request { sidecar, ..engine.request(first + 1, (first + batch).min(entries)) };
    (0..entries).step_by(batch).map(request).collect()
}

/// Flushes `entries` by two sidecars or one, which all draw on one pool.
async fn flush(name: &str, store: &dyn Store, sidecars: u128, entries: usize, batch: usize) {
    let clock = Clock::system();
    seeded(store).await;
    let mut work = Vec::new();
    for sidecar in SIDECAR..SIDECAR + sidecars {
        store.register(sidecar, 1, 11).await.expect("the store answers").expect("it is the first");
        work.push(requests(sidecar, entries / sidecars as usize, batch));
    }
    let entries: usize = work.iter().flatten().map(|request| request.batch.entries.len()).sum();
    let reports: usize = work.iter().map(Vec::len).sum();
    let started = clock.instant();
    let all = async |requests: &Vec<Request>| {
        for request in requests {
            report(store, request).await;
        }
    };
    match &work[..] {
        [one, other] => drop(tokio::join!(all(one), all(other))),
        [one] => all(one).await,
        _ => unreachable!("one sidecar or two"),
    }
    let seconds = clock.since(started).as_secs_f64();
    let (rate, each) = (entries as f64 / seconds, seconds * 1e3 / reports as f64);
    println!("{name:<16} {sidecars:>8} {batch:>8} {rate:>12.0} {each:>10.1}");
    assert_eq!(store.audit().await.expect("it is audited").differences, 0);
}

async fn share(name: &str, server: &Server, sidecars: u128, syncs: usize) {
    let clock = Clock::system();
    let prefix = format!("{{{}{sidecars}}}", name.replace(' ', "-"));
    let store = reopen_redis(server, &prefix).await;
    control(&store, |rows| put_subscription(rows, "s", &terms("ana"), now())).await;
    control(&store, |rows| put_team(rows, "t", "s")).await;
    let mut peers = Vec::new();
    for id in 1..=sidecars {
        let mut peer = Peer::join(&store, id).await;
        peer.sync(&store, "1").await.expect("the store answers");
        peers.push((peer, Arc::new(reopen_redis(server, &prefix).await)));
    }
    let each = syncs / sidecars as usize;
    let started = clock.instant();
    let work: Vec<_> = peers
        .into_iter()
        .map(|(mut peer, store)| {
            tokio::spawn(async move {
                for n in 0..each {
                    // So that every sync changes the row of the pool.
                    peer.engine.debit(&format!("d{n}"), "0.001");
                    peer.sync(&*store, "1").await.expect("others may be faster, but not for ever");
                }
            })
        })
        .collect();
    for work in work {
        work.await.expect("the syncs go through");
    }
    let rate = (each * sidecars as usize) as f64 / clock.since(started).as_secs_f64();
    println!("{name:<16} {sidecars:>8} {rate:>12.0}");
    assert_eq!(store.audit().await.expect("it is audited").differences, 0);
}
