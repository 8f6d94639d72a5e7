//! What was answered survives `kill -9`: the real server under load is killed, started again and
//! audited, again and again. `CAMPAIGN_CYCLES` raises the number of kills.

mod client;
mod load;
mod process;
mod verify;

use std::time::{Duration, Instant};

use load::{Load, Promise};
use process::Purser;

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

fn campaign(durability: &str, cycles: u64, lost_max: usize) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut purser = Purser::start(folder.path(), durability);
    load::seed(&purser.client());
    let (mut answered, mut lost, started) = (0, 0, Instant::now());
    for cycle in 0..cycles {
        let load = Load::start(&purser, cycle);
        std::thread::sleep(Duration::from_millis(30 + cycle * 37 % 170));
        purser.kill();
        let promises: Vec<Promise> = load.stop();
        purser = Purser::start(folder.path(), durability);
        let missing = verify::after_a_kill(&purser.client(), cycle, &promises);
        assert!(missing <= lost_max, "cycle {cycle} at {durability}: {missing} of {} lost", promises.len());
        (answered, lost) = (answered + promises.len(), lost + missing);
    }
    assert!(answered as u64 > cycles, "the server was killed under load");
    assert!(purser.stop(), "a server that is asked to stop exits with 0");
    let seconds = started.elapsed().as_secs();
    println!("{durability}: {cycles} kills, {answered} operations answered, {lost} lost, {seconds} s");
}
