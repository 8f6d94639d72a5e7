//! The real engine under every order in which threads may take its locks: shuttle decides who runs,
//! and after every schedule the whole history is audited. Needs the feature `shuttle`.

mod audit;
mod log;
mod steps;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};

use log::Append;
use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler};
use shuttle::{Config, FailurePersistence, Runner, thread};
use world::World;

const THREADS: usize = 4;
const STEPS: usize = 5;
const SEED: u64 = 0x5EED;
/// Together 20 000 schedules in every run of the tests.
const RANDOM_SCHEDULES: usize = 12_000;
const PCT_SCHEDULES: usize = 8_000;
/// Orderings of few operations on which a mistake depends are found by few changes of priority.
const PCT_DEPTH: usize = 4;
/// A seeded mistake must be found within so many.
const MISTAKE_SCHEDULES: usize = 2_000;

/// One schedule: threads take steps, then the audit.
fn explore(append: Append, prepare: fn(&World)) {
    let world = Arc::new(World::new(append));
    prepare(&world);
    let answers = Arc::new(Mutex::new(Vec::new()));
    let threads: Vec<_> = (0..THREADS)
        .map(|_| {
            let (world, answers) = (Arc::clone(&world), Arc::clone(&answers));
            thread::spawn(move || {
                for _ in 0..STEPS {
                    let answer = steps::step(&world);
                    answers.lock().expect("no thread panics with it").extend(answer);
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().expect("no thread panics"));
    let answers = answers.lock().expect("no thread panics with it");
    audit::audit(&world, &answers);
}

fn run(
    scheduler: impl Scheduler + 'static,
    append: Append,
    prepare: fn(&World),
    on_failure: FailurePersistence,
) -> usize {
    let mut config = Config::default();
    config.failure_persistence = on_failure;
    Runner::new(scheduler, config).run(move || explore(append, prepare))
}

fn nothing(_: &World) {}

#[test]
fn random_schedules_keep_every_promise() {
    let scheduler = RandomScheduler::new_from_seed(SEED, RANDOM_SCHEDULES);
    let ran = run(scheduler, Append::UnderTheLocks, nothing, FailurePersistence::Print);
    assert_eq!(ran, RANDOM_SCHEDULES);
}

#[test]
fn schedules_of_few_priorities_keep_every_promise() {
    let scheduler = PctScheduler::new_from_seed(SEED, PCT_DEPTH, PCT_SCHEDULES);
    let ran = run(scheduler, Append::UnderTheLocks, nothing, FailurePersistence::Print);
    assert_eq!(ran, PCT_SCHEDULES);
}

/// Why the first failing schedule of a seeded mistake fails.
fn found(append: Append, prepare: fn(&World)) -> String {
    let scheduler = RandomScheduler::new_from_seed(SEED, MISTAKE_SCHEDULES);
    let outcome = catch_unwind(AssertUnwindSafe(|| run(scheduler, append, prepare, FailurePersistence::None)));
    let panic = outcome.expect_err("the mistake is found");
    panic.downcast_ref::<String>().cloned().expect("a message")
}

#[test]
fn deciding_and_entering_under_two_lock_sections_is_found() {
    let why = found(Append::UnderTheLocks, |world| world.meter.decide_unlocked());
    assert!(why.contains("I2"), "{why}");
}

#[test]
fn appending_after_unlocking_is_found() {
    let why = found(Append::AfterUnlocking, nothing);
    assert!(why.contains("I7"), "{why}");
}
