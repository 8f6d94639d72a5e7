//! How many syncs a second Redis takes when all are of one hot pool, so that each finds the row that another
//! has just written. How fast reports come in is in `flush`.
//!
//! Not a criterion bench: the figure is syncs a second. The server runs on the same machine, with what it
//! writes in the folder for temporary files: point `TMPDIR` to the disk in question.

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
use purser::store::Store;
use redis::Server;
use support::{block_on, control, now, put_subscription, put_team, reopen_redis, terms};

/// The allocator of the program that is measured.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Sidecars that share one pool.
const SIDECARS: [u128; 4] = [1, 2, 8, 32];

fn is_smoke() -> bool {
    std::env::var_os("PURSER_BENCH_SMOKE").is_some() || std::env::args().any(|arg| arg == "--test")
}

fn main() {
    let syncs = if is_smoke() { 64 } else { 4_000 };
    let everysec = Server::with(&["--appendonly", "yes", "--appendfsync", "everysec"]);
    let always = Server::start();
    println!("{:<16} {:>8} {:>12}", "store", "sidecars", "syncs/s");
    for sidecars in SIDECARS {
        block_on(share("redis everysec", &everysec, sidecars, syncs));
        block_on(share("redis always", &always, sidecars, syncs));
    }
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
