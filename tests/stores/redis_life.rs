//! What befalls a Redis: restarts, kills, hangs, cut connections, an emptied or doctored database. What
//! was answered stays, and what may have been forgotten is asked for before anything more is lent.

use std::sync::Arc;
use std::time::Duration;

use purser::clock::Clock;
use purser::root::sync::{Request, SyncRefusal};
use purser::store::redis::{Discovery, Options, Target};
use purser::store::{Filter, Redis, Store};
use tokio::task::JoinSet;

use crate::peer::Peer;
use crate::proxy::{Mode, Proxy, Trap};
use crate::redis::{Server, cluster};
use crate::support::*;

/// For how long a store that may have forgotten hears before it lends.
const HEARING_MILLIS: u64 = 3_000;

/// The pool of the tests, and two sidecars that have been lent a part.
async fn two_peers(store: &dyn Store) -> [Peer; 2] {
    control(store, |rows| put_subscription(rows, "s", &terms("ana"), now())).await;
    control(store, |rows| put_team(rows, "t", "s")).await;
    let mut peers = [Peer::join(store, 21).await, Peer::join(store, 22).await];
    for peer in &mut peers {
        let shared = peer.sync(store, "100").await.expect("the store answers");
        assert!(!Peer::is_withheld(&shared) && peer.granted() == credits("100"));
    }
    peers
}

/// Nothing is lent before both have told what they hold; then all is as before, and lending goes on.
async fn both_tell(store: &dyn Store, peers: &mut [Peer; 2], generation: u64) {
    evidence(store, peers, generation).await;
    let before = peers[0].granted();
    let shared = peers[0].sync_soon(store, &before.plus(credits("100")).to_string()).await;
    assert!(!Peer::is_withheld(&shared) && peers[0].granted() > before, "{shared:?}");
    assert_eq!(store.audit().await.expect("it is audited").listed, []);
}

async fn evidence(store: &dyn Store, [one, other]: &mut [Peer; 2], generation: u64) {
    let before = [one.granted(), other.granted()];
    for _ in 0..2 {
        let shared = one.sync_soon(store, "500").await;
        assert_eq!((shared.generation, Peer::is_withheld(&shared)), (generation, true), "the other has not told");
    }
    other.sync_soon(store, "0").await;
    let shared = other.sync_soon(store, "0").await;
    assert!(Peer::is_withheld(&shared), "both have told; a third may be heard yet");
    (one.now, other.now) = (one.now.plus_millis(HEARING_MILLIS), other.now.plus_millis(HEARING_MILLIS));
    let shared = other.sync_soon(store, "0").await;
    assert!(!Peer::is_withheld(&shared), "both have told");
    assert_eq!([one.granted(), other.granted()], before, "nothing was lent and nothing forgotten");
}

async fn opened(port: u16, timeout: Duration) -> Redis {
    Redis::open(Options { verb_timeout: timeout, ..Options::new(target(port)) }).await.expect("the store opens")
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_restart_keeps_everything_and_asks_for_evidence() {
    block_on(async {
        let server = Server::start();
        let store = opened(server.port(), 5 * SECOND).await;
        let mut peers = two_peers(&store).await;
        peers[0].engine.debit("d1", "10").hold("h1", "5");
        peers[0].sync(&store, "100").await.expect("the store answers");
        let before = loaded(&store, now()).await;
        server.stop();
        assert!(is_unavailable(&peers[1].sync(&store, "0").await));
        server.restart();
        assert_eq!(loaded(&store, now()).await, before);
        both_tell(&store, &mut peers, 1).await;
    });
}

#[test]
fn a_killed_redis_has_every_batch_that_it_answered() {
    block_on(async {
        let server = Arc::new(Server::start());
        let store: Arc<dyn Store> = Arc::new(opened(server.port(), 5 * SECOND).await);
        let mut peers = two_peers(&*store).await;
        for round in 1..=4 {
            let mut working = JoinSet::new();
            for mut peer in peers {
                let store = Arc::clone(&store);
                working.spawn(async move {
                    for n in 0..100_000 {
                        peer.engine.hold(&format!("h{round}-{n}"), "0.002").settle(&format!("h{round}-{n}"), "0.001");
                        // A report that nobody answered may have been taken all the same: the next repeats it.
                        if peer.sync(&*store, "0").await.is_err() {
                            break;
                        }
                    }
                    peer
                });
            }
            tokio::time::sleep(Duration::from_millis(40 * round)).await;
            let killing = Arc::clone(&server);
            tokio::task::spawn_blocking(move || {
                killing.kill();
                killing.restart();
            })
            .await
            .expect("it is killed");
            let mut back = working.join_all().await;
            back.sort_by_key(|peer| peer.id);
            peers = back.try_into().unwrap_or_else(|_| unreachable!("two set out"));
            // Whoever comes first tells that the store is another.
            for _ in 0..2 {
                for peer in &mut peers {
                    peer.sync_soon(&*store, "0").await;
                    assert_eq!(peer.acked as usize, peer.engine.entries.len());
                }
            }
            assert_eq!(peers.each_ref().map(|peer| peer.generation), [round; 2]);
            assert_eq!(store.audit().await.expect("it is audited").listed, []);
        }
        peers[0].now = peers[0].now.plus_millis(HEARING_MILLIS);
        let shared = peers[0].sync(&*store, "150").await.expect("the store answers");
        assert!(!Peer::is_withheld(&shared) && peers[0].granted() > credits("100"), "lending goes on");
    });
}

#[test]
fn an_emptied_redis_lends_nothing_before_those_it_forgot_have_told() {
    block_on(async {
        let server = Server::start();
        let store = opened(server.port(), 5 * SECOND).await;
        let mut peers = two_peers(&store).await;
        server.run("FLUSHALL");
        let request = Request { sidecar: peers[0].id, ..peers[0].engine.request(1, 0) };
        let refused = store.sync(&request, now()).await.expect("the store answers");
        assert_eq!(refused, Err(SyncRefusal::RegisterFirst));
        control(&store, |rows| put_subscription(rows, "s", &terms("ana"), now())).await;
        for peer in &mut peers {
            store.register(peer.id, 2, 2).await.expect("the store answers").expect("nobody is known");
            peer.incarnation = 2;
        }
        evidence(&store, &mut peers, 1).await;
    });
}

#[test]
fn what_was_told_before_an_account_was_named_anew_is_charged_once_it_is() {
    block_on(async {
        let server = Server::start();
        let store = opened(server.port(), 5 * SECOND).await;
        let mut peers = two_peers(&store).await;
        peers[0].engine.debit("d1", "80").hold("h1", "5");
        peers[0].sync(&store, "100").await.expect("the store answers");
        server.run("FLUSHALL");
        for peer in &mut peers {
            store.register(peer.id, 2, 2).await.expect("the store answers").expect("nobody is known");
            (peer.incarnation, peer.acked) = (2, 0);
        }
        for peer in &mut peers {
            peer.sync_soon(&store, "0").await;
        }
        assert_eq!(peers[0].acked, 2, "the ledger has the entries again, and no account yet");
        control(&store, |rows| put_subscription(rows, "s", &terms("ana"), now())).await;
        control(&store, |rows| put_team(rows, "t", "s")).await;
        let before = peers[0].granted();
        peers[0].sync_soon(&store, "40").await;
        let row = store.subscription(&sub("s")).await.expect("the store answers").expect("it was put");
        let holder = row.open_account().of(peers[0].id);
        assert_eq!((holder.spent, holder.held), (credits("80"), credits("5")));
        assert_eq!((holder.granted, holder.free()), (before, before.minus(credits("85"))), "as it was before");
        assert_eq!(store.audit().await.expect("it is audited").listed, []);
    });
}

#[test]
fn a_doctored_database_is_noticed() {
    block_on(async {
        let server = Server::start();
        let store = opened(server.port(), 5 * SECOND).await;
        let mut peers = two_peers(&store).await;
        let earlier = server.run("GET {purser}:meta");
        peers[0].sync(&store, "100").await.expect("the store answers");
        for (generation, doctoring) in (1..).zip([
            "DEL {purser}:meta".to_owned(),
            format!("EVAL redis.call('SET',KEYS[1],ARGV[1]) 1 {{purser}}:meta {}", earlier.replace(' ', "_")),
            "FUNCTION FLUSH".to_owned(),
        ]) {
            server.run(&doctoring);
            peers[1].sync(&store, "0").await.expect("the store answers");
            assert_eq!(peers[1].generation, generation, "{doctoring}");
            peers[0].sync(&store, "0").await.expect("the store answers");
        }
        assert_eq!(store.audit().await.expect("it is audited").listed, []);
    });
}

#[test]
fn a_redis_that_hangs_is_unavailable_in_time_and_takes_nothing_twice() {
    block_on(async {
        let server = Server::start();
        let store = opened(server.port(), Duration::from_millis(400)).await;
        let mut peers = two_peers(&store).await;
        for round in 0..5 {
            peers[0].engine.debit(&format!("d{round}"), "0.5");
            server.freeze();
            let (clock, started) = (Clock::system(), Clock::system().instant());
            assert!(is_unavailable(&peers[0].sync(&store, "0").await));
            assert!(is_unavailable(&store.team(&team_id("t")).await));
            assert!(clock.since(started) < 2 * SECOND, "{:?}", clock.since(started));
            server.thaw();
            peers[0].sync_soon(&store, "0").await;
            assert_eq!(peers[0].acked, round + 1);
        }
        assert_eq!(peers[0].generation, 0, "it is the same process");
        assert_eq!(store.audit().await.expect("it is audited").listed, []);
    });
}

#[test]
fn a_connection_cut_at_any_phase_of_a_sync_costs_nothing() {
    block_on(async {
        let server = Server::start();
        let proxy = Proxy::to(server.port()).await;
        let store = opened(proxy.port(), 5 * SECOND).await;
        let mut peers = two_peers(&store).await;
        let (mut entered, mut sprung) = (0, 0);
        for _ in 0..5 {
            let fence = [Trap::Before("purser_4_fence"), Trap::After("purser_4_fence")];
            let commit = [Trap::Before("purser_4_commit"), Trap::After("purser_4_commit")];
            for trap in fence.into_iter().chain(commit) {
                entered += 1;
                peers[0].engine.debit(&format!("d{entered}"), "0.5");
                proxy.arm(trap.clone());
                peers[0].sync(&store, "100").await.expect("the verb gets through by itself");
                sprung += 1;
                assert_eq!((peers[0].acked, proxy.sprung()), (entered, sprung), "{trap:?}");
            }
        }
        let entries = store.entries(&Filter::default(), None, 1_000).await.expect("the ledger is read");
        assert_eq!(entries.iter().filter(|entry| entry.seq.is_some()).count() as u64, entered);
        assert_eq!(store.audit().await.expect("it is audited").listed, []);
    });
}

#[test]
fn a_change_of_control_whose_answer_is_lost_is_made_once() {
    block_on(async {
        let server = Server::start();
        let proxy = Proxy::to(server.port()).await;
        let store = opened(proxy.port(), 5 * SECOND).await;
        control(&store, |rows| put_subscription(rows, "s", &terms("ana"), now())).await;
        proxy.arm(Trap::After("purser_4_commit"));
        control(&store, |rows| put_team(rows, "t", "s")).await;
        assert_eq!(proxy.sprung(), 1);
        let entries = store.entries(&Filter::default(), None, 100).await.expect("the ledger is read");
        let kinds: Vec<_> = entries.iter().map(|entry| entry.kind.as_str()).collect();
        assert_eq!(kinds, ["subscription_put", "granted", "team_put", "member_put", "member_put"]);
    });
}

#[test]
fn many_that_report_at_once_all_come_through() {
    block_on(async {
        let server = Server::start();
        let store = opened(server.port(), 5 * SECOND).await;
        control(&store, |rows| put_subscription(rows, "s", &terms("ana"), now())).await;
        control(&store, |rows| put_team(rows, "t", "s")).await;
        let mut working = JoinSet::new();
        for id in 0..8 {
            let store = opened(server.port(), 5 * SECOND).await;
            working.spawn(async move {
                let mut peer = Peer::join(&store, 100 + id).await;
                peer.sync(&store, "1").await.expect("the store answers");
                for n in 0..25 {
                    peer.engine.debit(&format!("d{id}-{n}"), "0.001");
                    peer.sync(&store, "1").await.expect("others may be faster, but not for ever");
                }
                peer.granted()
            });
        }
        let granted = working.join_all().await;
        assert!(granted.iter().all(|granted| *granted >= credits("1")), "{granted:?}");
        let audit = store.audit().await.expect("it is audited");
        assert_eq!((audit.listed, audit.entries), (vec![], 5 + 8 * 25));
    });
}

#[test]
fn who_is_slower_than_all_others_comes_through() {
    block_on(async {
        let server = Server::start();
        let proxy = Proxy::to(server.port()).await;
        let (store, slow) = (opened(server.port(), 15 * SECOND).await, opened(proxy.port(), 15 * SECOND).await);
        let [_, mut peer] = two_peers(&store).await;
        // Without anybody who waits for it, it would have to read, decide and write while nobody else does.
        proxy.set(Mode::Delay(Duration::from_millis(20)));
        let mut busy = JoinSet::new();
        for id in 0..3 {
            let store = opened(server.port(), 15 * SECOND).await;
            busy.spawn(async move {
                let mut peer = Peer::join(&store, 100 + id).await;
                for n in 0.. {
                    peer.engine.debit(&format!("d{id}-{n}"), "0.000001");
                    peer.sync(&store, "1").await.expect("others may be faster, but not for ever");
                }
            });
        }
        for n in 0..5 {
            peer.engine.debit(&format!("slow-{n}"), "0.001");
            peer.sync(&slow, "1").await.expect("the others give it a turn");
        }
        busy.shutdown().await;
        assert_eq!(store.audit().await.expect("it is audited").listed, []);
    });
}

#[test]
fn control_through_one_connection_is_pushed_to_others() {
    block_on(async {
        let server = Server::start();
        let (store, other) = (opened(server.port(), 5 * SECOND).await, opened(server.port(), 5 * SECOND).await);
        let mut pushes = other.pushes().expect("Redis pushes");
        pushes.mark_unchanged();
        tokio::time::sleep(Duration::from_millis(50)).await;
        pushes.mark_unchanged();
        control(&store, |rows| put_team(rows, "t", "s")).await;
        tokio::time::timeout(SECOND, pushes.changed()).await.expect("it is pushed").expect("the store is there");
    });
}

#[test]
fn a_node_of_a_cluster_is_found_and_found_again() {
    block_on(async {
        let nodes = cluster();
        for first in 0..3 {
            // Whichever node is named, the one with the keys is asked.
            let store = opened_cluster(&nodes[first..]).await;
            match first {
                0 => drop(two_peers(&store).await),
                _ => assert_eq!(store.team(&team_id("t")).await, Ok(Some(team("t", "s")))),
            }
            assert_eq!(store.audit().await.expect("it is audited").listed, []);
        }
    });
}

#[test]
fn a_failover_there_and_back_loses_no_lease() {
    block_on(async {
        let first = Server::start();
        let servers = [Server::replica_of(first.port()), first];
        let sentinel = Server::sentinel(servers[1].port());
        sentinel.wait_until("SENTINEL REPLICAS main", &servers[0].port().to_string());
        let discovery = Discovery::Sentinel { master: "main".to_owned(), user: None, password: None };
        let target = Target { discovery, ..target(sentinel.port()) };
        let options = Options { verb_timeout: SECOND, ..Options::new(target) };
        let store = Redis::open(options).await.expect("the store opens");
        let mut peers = two_peers(&store).await;
        for round in 1..=2 {
            let [next, master] = if round == 1 { [0, 1] } else { [1, 0] }.map(|index: usize| &servers[index]);
            peers[0].engine.debit(&format!("d{round}"), "1");
            peers[0].sync_soon(&store, "0").await;
            // Replication is behind by a moment: what it lost would be the bound that is stated.
            next.wait_for_copy(master);
            master.kill();
            both_tell(&store, &mut peers, round).await;
            assert_eq!(peers[0].acked, round);
            sentinel.wait_until("SENTINEL MASTER main", &format!("\n{}\n", next.port()));
            master.restart();
            // Sentinel would see to it after some seconds.
            master.run(&format!("REPLICAOF 127.0.0.1 {}", next.port()));
            master.wait_for_link();
        }
    });
}
