//! What a decision costs in process, on one thread: look-up, decision, entry, the journal's queue and
//! remembering the answer. No disk, no wire; the clock is not read.
//!
//! Each sample is the time of 1 000 operations, so microseconds are nanoseconds of one. Before that
//! it prints what an idle member occupies. `PURSER_BENCH_SMOKE=1` runs small sizes.

mod support;

use std::hint::black_box;

use criterion::{BatchSize, Criterion};
use purser::engine::{Draw, Drawn, JournalLog, Meter, Scope};
use support::bare::Bare;
use support::{Sizes, Skew, Workload, empty_meter, fill, now, resident_bytes, sizes, tidy};

const BATCH: usize = 1_000;
const SEED: u64 = 0x5EED;

fn draw_all(meter: &Meter<JournalLog>, draws: &[Draw]) {
    for draw in draws {
        let drawn = meter.draw(black_box(draw), now()).expect("is in range");
        assert!(matches!(drawn, Drawn::Allowed(_)), "{drawn:?}");
    }
}

fn settle_all(meter: &Meter<JournalLog>, draws: &[Draw]) {
    for draw in draws {
        let scope = Scope::Team(draw.team.clone().expect("in a team"));
        let settled = meter.settle(black_box(&scope), &draw.id, draw.ask.credits, false, now());
        black_box(settled.expect("is open"));
    }
}

/// Measures `act` on batches that `prepare` makes; what it answers is dropped outside of the time.
fn bench(criterion: &mut Criterion, name: &str, mut prepare: impl FnMut() -> Vec<Draw>, mut act: impl FnMut(&[Draw])) {
    criterion.bench_function(name, |bencher| {
        let act = |draws: Vec<Draw>| {
            act(&draws);
            draws
        };
        bencher.iter_batched(&mut prepare, act, BatchSize::PerIteration);
    });
}

fn decide(criterion: &mut Criterion, sizes: Sizes) {
    let meter = &empty_meter();
    let before = resident_bytes();
    fill(meter, sizes);
    let members = sizes.teams * sizes.members;
    println!("an idle member occupies {} bytes ({members} members)", (resident_bytes() - before) / members);
    for skew in [Skew::Uniform, Skew::Zipf] {
        // Ids are made of it: an id that is used again would be another question.
        let seed = SEED + 16 * skew as u64;
        let name = |operation: &str| format!("decide/{members}/{operation}/{skew:?}");
        let mut debits = Workload::new(sizes, skew, seed);
        let debits = move || {
            tidy(meter.log());
            debits.take(BATCH, Workload::debit)
        };
        bench(criterion, &name("debit"), debits, |draws| draw_all(meter, draws));
        // By handle first: what the rules and the queue cost without look-ups by name and without remembering.
        let (bare, mut which) = (Bare::new(sizes), Workload::new(sizes, skew, seed + 4));
        criterion.bench_function(&name("decide_apply_queue"), |bencher| {
            let prepare = || {
                tidy(bare.log());
                which.take(BATCH, Workload::member)
            };
            bencher.iter_batched(prepare, |members| bare.debit_all(&members), BatchSize::PerIteration);
        });
        let mut holds = Workload::new(sizes, skew, seed + 1);
        let holds = move || {
            tidy(meter.log());
            holds.take(BATCH, Workload::hold)
        };
        bench(criterion, &name("hold_and_settle"), holds, |draws| {
            draw_all(meter, draws);
            settle_all(meter, draws);
        });
        let mut again = Workload::new(sizes, skew, seed + 2);
        let again = move || {
            tidy(meter.log());
            let draws = again.take(BATCH, Workload::debit);
            draw_all(meter, &draws);
            draws
        };
        bench(criterion, &name("replay"), again, |draws| draw_all(meter, draws));
        let mut denied = Workload::new(sizes, skew, seed + 3);
        bench(
            criterion,
            &name("denial"),
            || denied.take(BATCH, Workload::too_much),
            |draws| {
                for draw in draws {
                    let drawn = meter.draw(black_box(draw), now()).expect("is in range");
                    assert!(matches!(drawn, Drawn::Denied(_)), "{drawn:?}");
                }
            },
        );
    }
}

fn main() {
    let sizes = sizes();
    let mut criterion = support::criterion(sizes);
    let few = Sizes { teams: sizes.teams.div_ceil(100), ..sizes };
    for sizes in [few, sizes] {
        decide(&mut criterion, sizes);
    }
    criterion.final_summary();
}
