//! What a debit costs while another thread debits too: the same team, or any of many.
//!
//! Each sample is the time until two threads have made 1 000 debits each. `PURSER_BENCH_SMOKE=1`
//! runs small sizes.

mod support;

use std::hint::black_box;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use purser::engine::{Draw, Drawn, JournalLog, Meter};
use support::{Skew, Workload, empty_meter, fill, now, sizes, tidy};

const BATCH: usize = 1_000;
const THREADS: u64 = 2;

/// The time from the start of the first to the end of the last of threads that each make one batch.
fn together(meter: &Meter<JournalLog>, batches: &[Vec<Draw>]) -> Duration {
    let start = Barrier::new(batches.len());
    thread::scope(|scope| {
        let run = |draws: &Vec<Draw>| {
            start.wait();
            let begun = instant();
            for draw in draws {
                let drawn = meter.draw(black_box(draw), now()).expect("is in range");
                assert!(matches!(drawn, Drawn::Allowed(_)), "{drawn:?}");
            }
            (begun, instant())
        };
        let threads: Vec<_> = batches.iter().map(|draws| scope.spawn(move || run(draws))).collect();
        let times: Vec<_> = threads.into_iter().map(|thread| thread.join().expect("no panic")).collect();
        let begun = times.iter().map(|(begun, _)| *begun).min().expect("a thread");
        let ended = times.iter().map(|(_, ended)| *ended).max().expect("a thread");
        ended - begun
    })
}

#[expect(clippy::disallowed_methods, reason = "a bench measures; nothing is decided by it")]
fn instant() -> Instant {
    Instant::now()
}

fn main() {
    let sizes = sizes();
    let mut criterion = support::criterion(sizes);
    let meter = empty_meter();
    fill(&meter, sizes);
    for (name, skew) in [("one_team", Skew::OneTeam), ("many_teams", Skew::Uniform)] {
        for threads in [1, THREADS] {
            let seeds = (0..threads).map(|number| 100 * threads + 10 * skew as u64 + number);
            let mut workloads: Vec<_> = seeds.map(|seed| Workload::new(sizes, skew, seed)).collect();
            criterion.bench_function(&format!("contention/{name}/{threads}_threads"), |bencher| {
                bencher.iter_custom(|rounds| {
                    let round = |_| {
                        tidy(meter.log());
                        let batches: Vec<_> =
                            workloads.iter_mut().map(|load| load.take(BATCH, Workload::debit)).collect();
                        together(&meter, &batches)
                    };
                    (0..rounds).map(round).sum()
                });
            });
        }
    }
    criterion.final_summary();
}
