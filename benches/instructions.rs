//! The operations whose instructions `make instructions` counts: a fixed number of debits, seeded, of few members, so that a
//! count is the same again. No time is taken.

mod support;

use std::hint::black_box;

use purser::engine::{Draw, JournalLog, Meter};
use support::handles::Handles;
use support::{Sizes, Skew, Workload, empty_meter, fill, now, tidy};

/// The allocator of the program that is counted.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How many operations are counted of each kind.
const OPERATIONS: usize = 1_000;

type Debit = ((usize, usize), Draw);

/// Decide, apply and queue, the member found already.
#[inline(never)]
fn by_handle(handles: &Handles<'_>, debits: &[Debit]) {
    for (place, draw) in debits {
        black_box(handles.debit(*place, draw));
    }
}

/// All of a debit but the wire and the disk.
#[inline(never)]
fn by_name(meter: &Meter<JournalLog>, debits: &[Debit]) {
    for (_, draw) in debits {
        black_box(meter.draw(draw, now())).expect("is in range");
    }
}

fn main() {
    let meter = empty_meter();
    let sizes = Sizes { teams: 10, members: 100, remembered: 0, samples: 0, seconds: 0 };
    fill(&meter, sizes);
    let handles = Handles::new(&meter, sizes);
    let mut workload = Workload::new(sizes, Skew::Zipf, 1);
    let mut draws = || {
        tidy(meter.log());
        workload.take(OPERATIONS, Workload::placed_debit)
    };
    // What is needed once is not counted: rows in use, buffers as large as they get.
    for _ in 0..3 {
        for (place, draw) in &draws() {
            black_box(handles.debit(*place, draw));
        }
        for (_, draw) in &draws() {
            black_box(meter.draw(draw, now())).expect("is in range");
        }
    }
    by_handle(&handles, &draws());
    by_name(&meter, &draws());
    println!("{OPERATIONS} operations of each kind");
}
