//! Several sidecars on one store: whole servers in one process, asked through their services, on the
//! specification in memory, on a real PostgreSQL, with a real Redis that lends beside it, and on a real Redis.

mod blocks;
mod cut;
mod elsewhere;
mod idle;
#[path = "../support/log.rs"]
mod log;
mod operating;
#[path = "../support/postgres.rs"]
mod postgres;
#[path = "../support/redis.rs"]
mod redis;
mod world;

use std::time::Duration;

use operating::{lent_to_all, metric};
use tokio::task::JoinSet;
use world::{Place, World, credits};

/// Every sidecar asks for one credit at a time until all of them have been denied for a while; answers
/// how many were allowed.
async fn exhaust(world: &World, member: &'static str) -> u64 {
    let mut asking = JoinSet::new();
    for sidecar in world.sidecars.clone() {
        asking.spawn(async move {
            let (mut allowed, mut denied) = (0, 0);
            while denied < 30 {
                match sidecar.debit(member, credits(1)).await {
                    Ok(()) => (allowed, denied) = (allowed + 1, 0),
                    Err(_) => {
                        denied += 1;
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                }
            }
            allowed
        });
    }
    asking.join_all().await.into_iter().sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pool_is_spent_to_the_last_credit_and_no_further() {
    for place in Place::ALL.into_iter().chain([Place::Blocks]) {
        let world = World::start(place, 4).await;
        world.team(2_000, &[("ana", None)]).await;
        assert_eq!(exhaust(&world, "ana").await, 2_000);
        world.stop(credits(2_000)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_members_limit_is_spent_to_the_last_credit_and_no_further() {
    for place in Place::ALL {
        let world = World::start(place, 4).await;
        world.team(5_000, &[("ana", Some(700)), ("bo", None)]).await;
        assert_eq!(exhaust(&world, "ana").await, 700);
        for sidecar in &world.sidecars {
            sidecar.debit("bo", credits(1)).await.expect("the pool has enough");
        }
        world.stop(credits(704)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_through_one_sidecar_is_in_effect_at_the_others_within_a_beat() {
    for place in Place::ALL {
        let world = World::start(place, 3).await;
        world.team(1_000, &[("ana", Some(0))]).await;
        for sidecar in &world.sidecars {
            sidecar.debit("ana", credits(1)).await.expect_err("the limit is zero");
        }
        world.limit("ana", Some(30)).await;
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        for sidecar in &world.sidecars {
            sidecar.debit_soon("ana", credits(10)).await;
        }
        world.stop(credits(30)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_idles_with_others_is_there_for_who_needs_it() {
    for place in Place::ALL.into_iter().chain([Place::Blocks]) {
        let world = World::start(place, 4).await;
        world.team(1_000, &[("ana", None), ("bo", Some(500))]).await;
        for sidecar in &world.sidecars {
            for _ in 0..10 {
                sidecar.debit_soon("ana", credits(5)).await;
                sidecar.debit_soon("bo", credits(5)).await;
            }
        }
        tokio::time::sleep(Duration::from_millis(5_000)).await;
        assert!(world.lent().await >= credits(40), "what idles stays: {}", world.lent().await);
        // Each time all that is left, wherever it is: of the limit, then of the pool.
        for (at, member) in [(1, "bo"), (2, "ana")] {
            let mut tries = 0;
            while world.sidecars[at].debit(member, credits(300)).await.is_err() {
                tries += 1;
                assert!(tries < 40, "{member} is denied what idles elsewhere on {place:?}");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
        world.stop(credits(1_000)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_draw_waits_for_no_lease_however_rarely_it_is_asked_while_there_is_plenty() {
    for place in Place::ALL {
        let world = World::start(place, 3).await;
        world.team(100_000, &[("ana", None), ("bo", Some(10_000))]).await;
        lent_to_all(&world.sidecars[0]).await;
        // What the store has lent they soon have; then longer than an account is told of with every sync.
        for pause in [500, 4_000] {
            tokio::time::sleep(Duration::from_millis(pause)).await;
            for sidecar in &world.sidecars {
                sidecar.debit("ana", credits(30)).await.expect("there is plenty");
                sidecar.debit("bo", credits(30)).await.expect("there is plenty");
            }
        }
        for sidecar in &world.sidecars {
            assert_eq!(metric(sidecar, "purser_leases_waited_total"), 0.0, "{place:?}");
        }
        world.stop(credits(360)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_was_emptied_is_told_everything_and_control_named_anew_is_in_effect() {
    let world = World::start(Place::Redis, 2).await;
    // More than once, so that what sidecars know is numbered higher than what they will be told.
    for pool in [500, 1_000] {
        world.team(pool, &[("ana", Some(800))]).await;
    }
    let [first, second] = &world.sidecars[..] else { unreachable!("two were started") };
    first.debit_soon("ana", credits(300)).await;
    second.debit_soon("ana", credits(20)).await;
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    world.empty();
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    world.team(1_000, &[("ana", Some(600))]).await;
    first.debit_soon("ana", credits(30)).await;
    second.debit_soon("ana", credits(240)).await;
    second.debit("ana", credits(15)).await.expect_err("590 of the new limit of 600 are drawn");
    world.stop(credits(590)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hold_is_settled_where_it_was_given_and_what_it_leaves_is_shared() {
    for place in Place::ALL {
        let world = World::start(place, 2).await;
        world.team(100, &[("ana", Some(100))]).await;
        let [first, second] = &world.sidecars[..] else { unreachable!("two were started") };
        let hold = first.hold("ana", credits(80)).await.expect("there is enough");
        second.debit("ana", credits(30)).await.expect_err("80 are set aside elsewhere");
        first.settle(&hold, credits(10)).await;
        tokio::time::sleep(Duration::from_millis(5_000)).await;
        second.debit_soon("ana", credits(90)).await;
        world.stop(credits(100)).await;
    }
}
