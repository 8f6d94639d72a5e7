//! Sidecars that borrow of blocks: a real Redis lends what a real PostgreSQL has charged, and forgets.

use std::time::Duration;

use purser::domain::Credits;
use purser::root::blocks::is_lender;
use purser::root::{Actor, Holder};

use crate::world::{Place, World, credits, subscription};
use crate::{exhaust, redis};

/// How long everybody draws before something happens to the lender.
const MEANWHILE: Duration = Duration::from_millis(700);

/// What lenders were charged in all, what sidecars have borrowed of that, and what is in suspense.
async fn blocks(world: &World) -> [Credits; 3] {
    let row = world.store().subscription(&subscription()).await.expect("the store is there").expect("it was put");
    let (lenders, borrowers): (Vec<&Holder>, Vec<&Holder>) =
        row.accounts.iter().flat_map(|account| &account.holders).partition(|holder| is_lender(holder.sidecar));
    let charged = lenders.iter().map(|holder| holder.granted).fold(Credits::ZERO, Credits::plus);
    let borrowed = borrowers.iter().map(|holder| holder.borrowed).fold(Credits::ZERO, Credits::plus);
    let suspense = lenders.iter().map(|holder| holder.suspense()).fold(Credits::ZERO, Credits::plus);
    [charged, borrowed, suspense]
}

/// Spends a pool to its end while something happens to the lender. Everything is allowed but what is in
/// suspense, and that after it has been forgiven.
async fn spends_all_but_the_suspense(sidecars: usize, pool: u32, happens: impl AsyncFnOnce(&redis::Server)) {
    let world = World::start(Place::Blocks, sidecars).await;
    world.team(pool, &[("ana", None)]).await;
    let lender = world.lender().expect("there is one");
    let story = async {
        tokio::time::sleep(MEANWHILE).await;
        happens(lender).await;
    };
    let (allowed, ()) = tokio::join!(exhaust(&world, "ana"), story);
    let [charged, borrowed, suspense] = blocks(&world).await;
    println!("allowed {allowed} of {pool}; blocks of {charged}, borrowed {borrowed}, in suspense {suspense}");
    let allowed = u32::try_from(allowed).expect("few");
    let left = credits(pool).minus(suspense);
    // Whole credits are asked.
    assert!(credits(allowed) <= left && left < credits(allowed + 1), "not a credit more, nor less");
    let service = world.sidecars[0].service();
    let sidecars = service.sidecars().await.expect("the store is there");
    for burned in sidecars.iter().filter(|now| is_lender(now.sidecar.id) && !now.funds.suspense.is_zero()) {
        let ops = Actor::Service("ops".to_owned());
        service.forgive(burned.sidecar.id, true, &ops).await.expect("the store is there").expect("it may be");
    }
    let rest = exhaust(&world, "ana").await;
    assert_eq!(u64::from(allowed) + rest, u64::from(pool), "what was forgiven is there");
    world.stop(credits(pool)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hot_pools_are_borrowed_of_and_stopping_brings_everything_home() {
    let world = World::start(Place::Blocks, 4).await;
    world.team(400_000, &[("ana", None)]).await;
    for _ in 0..300 {
        for sidecar in &world.sidecars {
            sidecar.debit_soon("ana", credits(100)).await;
        }
    }
    let [charged, borrowed, suspense] = blocks(&world).await;
    println!("blocks of {charged}, borrowed {borrowed}");
    assert!(borrowed > Credits::ZERO && suspense.is_zero(), "{charged} {borrowed} {suspense}");
    world.stop(credits(120_000)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_emptied_lender_overspends_nothing() {
    spends_all_but_the_suspense(4, 8_000, async |lender| {
        for _ in 0..3 {
            lender.run("FLUSHALL");
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_lender_overspends_nothing_and_is_found_again() {
    spends_all_but_the_suspense(4, 8_000, async |lender| {
        lender.kill();
        tokio::time::sleep(Duration::from_millis(500)).await;
        lender.restart();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lender_that_hangs_is_passed_over() {
    spends_all_but_the_suspense(3, 4_000, async |lender| {
        lender.freeze();
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        lender.thaw();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_lender_at_the_start_the_store_lends_and_later_the_lender_does() {
    let lender = redis::Server::start();
    lender.kill();
    let world = World::start_beside(lender, 3).await;
    world.team(100_000, &[("ana", None)]).await;
    for sidecar in &world.sidecars {
        sidecar.debit_soon("ana", credits(50)).await;
    }
    world.lender().expect("there is one").restart();
    let mut spent = 150;
    for round in 0.. {
        assert!(round < 100, "the lender is found: {:?}", blocks(&world).await);
        for sidecar in &world.sidecars {
            sidecar.debit_soon("ana", credits(50)).await;
            spent += 50;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        if !blocks(&world).await[1].is_zero() {
            break;
        }
    }
    world.stop(credits(spent)).await;
}
