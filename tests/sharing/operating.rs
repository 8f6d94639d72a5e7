//! What operators see and do while several sidecars share a store.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use purser::clock::Clock;
use purser::domain::{Credits, Timestamp};
use purser::root::{Actor, Refusal};
use purser::server::StartError;
use purser::server::recovery::OpenError;
use purser::service::{FundsBalance, SidecarNow};
use purser::store::Store;

use crate::world::{Place, Sidecar, World, credits, subscription, team, user};

/// The longest wait for what syncs bring about: a beat, or two, and more on a busy machine.
const SOON: Duration = Duration::from_secs(15);

pub async fn soon(what: &str, is_so: impl AsyncFn() -> bool) {
    let wait = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(SOON, wait).await.unwrap_or_else(|_| panic!("{what}: not within {SOON:?}"));
}

async fn pool(sidecar: &Sidecar) -> FundsBalance {
    sidecar.service().funds_balance(&subscription()).await.expect("the store is there").expect("there is one")
}

fn ops() -> Actor {
    Actor::Service("ops".to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_sidecar_shows_the_same_balances_while_all_hold_parts() {
    let world = World::start(Place::Memory, 3).await;
    world.team(1_000, &[("ana", Some(200)), ("bo", None)]).await;
    let mut holds = Vec::new();
    for sidecar in &world.sidecars {
        sidecar.debit_soon("ana", credits(10)).await;
        sidecar.debit_soon("bo", credits(20)).await;
        holds.push(sidecar.hold_soon("ana", credits(5)).await);
    }
    for sidecar in &world.sidecars {
        soon("the pool's balance agrees", async || {
            let FundsBalance { used, held, remaining, .. } = pool(sidecar).await;
            (used, held, remaining) == (credits(90), credits(15), credits(895))
        })
        .await;
        soon("the member's balance agrees", async || {
            let view = sidecar.service().member_balance(&team(), &user("ana")).await;
            let view = view.expect("the store is there").expect("ana is a member");
            let balance = &view.balance;
            let left = (balance.remaining.member, balance.remaining.payer);
            (balance.used, balance.held) == (credits(30), credits(15)) && left == (Some(credits(155)), credits(895))
        })
        .await;
        let lent = pool(sidecar).await.lent.expect("many share");
        assert!(lent.credits <= credits(895) && lent.suspense.is_zero(), "{lent:?}");
        let age = Timestamp::from_millis(now_millis()).expect("a time").millis_since(lent.as_of);
        assert!(age < 3_000, "whoever holds something syncs every second: {age} ms");
    }
    for (sidecar, hold) in world.sidecars.iter().zip(&holds) {
        sidecar.settle(hold, Credits::ZERO).await;
    }
    world.stop(credits(90)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_vanished_sidecar_strands_comes_back_when_it_is_forgiven() {
    let world = World::start(Place::Memory, 1).await;
    world.team(1_000, &[("ana", Some(1_000))]).await;
    let first = &world.sidecars[0];
    let known: Vec<u128> = listed(first).await.iter().map(|now| now.sidecar.id).collect();
    let (second, line) = world.add().await;
    let mut all = listed(first).await.into_iter().map(|now| now.sidecar.id);
    let id = all.find(|id| !known.contains(id)).expect("it has registered");
    second.debit_soon("ana", credits(10)).await;
    second.hold_soon("ana", credits(3)).await;
    second.service().flush().await.expect("the store is there");
    soon("it is lent parts to go on from", async || {
        let (funds, limits) = lent_to(first, id).await;
        funds >= credits(5) && limits >= credits(5)
    })
    .await;
    line.cut(true);
    for _ in 0..5 {
        second.debit("ana", credits(1)).await.expect("it goes on from its part, unheard");
    }
    second.debit("ana", credits(500)).await.expect_err("it cannot get more");
    second.service().sidecars().await.expect_err("the store is away");
    second.service().reconcile().await.expect_err("the store is away");
    second.service().forgive(id, true, &ops()).await.expect_err("the store is away");
    assert_eq!(metric(&second, "purser_leases_denied_total"), 1.0);

    let (stranded, _) = lent_to(first, id).await;
    let more_than_is_left = credits(988).minus(stranded);
    first.debit("ana", more_than_is_left).await.expect_err("what is stranded is not there");
    let refused = first.service().forgive(id, false, &ops()).await.expect("the store is there");
    assert!(matches!(refused, Err(Refusal::Conflict { code: "sidecar_in_use", .. })), "{refused:?}");
    let forgiven = first.service().forgive(id, true, &ops()).await.expect("the store is there").expect("is forced");
    assert_eq!(forgiven.funds, stranded, "{forgiven:?}");
    assert!(forgiven.limits >= credits(5), "{forgiven:?}");
    // With the 5 that nobody heard of, 1 005 of 1 000 are allowed: the bound that forgiving breaks.
    first.debit_soon("ana", credits(987)).await;
    let FundsBalance { used, held, remaining, .. } = pool(first).await;
    assert_eq!((used, held, remaining), (credits(997), credits(3), Credits::ZERO), "its open hold stays charged");

    line.cut(false);
    soon("the forgiven one is fenced", async || second.service().unready().is_some()).await;
    second.debit("ana", credits(1)).await.expect_err("it decides nothing any more");
    check_metrics(first, &second);
    let (flushed, start) = second.restart(world.store()).await;
    let fenced = matches!(start, Err(StartError::Open(OpenError::Refused(_))));
    assert!(!flushed && fenced, "its entries came too late, and it is refused when it starts again");
    let (third, _) = world.add().await;
    third.debit("ana", credits(1)).await.expect_err("the pool is spent");
    assert!(third.stop().await);
    world.stop(credits(997)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_cannot_tell_again_what_the_store_lost_stops_and_can_be_given_up() {
    let world = World::start(Place::Memory, 1).await;
    world.team(100, &[("ana", None)]).await;
    let first = &world.sidecars[0];
    let known = listed(first).await.into_iter().map(|now| now.sidecar.id).next();
    let (second, line) = world.add().await;
    second.debit_soon("ana", credits(10)).await;
    let second = second.outlive_journal(Arc::clone(&line) as Arc<dyn Store>).await;
    second.debit_soon("ana", credits(10)).await;
    second.service().flush().await.expect("the store is there");

    line.forget();
    soon("it stops", async || second.service().unready().is_some()).await;
    second.debit("ana", credits(1)).await.expect_err("what it would enter could not reach the ledger");
    assert_eq!(metric(&second, "purser_fenced"), 1.0);

    let mut all = listed(first).await.into_iter().map(|now| now.sidecar.id);
    let id = all.find(|id| Some(*id) != known).expect("it has registered");
    first.service().forgive(id, true, &ops()).await.expect("the store is there").expect("it is forced");
    first.debit_soon("ana", credits(80)).await;
    let (third, _) = world.add().await;
    third.debit("ana", credits(1)).await.expect_err("the pool is spent");
    assert!(third.stop().await);
    let _ = second.stop().await;
    world.stop(credits(100)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backlog_goes_in_smaller_batches_where_large_ones_do_not_come_through() {
    let world = World::start(Place::Memory, 1).await;
    world.team(10_000, &[("ana", None)]).await;
    let (second, line) = world.add().await;
    second.debit_soon("ana", credits(1_000)).await;
    second.service().flush().await.expect("the store is there");
    soon("it is lent a part to go on from", async || world.lent().await >= credits(1)).await;
    line.cut(true);
    let bit = Credits::from_micros(1).expect("in range");
    for _ in 0..1_000 {
        second.debit("ana", bit).await.expect("it goes on from its part");
    }
    soon("the lag shows", async || metric(&second, "purser_flush_lag_seconds") > 0.0).await;
    line.narrow(300);
    line.cut(false);
    soon("all of it comes through", async || second.service().flush().await.is_ok()).await;
    soon("nothing lags", async || metric(&second, "purser_flush_lag_seconds") == 0.0).await;
    assert!(second.stop().await);
    world.stop(credits(1_000).plus(Credits::from_micros(1_000).expect("in range"))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_always_enters_something_lags_no_longer_than_a_sync_takes() {
    let world = World::start(Place::Memory, 1).await;
    world.team(10_000, &[("ana", None)]).await;
    let first = &world.sidecars[0];
    first.debit_soon("ana", credits(1)).await;
    let bit = Credits::from_micros(1).expect("in range");
    let syncs = || metric(first, r#"purser_sync_seconds_count{store="memory"}"#);
    let (before, start, sidecar) = (syncs(), Clock::system().instant(), Arc::clone(first));
    let is_over = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&is_over);
    let debits = tokio::spawn(async move {
        let mut debits = 0;
        while !seen.load(Ordering::Relaxed) {
            sidecar.debit("ana", bit).await.expect("there is enough");
            debits += 1;
        }
        debits
    });
    soon("it syncs", async || syncs() >= before + 10.0).await;
    let lag = metric(first, "purser_flush_lag_seconds");
    let all = Clock::system().since(start).as_secs_f64();
    is_over.store(true, Ordering::Relaxed);
    let debits = debits.await.expect("it ends");
    assert!(lag < all / 2.0, "{lag} s after {all}");
    world.stop(credits(1).plus(Credits::from_micros(debits).expect("in range"))).await;
}

async fn listed(sidecar: &Sidecar) -> Vec<SidecarNow> {
    sidecar.service().sidecars().await.expect("the store is there")
}

/// One that shared a pool with one that was fenced.
fn check_metrics(first: &Sidecar, fenced: &Sidecar) {
    assert_eq!(metric(fenced, "purser_fenced"), 1.0);
    assert!(metric(fenced, r#"purser_sync_failures_total{store="memory"}"#) >= 1.0);
    for name in [
        r#"purser_sync_seconds_count{store="memory"}"#,
        r#"purser_leases_asked_total{of="pool"}"#,
        r#"purser_leases_asked_total{of="limit"}"#,
        "purser_leases_waited_total",
        "purser_urgent_syncs_total",
    ] {
        assert!(metric(first, name) >= 1.0, "{name}");
    }
    assert_eq!((metric(first, "purser_fenced"), metric(first, "purser_lease_regressions_total")), (0.0, 0.0));
}

/// A number of a sidecar's page of metrics.
pub fn metric(sidecar: &Sidecar, name: &str) -> f64 {
    sidecar.service().metrics().run_upkeep();
    let page = sidecar.service().metrics().render();
    let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ').map(str::to_owned));
    line.unwrap_or_else(|| panic!("{name} is not in {page}")).parse().expect("a number")
}

/// Waits until every sidecar has been lent something of the pool and of limits.
pub async fn lent_to_all(asked: &Sidecar) {
    let has_both = |now: &SidecarNow| !now.funds.lent.is_zero() && !now.limits.lent.is_zero();
    soon("a little of everything is lent", async || listed(asked).await.iter().all(has_both)).await;
}

/// What a sidecar has free of the pool and of limits, as the store knows it.
async fn lent_to(asked: &Sidecar, id: u128) -> (Credits, Credits) {
    let mut all = listed(asked).await.into_iter();
    let found = all.find(|now| now.sidecar.id == id).expect("it has registered");
    (found.funds.lent, found.limits.lent)
}

fn now_millis() -> i64 {
    Clock::system().now().millis()
}
