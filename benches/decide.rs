//! What a decision costs in process, on one thread: look-up, decision, entry, the journal's queue and
//! remembering the answer. No disk, no wire; no clock is read but to measure. Beside it what a map of strings alone takes.
//!
//! Of each operation it prints the mean as criterion finds it, where a sample is the time of 1 000 operations, so
//! microseconds are nanoseconds of one; then the median and the 99th percentile of operations timed one by one.
//! Before that it prints what an idle member, a remembered debit and an open hold occupy. `PURSER_BENCH_SMOKE=1` runs small sizes. To
//! see how memory grows to 10 000 000 members, without measuring anything else:
//!
//!     PURSER_BENCH_TEAMS=100000 cargo bench --bench decide -- nothing_of_this_name

mod support;

use std::hint::black_box;

use criterion::{BatchSize, Criterion};
use purser::engine::{Draw, Drawn, JournalLog, Meter, Scope};
use support::floor::Floor;
use support::handles::Handles;
use support::{BATCH, Sizes, Skew, Workload, empty_meter, fill, memory, now, single, sizes, tidy};

/// The allocator of the program that is measured.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How many debits ask for their memory together.
const TOGETHER: usize = 32;
const SEED: u64 = 0x5EED;

fn draw(meter: &Meter<JournalLog>, draw: &Draw) -> Drawn {
    let drawn = meter.draw(black_box(draw), now()).expect("is in range");
    assert!(matches!(drawn, Drawn::Allowed(_)), "{drawn:?}");
    drawn
}

fn deny(meter: &Meter<JournalLog>, draw: &Draw) -> Drawn {
    let drawn = meter.draw(black_box(draw), now()).expect("is in range");
    assert!(matches!(drawn, Drawn::Denied(_)), "{drawn:?}");
    drawn
}

fn settle(meter: &Meter<JournalLog>, draw: &Draw) {
    let scope = Scope::Team(draw.team.clone().expect("in a team"));
    let settled = meter.settle(black_box(&scope), &draw.id, draw.ask.credits, false, now());
    black_box(settled.expect("is open"));
}

/// Measures `act` on batches that `prepare` makes, which are dropped outside of the time.
fn mean<T>(criterion: &mut Criterion, name: &str, prepare: impl FnMut() -> Vec<T>, mut act: impl FnMut(&[T])) {
    let act = |items: Vec<T>| {
        act(&items);
        items
    };
    let (mut prepare, mut act) = (prepare, act);
    criterion.bench_function(name, |bencher| bencher.iter_batched(&mut prepare, &mut act, BatchSize::PerIteration));
}

/// The mean of `act` on each of a batch, then what single ones take.
fn each<T, U>(
    criterion: &mut Criterion,
    name: &str,
    mut prepare: impl FnMut() -> Vec<T>,
    mut act: impl FnMut(&T) -> U,
) {
    let all = |items: &[T]| items.iter().for_each(|item| drop(black_box(act(item))));
    mean(criterion, name, &mut prepare, all);
    single::print(name, 1, prepare, act);
}

fn decide(criterion: &mut Criterion, sizes: Sizes) {
    // Never given back: the next one is not to lie in what is left of this one.
    let meter: &_ = Box::leak(Box::new(empty_meter()));
    fill(meter, sizes);
    let members = sizes.teams * sizes.members;
    remember(meter, sizes);
    let handles = Handles::new(meter, sizes);
    let floor = Floor::new(sizes);
    for skew in [Skew::Zipf, Skew::Uniform] {
        // Ids are made of it: an id that is used again would be another question.
        let seed = SEED + 16 * skew as u64;
        let name = |operation: &str| format!("decide/{members}/{operation}/{skew:?}");
        let batches = |number, next: fn(&mut Workload) -> Draw| {
            let mut workload = Workload::new(sizes, skew, seed + number);
            move || {
                tidy(meter.log());
                workload.take(BATCH, next)
            }
        };
        // By handle first: what the rules and the queue cost without look-ups by name and without remembering.
        let mut placed = Workload::new(sizes, skew, seed + 4);
        let prepare = || {
            tidy(meter.log());
            placed.take(BATCH, Workload::placed_debit)
        };
        each(criterion, &name("decide_apply_queue"), prepare, |(place, draw)| handles.debit(*place, draw));
        let mut placed = Workload::new(sizes, skew, seed + 6);
        let prepare = || {
            tidy(meter.log());
            (0..BATCH / TOGETHER).map(|_| placed.take(TOGETHER, Workload::placed_debit)).collect()
        };
        single::print(&name("decide_apply_queue_in_batches"), TOGETHER as u64, prepare, |debits| {
            handles.fetch(debits.iter().map(|(place, _)| *place));
            for (place, draw) in debits {
                black_box(handles.debit(*place, draw));
            }
        });
        each(criterion, &name("debit"), batches(0, Workload::debit), |debit| draw(meter, debit));
        mean(criterion, &name("hold_and_settle"), batches(1, Workload::hold), |holds| {
            holds.iter().for_each(|hold| drop(draw(meter, hold)));
            holds.iter().for_each(|hold| settle(meter, hold));
        });
        let mut debits = batches(2, Workload::debit);
        let again = || {
            let debits = debits();
            debits.iter().for_each(|debit| drop(draw(meter, debit)));
            debits
        };
        each(criterion, &name("replay"), again, |debit| draw(meter, debit));
        each(criterion, &name("denial"), batches(3, Workload::too_much), |debit| deny(meter, debit));
        each(criterion, &name("dashmap_of_strings"), batches(5, Workload::debit), |debit| floor.draw(debit));
    }
}

/// As many debits as are remembered, so that what is measured is what lasts.
fn remember(meter: &Meter<JournalLog>, sizes: Sizes) {
    let mut workload = Workload::new(sizes, Skew::Uniform, SEED + 8);
    for _ in 0..sizes.remembered / BATCH {
        tidy(meter.log());
        workload.take(BATCH, Workload::debit).iter().for_each(|debit| drop(draw(meter, debit)));
    }
}

fn main() {
    let sizes = Sizes { seconds: sizes().seconds.min(1), ..sizes() };
    let mut criterion = support::criterion(sizes);
    // First of all: later ones lie in memory that the allocator has got already.
    memory::print(sizes);
    let few = Sizes { teams: sizes.teams.div_ceil(100), ..sizes };
    for sizes in [few, sizes] {
        decide(&mut criterion, sizes);
    }
    criterion.final_summary();
}
