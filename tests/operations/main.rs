//! Operations that meet several sidecars, explored by seeds: the real engine and the real root, one thread, messages
//! that are lost and repeated, restarts, ids that reach two sidecars, and ends that reach any. Once all have synced
//! no id is charged twice, and every end that was accepted has ended its draw once.
//!
//! `OPERATIONS_SEEDS=20000 cargo test --release --test operations` runs more; `OPERATIONS_SEED=7` runs one.

#[path = "../support/log.rs"]
mod log;
mod sidecar;
mod truth;
mod world;

use world::World;

const STEPS: u32 = 120;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().expect(variable))
}

#[test]
fn one_id_is_one_draw_and_ends_once_whichever_sidecars_it_reaches() {
    let seeds = match number("OPERATIONS_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("OPERATIONS_SEEDS").unwrap_or(150),
    };
    let (mut repeated, mut elsewhere) = (0, 0);
    for seed in seeds {
        let run = std::panic::catch_unwind(|| {
            let mut world = World::new(seed);
            world.run(STEPS);
            world.heal();
            (world.truth.repeated, world.truth.elsewhere)
        });
        let Ok((twice, asked)) = run else {
            panic!("seed {seed}: OPERATIONS_SEED={seed} cargo test --test operations");
        };
        (repeated, elsewhere) = (repeated + twice, elsewhere + asked);
    }
    println!("{repeated} draws under an id that another sidecar had allowed, {elsewhere} ends asked for elsewhere");
}
