//! Several sidecars as processes of their own, on stores whose servers the tests start, crash, stop, empty
//! and replace: they spend a pool to the last credit and no further, lose nothing that was answered, decide
//! on while the store is away, and recover without help. Each trial prints a row for docs/campaigns.md;
//! `FLEET_CAMPAIGN` raises how often (see `counts`).

mod bounds;
#[path = "../support/client.rs"]
mod client;
mod counts;
mod faults;
mod fleet;
#[path = "../support/load.rs"]
mod load;
mod place;
#[path = "../support/postgres.rs"]
mod postgres;
#[path = "../support/process.rs"]
mod process;
#[path = "../support/proxy.rs"]
mod proxy;
mod race;
#[path = "../support/redis.rs"]
mod redis;
mod trial;
mod verify;

use place::{Kind, Place};
use trial::{Lead, Trial};

/// Long enough that every sidecar has been lent what it goes on from.
const SETTLED: Lead = Lead(1_500, 400);

/// At once, at whatever moment of starting and syncing.
const ANY_TIME: Lead = Lead(60, 240);

#[test]
fn eight_sidecars_spend_a_pool_to_the_last_credit_on_postgres() {
    race::for_a_pool(Kind::Postgres);
}

#[test]
fn eight_sidecars_spend_a_pool_to_the_last_credit_on_redis() {
    race::for_a_pool(Kind::Redis);
}

#[test]
fn eight_sidecars_spend_a_limit_to_the_last_credit_on_postgres() {
    race::for_a_limit(Kind::Postgres);
}

#[test]
fn eight_sidecars_spend_a_limit_to_the_last_credit_on_redis() {
    race::for_a_limit(Kind::Redis);
}

#[test]
fn a_kill_of_any_sidecar_loses_nothing_on_postgres() {
    kills(Kind::Postgres);
}

#[test]
fn a_kill_of_any_sidecar_loses_nothing_on_redis() {
    kills(Kind::Redis);
}

fn kills(kind: Kind) {
    let trial = Trial::start(Place::start(kind), 3, "os", 0);
    let trial = trial.run("`kill -9` of a sidecar", counts::KILLS, ANY_TIME, faults::kill);
    assert_eq!(trial.regressions(), 0);
    trial.stop();
}

#[test]
fn each_level_of_durability_loses_what_it_says_on_postgres() {
    levels(Kind::Postgres);
}

#[test]
fn each_level_of_durability_loses_what_it_says_on_redis() {
    levels(Kind::Redis);
}

/// Entries that `memory` may lose by one kill: those queued since the last write, and what came in its 2 ms.
const MEMORY_LOST_MAX: usize = 512;

fn levels(kind: Kind) {
    let kills = counts::KILLS_OF_A_LEVEL;
    // At times two are killed.
    let of_memory = MEMORY_LOST_MAX * 2 * kills.get() as usize;
    for (level, lost_max) in [("memory", of_memory), ("disk", 0), ("store", 0)] {
        let trial = Trial::start(Place::start(kind), 2, level, lost_max);
        trial.run(&format!("`kill -9` at `{level}`"), kills, ANY_TIME, faults::kill).stop();
    }
}

#[test]
fn a_crash_of_postgres_loses_nothing_and_stops_nobody() {
    crashes(Kind::Postgres, "stopped `immediate`");
}

#[test]
fn a_kill_of_redis_loses_nothing_and_stops_nobody() {
    crashes(Kind::Redis, "`kill -9` of the server");
}

fn crashes(kind: Kind, what: &str) {
    let trial = Trial::start(Place::start(kind), 3, "os", 0).run(what, counts::CRASHES, SETTLED, faults::crash);
    assert_eq!(trial.regressions(), 0, "a server with everything on disk forgets nothing");
    trial.stop();
}

#[test]
fn a_frozen_postgres_stops_nobody() {
    freezes(Kind::Postgres);
}

#[test]
fn a_frozen_redis_stops_nobody() {
    freezes(Kind::Redis);
}

fn freezes(kind: Kind) {
    let trial = Trial::start(Place::start(kind), 3, "os", 0);
    let trial = trial.run("SIGSTOP of the server", counts::FREEZES, SETTLED, faults::freeze);
    assert_eq!(trial.regressions(), 0);
    trial.stop();
}

#[test]
fn a_replica_of_redis_takes_over_and_nothing_is_overspent() {
    let trial = Trial::start(Place::start(Kind::Sentinel), 3, "os", 0);
    trial.run("master killed, replica promoted", counts::PROMOTIONS, SETTLED, faults::promote).stop();
}

#[test]
fn a_copy_of_postgres_serves_for_a_while_and_nothing_is_overspent() {
    there_and_back(Kind::Postgres);
}

#[test]
fn a_copy_of_redis_serves_for_a_while_and_nothing_is_overspent() {
    there_and_back(Kind::Redis);
}

fn there_and_back(kind: Kind) {
    let trial = Trial::start(Place::behind_a_proxy(kind), 3, "os", 0);
    let trial = trial.run("A, B and A again as it was", counts::THERE_AND_BACK, SETTLED, faults::there_and_back);
    assert!(trial.regressions() > 0, "A never knew what B had lent");
    trial.stop();
}

#[test]
fn an_emptied_redis_learns_everything_again_and_nothing_is_overspent() {
    let trial = Trial::start(Place::start(Kind::Redis), 3, "os", 0);
    trial.run("`FLUSHALL`", counts::FLUSHES, SETTLED, faults::flush).stop();
}

#[test]
fn a_connection_to_postgres_cut_anywhere_costs_nothing() {
    let trial = Trial::start(Place::behind_a_proxy(Kind::Postgres), 3, "os", 0);
    let trial = trial.run("connection cut in a sync", counts::CUTS, ANY_TIME, faults::cut_postgres);
    assert_eq!(trial.regressions(), 0);
    trial.stop();
}

#[test]
fn a_connection_to_redis_cut_anywhere_costs_nothing() {
    let trial = Trial::start(Place::behind_a_proxy(Kind::Redis), 3, "os", 0);
    let trial = trial.run("connection cut in a sync", counts::CUTS, ANY_TIME, faults::cut_redis);
    assert_eq!(trial.regressions(), 0);
    trial.stop();
}

#[test]
fn what_is_lent_and_not_needed_is_soon_elsewhere_on_postgres() {
    bounds::measure(Kind::Postgres);
}

#[test]
fn what_is_lent_and_not_needed_is_soon_elsewhere_on_redis() {
    bounds::measure(Kind::Redis);
}
