//! What was answered survives `kill -9`: the real server under load is killed, started again and
//! audited, again and again. `CAMPAIGN_CYCLES` raises the number of kills.

#[path = "../support/client.rs"]
mod client;
#[path = "../support/load.rs"]
mod load;
#[path = "../support/process.rs"]
mod process;
mod verify;

use std::ops::Range;
use std::time::Duration;

use load::{Load, Promise};
use process::Purser;
use purser::clock::Clock;

/// Entries that `memory` may lose: those queued since the last write, and what came in its 2 ms.
const MEMORY_LOST_MAX: usize = 512;

#[test]
fn at_os_no_answered_operation_is_lost_by_a_kill() {
    campaign("os", cycles(20), 0);
}

#[test]
fn at_disk_no_answered_operation_is_lost_by_a_kill() {
    campaign("disk", cycles(14), 0);
}

#[test]
fn at_memory_no_more_is_lost_by_a_kill_than_is_stated() {
    campaign("memory", cycles(8), MEMORY_LOST_MAX);
}

/// The number of kills: `in_ci`, or this level's share of `CAMPAIGN_CYCLES`.
fn cycles(in_ci: u64) -> u64 {
    let wanted = std::env::var("CAMPAIGN_CYCLES").ok().and_then(|text| text.parse::<u64>().ok());
    wanted.map_or(in_ci, |all| all * in_ci / 42 + 1)
}

/// Kills in one data folder; then a new one, as each audit reads the whole ledger.
const KILLS_TOGETHER: u64 = 20;

fn campaign(durability: &str, cycles: u64, lost_max: usize) {
    let clock = Clock::system();
    let (mut answered, mut lost, started) = (0, 0, clock.instant());
    for first in (0..cycles).step_by(KILLS_TOGETHER as usize) {
        let kills = first..cycles.min(first + KILLS_TOGETHER);
        let (more_answered, more_lost) = in_one_folder(durability, kills, lost_max);
        (answered, lost) = (answered + more_answered, lost + more_lost);
    }
    assert!(answered as u64 > cycles, "the server was killed under load");
    let seconds = clock.since(started).as_secs();
    println!("{durability}: {cycles} kills, {answered} operations answered, {lost} lost, {seconds} s");
}

/// Kills again and again over one data folder; answers how much was answered and lost.
fn in_one_folder(durability: &str, kills: Range<u64>, lost_max: usize) -> (usize, usize) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut purser = Purser::start(folder.path(), durability, None);
    load::seed(&purser.client());
    let (mut answered, mut lost) = (0, 0);
    for cycle in kills {
        let load = Load::start(&purser, cycle);
        std::thread::sleep(Duration::from_millis(30 + cycle * 37 % 170));
        purser.kill();
        let promises: Vec<Promise> = load.stop();
        purser = Purser::start(folder.path(), durability, None);
        let missing = verify::after_a_kill(&purser.client(), cycle, &promises);
        assert!(missing <= lost_max, "cycle {cycle} at {durability}: {missing} of {} lost", promises.len());
        (answered, lost) = (answered + promises.len(), lost + missing);
    }
    assert!(purser.stop(), "a server that is asked to stop exits with 0");
    (answered, lost)
}
