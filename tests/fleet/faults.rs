//! What happens to sidecars and to their store.

use std::thread;
use std::time::Duration;

use crate::fleet::{Fleet, soon};
use crate::proxy::Trap;

/// One sidecar is killed and started again, at times two at once.
pub fn kill(fleet: &mut Fleet, round: u64) {
    let victims = if round % 5 == 4 { 2 } else { 1 };
    let victims: Vec<usize> = (0..victims).map(|more| (round as usize + more) % fleet.len()).collect();
    victims.iter().for_each(|&victim| fleet.kill(victim));
    thread::sleep(Duration::from_millis(round * 61 % 200));
    victims.iter().for_each(|&victim| fleet.restart(victim));
}

/// The server ends at once, stays away and starts again. Decisions go on.
pub fn crash(fleet: &mut Fleet, round: u64) {
    fleet.place.crash();
    thread::sleep(Duration::from_millis(200 + round * 131 % 700));
    goes_on(fleet);
    fleet.place.restart();
}

/// The server hangs, at times for longer than a sidecar waits for it. Decisions go on.
pub fn freeze(fleet: &mut Fleet, round: u64) {
    fleet.place.freeze();
    thread::sleep(Duration::from_millis(200 + round * 631 % 1_900));
    goes_on(fleet);
    if round % 10 == 9 {
        thread::sleep(Duration::from_secs(15));
    }
    fleet.place.thaw();
}

/// The store forgets everything; control is asked for again, at once or a little later. Decisions go on.
pub fn flush(fleet: &mut Fleet, round: u64) {
    fleet.place.flush();
    if round % 2 == 1 {
        thread::sleep(Duration::from_millis(round * 1_331 % 5_000));
        goes_on(fleet);
    }
    fleet.control_again(round as usize % fleet.len());
    goes_on(fleet);
}

/// The master is killed, and a Sentinel has its replica take over. Decisions go on.
pub fn promote(fleet: &mut Fleet, _: u64) {
    fleet.place.crash();
    thread::sleep(Duration::from_millis(300));
    goes_on(fleet);
    fleet.place.promote();
}

/// A copy takes over, serves and lends; then the server is back as it was before. Decisions go on.
pub fn there_and_back(fleet: &mut Fleet, round: u64) {
    fleet.place.there_and_back(|| {
        goes_on(fleet);
        fleet.all_are_lent(&format!("there-{round}"));
        thread::sleep(Duration::from_millis(500 + round * 331 % 1_500));
    });
}

/// Messages of a sync to PostgreSQL between its beginning and its end.
const MESSAGES: u32 = 13;

/// A connection of a sidecar to PostgreSQL is cut: before or after each of the messages that a transaction
/// begins with, and around its COMMIT.
pub fn cut_postgres(fleet: &mut Fleet, round: u64) {
    let (place, is_after) = ((round / 2) as u32 % (MESSAGES + 1), round % 2 == 1);
    cut(
        fleet,
        match (place == MESSAGES, is_after) {
            (true, false) => Trap::Before("COMMIT"),
            (true, true) => Trap::After("COMMIT"),
            (false, false) => Trap::LaterBefore("BEGIN", place),
            (false, true) => Trap::LaterAfter("BEGIN", place),
        },
    );
}

/// A connection of a sidecar to Redis is cut: before or after it reads, before or after it commits.
pub fn cut_redis(fleet: &mut Fleet, round: u64) {
    cut(
        fleet,
        match round % 4 {
            0 => Trap::Before("_fence"),
            1 => Trap::After("_fence"),
            2 => Trap::Before("_commit"),
            _ => Trap::After("_commit"),
        },
    );
}

fn cut(fleet: &Fleet, trap: Trap) {
    let before = fleet.place.cuts();
    fleet.place.arm(trap.clone());
    let cut = soon(|| fleet.place.cuts() > before);
    assert!(cut.is_some(), "a conversation has such a place: {trap:?}");
}

/// Draws are allowed although the store is not there.
fn goes_on(fleet: &Fleet) {
    let before = fleet.allowed();
    assert!(soon(|| fleet.allowed() > before).is_some(), "decisions go on from leases");
}
