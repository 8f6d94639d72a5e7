//! What a debit costs while another thread debits too: the same team, or any of many.
//!
//! *Debit* is all of it, by name, with its id remembered; *decide, apply, queue* is the same of members found already, without
//! remembering. A sample is the time until each thread has made its batch, and what all of them together make in it is
//! printed as elements a second. `PURSER_BENCH_SMOKE=1` runs small sizes.

mod support;

use std::hint::{black_box, spin_loop};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, Scope};
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput};
use purser::engine::{Draw, Drawn, JournalLog, Meter};
use support::handles::Handles;
use support::{Sizes, Skew, Workload, empty_meter, fill, now, sizes, tidy};

/// The allocator of the program that is measured.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const THREADS: u64 = 2;

type Debit = ((usize, usize), Draw);

/// Threads that each make a batch when they are given one. They live as long as a measurement, as those of a server do.
struct Crew {
    batches: Vec<Sender<Vec<Debit>>>,
    times: Receiver<(Instant, Instant)>,
}

impl Crew {
    fn new<'scope>(scope: &'scope Scope<'scope, '_>, threads: usize, act: &'scope (impl Fn(&Debit) + Sync)) -> Self {
        let (timed, times) = mpsc::channel();
        let ready = Arc::new(AtomicUsize::new(0));
        let worker = |_| {
            let (batches, todo) = mpsc::channel::<Vec<Debit>>();
            let (timed, ready) = (timed.clone(), Arc::clone(&ready));
            scope.spawn(move || {
                for (round, debits) in todo.iter().enumerate() {
                    // All begin at once.
                    ready.fetch_add(1, Ordering::AcqRel);
                    while ready.load(Ordering::Acquire) < (round + 1) * threads {
                        spin_loop();
                    }
                    let begun = instant();
                    debits.iter().for_each(act);
                    timed.send((begun, instant())).expect("who gave the batch waits for it");
                }
            });
            batches
        };
        Self { batches: (0..threads).map(worker).collect(), times }
    }

    /// The time from the start of the first thread to the end of the last.
    fn make(&self, batches: Vec<Vec<Debit>>) -> Duration {
        let pairs = self.batches.iter().zip(batches);
        pairs.for_each(|(thread, batch)| thread.send(batch).expect("the thread waits"));
        let times: Vec<_> = self.times.iter().take(self.batches.len()).collect();
        let begun = times.iter().map(|(begun, _)| *begun).min().expect("a thread");
        let ended = times.iter().map(|(_, ended)| *ended).max().expect("a thread");
        ended - begun
    }
}

#[expect(clippy::disallowed_methods, reason = "a bench measures; nothing is decided by it")]
fn instant() -> Instant {
    Instant::now()
}

/// One operation by one thread and by several, on one team and on many.
fn measure(
    criterion: &mut Criterion,
    (meter, sizes): (&Meter<JournalLog>, Sizes),
    (name, seed): (&str, u64),
    act: impl Fn(&Debit) + Sync,
) {
    for (teams, skew) in [("one_team", Skew::OneTeam), ("many_teams", Skew::Uniform)] {
        for threads in [1, THREADS] {
            let batch = (sizes.remembered / 100).min(10_000);
            let seeds = (0..threads).map(|number| seed + 100 * threads + 10 * skew as u64 + number);
            let mut workloads: Vec<_> = seeds.map(|seed| Workload::new(sizes, skew, seed)).collect();
            let mut group = criterion.benchmark_group(format!("contention/{teams}/{name}"));
            group.throughput(Throughput::Elements(threads * batch as u64));
            thread::scope(|scope| {
                let crew = Crew::new(scope, threads as usize, &act);
                let mut round = |_| {
                    tidy(meter.log());
                    let take = |load: &mut Workload| load.take(batch, Workload::placed_debit);
                    crew.make(workloads.iter_mut().map(take).collect())
                };
                group.bench_function(format!("{threads}_threads"), |bencher| {
                    bencher.iter_custom(|rounds| (0..rounds).map(&mut round).sum());
                });
            });
        }
    }
}

fn main() {
    let sizes = sizes();
    let mut criterion = support::criterion(sizes);
    let meter = empty_meter();
    fill(&meter, sizes);
    let handles = Handles::new(&meter, sizes);
    measure(&mut criterion, (&meter, sizes), ("decide_apply_queue", 1_000), |(place, draw)| {
        black_box(handles.debit(*place, black_box(draw)));
    });
    measure(&mut criterion, (&meter, sizes), ("debit", 2_000), |(_, draw)| {
        let drawn = meter.draw(black_box(draw), now()).expect("is in range");
        assert!(matches!(drawn, Drawn::Allowed(_)), "{drawn:?}");
        black_box(drawn);
    });
    criterion.final_summary();
}
