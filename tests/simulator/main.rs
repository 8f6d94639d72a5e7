//! Many sidecars share a pool and members' limits over a network that loses, repeats and reorders,
//! while processes, hosts and the store fail: one thread, one seed, the real rules. After every step no
//! more was allowed than came in; in the end nothing is stranded but what is in suspense.
//!
//! `SIM_SEED=7 cargo test --test simulator` runs one seed and tells its steps; `SIM_SEEDS` and `SIM_STEPS` set how many
//! of how many steps. Seeds that ever failed are in `tests/seeds.txt` and always run.

mod checks;
#[cfg(feature = "faults")]
mod faults;
mod heal;
mod lender;
mod mishaps;
mod network;
mod process;
mod promises;
mod start;
mod store;
mod syncing;
mod truth;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};

use world::World;

/// Seeds of one run of the tests.
const SEEDS: u64 = 10_000;

/// Seeds of worlds whose store is emptied.
const EMPTIED_SEEDS: u64 = 300;

/// Steps of one seed.
const STEPS: u32 = 300;

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name}={text}")))
}

fn steps() -> u32 {
    u32::try_from(number("SIM_STEPS", STEPS.into())).expect("few steps")
}

/// What a run panics with is answered; printing where each time costs more than the run.
fn silence() {
    std::panic::set_hook(Box::new(|_| {}));
}

/// Runs one seed; answers what did not hold.
fn run(seed: u64, steps: u32, is_told: bool) -> Result<(), String> {
    run_in(World::new, seed, steps, is_told)
}

/// Runs one seed in a world of its kind; answers what did not hold.
fn run_in(world: fn(u64, bool) -> World, seed: u64, steps: u32, is_told: bool) -> Result<(), String> {
    let ran = catch_unwind(AssertUnwindSafe(|| world(seed, is_told).run(steps)));
    ran.map_err(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without words").to_owned()
    })
}

/// Runs seeds on all cores; answers the first failures.
fn run_all(world: fn(u64, bool) -> World, seeds: &[u64], steps: u32) -> Vec<(u64, String)> {
    silence();
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    let parts: Vec<&[u64]> = seeds.chunks(seeds.len().div_ceil(threads).max(1)).collect();
    let run_part = |part: &[u64]| -> Vec<(u64, String)> {
        let failed = part.iter().filter_map(|&seed| run_in(world, seed, steps, false).err().map(|why| (seed, why)));
        failed.take(3).collect()
    };
    std::thread::scope(|scope| {
        let running: Vec<_> = parts.into_iter().map(|part| scope.spawn(move || run_part(part))).collect();
        running.into_iter().flat_map(|thread| thread.join().expect("a run catches its panics")).collect()
    })
}

#[test]
fn many_sidecars_never_overspend_and_strand_nothing() {
    if let Ok(seed) = std::env::var("SIM_SEED") {
        let seed = seed.parse().expect("SIM_SEED is a number");
        return run(seed, steps(), true).unwrap_or_else(|why| panic!("seed {seed}: {why}"));
    }
    let kept = include_str!("../seeds.txt").lines().filter_map(|line| line.split('#').next()?.trim().parse().ok());
    let seeds: Vec<u64> = kept.chain(0..number("SIM_SEEDS", SEEDS)).collect();
    let failed = run_all(World::new, &seeds, steps());
    let told: Vec<_> = failed
        .iter()
        .map(|(seed, why)| {
            format!("SIM_SEED={seed} SIM_STEPS={} cargo test --test simulator -- --nocapture\n  {why}", steps())
        })
        .collect();
    println!("{}", told.join("\n"));
    assert!(failed.is_empty(), "{} seeds failed; add them to tests/seeds.txt:\n{}", failed.len(), told.join("\n"));
}

/// `SIM_EMPTIED_SEED=7` runs one seed and tells its steps, `SIM_EMPTIED_SEEDS` sets how many.
#[test]
fn a_store_that_is_emptied_and_asked_again_overspends_nothing() {
    if let Ok(seed) = std::env::var("SIM_EMPTIED_SEED") {
        let seed = seed.parse().expect("SIM_EMPTIED_SEED is a number");
        return run_in(World::emptied, seed, steps(), true).unwrap_or_else(|why| panic!("seed {seed}: {why}"));
    }
    let seeds: Vec<u64> = (0..number("SIM_EMPTIED_SEEDS", EMPTIED_SEEDS)).collect();
    let failed = run_all(World::emptied, &seeds, steps());
    println!("{failed:?}");
    assert!(failed.is_empty(), "{failed:?}");
}
