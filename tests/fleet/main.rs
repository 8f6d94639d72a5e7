//! Several sidecars as processes of their own, on one real PostgreSQL: they spend a pool to the last
//! credit and no further, and a kill of any of them loses nothing that was answered. `CAMPAIGN_CYCLES`
//! raises the number of kills.

#[path = "../support/client.rs"]
mod client;
mod fleet;
#[path = "../support/load.rs"]
mod load;
#[path = "../support/postgres.rs"]
mod postgres;
#[path = "../support/process.rs"]
mod process;
mod verify;

use std::thread;
use std::time::Duration;

use fleet::{Fleet, Outcome};
use load::{Load, Promise};
use serde_json::json;

/// Sidecars that race for one pool.
const RACING: usize = 8;

/// Credits that they race for, one by one.
const CREDITS: u32 = 20_000;

#[test]
fn eight_sidecars_spend_a_pool_to_the_last_credit_and_no_further() {
    let fleet = Fleet::start(RACING, "os");
    fleet.team(CREDITS, &[("ana", None)]);
    race(&fleet);
    let pool = fleet.client(0).call("GET", "/v1/teams/acme/pool", None);
    assert_eq!((&pool["used"], &pool["remaining"]), (&json!(CREDITS.to_string()), &json!("0")), "{pool}");
    fleet.stop();
}

#[test]
fn eight_sidecars_spend_a_members_limit_to_the_last_credit_and_no_further() {
    let fleet = Fleet::start(RACING, "os");
    fleet.team(10 * CREDITS, &[("ana", Some(CREDITS)), ("bo", None)]);
    race(&fleet);
    let left = u64::from(9 * CREDITS);
    let pool = fleet.client(0).call("GET", "/v1/teams/acme/pool", None);
    assert_eq!(pool["remaining"], json!(left.to_string()), "none of the pool is stranded: {pool}");
    fleet.stop();
}

/// All sidecars debit one credit for `ana` until every one has been denied for a while.
fn race(fleet: &Fleet) {
    let outcomes: Vec<Outcome> = thread::scope(|scope| {
        let racing: Vec<_> = (0..RACING).map(|at| scope.spawn(move || fleet.exhaust(at, "ana"))).collect();
        racing.into_iter().map(|racer| racer.join().expect("no racer panics")).collect()
    });
    let allowed: u64 = outcomes.iter().map(|outcome| outcome.allowed).sum();
    let waited: u64 = outcomes.iter().map(|outcome| outcome.longest_denied_millis).max().unwrap_or_default();
    println!("{allowed} of {CREDITS} allowed, wrongly denied for {waited} ms at most");
    assert_eq!(allowed, u64::from(CREDITS));
    // Whoever has asked for nothing for a few seconds holds nothing.
    thread::sleep(Duration::from_secs(5));
}

#[test]
fn a_kill_of_any_sidecar_loses_nothing_that_was_answered() {
    let mut fleet = Fleet::start(3, "os");
    load::seed(&fleet.client(0));
    fleet.wait_for_team();
    let (mut promised, cycles) = (Vec::<Promise>::new(), cycles(12));
    for cycle in 0..cycles {
        let loads: Vec<Load> = (0..3).map(|at| Load::start(fleet.purser(at), cycle * 3 + at as u64)).collect();
        thread::sleep(Duration::from_millis(60 + cycle * 37 % 240));
        let victim = (cycle % 3) as usize;
        fleet.kill(victim);
        loads.into_iter().for_each(|load| promised.extend(load.stop()));
        fleet.restart(victim);
        if cycle % 4 == 3 || cycle + 1 == cycles {
            verify::nothing_is_lost(&fleet, &promised);
        }
    }
    assert!(promised.len() as u64 > cycles, "sidecars were killed under load");
    println!("{cycles} kills, {} operations answered, 0 lost", promised.len());
    fleet.stop();
}

#[test]
fn sidecars_go_on_while_the_server_is_away_and_lose_nothing() {
    let fleet = Fleet::start(2, "os");
    load::seed(&fleet.client(0));
    fleet.wait_for_team();
    let mut promised = Vec::<Promise>::new();
    for cycle in 0..outages(4) {
        let loads: Vec<Load> = (0..2).map(|at| Load::start(fleet.purser(at), cycle * 2 + at as u64)).collect();
        thread::sleep(Duration::from_millis(1_500));
        postgres::server().crash();
        thread::sleep(Duration::from_millis(300 + cycle * 131 % 700));
        let before: u64 = (0..2).map(|at| fleet.answered(at)).sum();
        thread::sleep(Duration::from_millis(200));
        let during = (0..2).map(|at| fleet.answered(at)).sum::<u64>() - before;
        assert!(during > 0, "decisions go on from leases");
        postgres::server().restart();
        thread::sleep(Duration::from_millis(1_000));
        loads.into_iter().for_each(|load| promised.extend(load.stop()));
    }
    thread::sleep(Duration::from_secs(3));
    verify::nothing_is_lost(&fleet, &promised);
    println!("{} outages, {} operations answered, 0 lost", outages(4), promised.len());
    fleet.stop();
}

fn outages(in_ci: u64) -> u64 {
    cycles(in_ci * 3) / 3
}

/// The number of kills: `in_ci`, or `CAMPAIGN_CYCLES`.
fn cycles(in_ci: u64) -> u64 {
    let wanted = std::env::var("CAMPAIGN_CYCLES").ok().and_then(|text| text.parse().ok());
    wanted.unwrap_or(in_ci)
}
