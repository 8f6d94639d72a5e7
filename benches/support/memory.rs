//! What things that a meter keeps occupy in memory: by how much the process grows while many of them come, divided by their number.

use purser::engine::{Draw, Drawn, JournalLog, Meter};
use purser::journal;

use super::{BATCH, Sizes, Skew, Workload, fill, meter_with, now, resident_bytes, team_id, tidy, user_id};

/// The journal's own files lie in memory here: small ones, so that what is not dropped yet does not count.
const SEGMENT_BYTES: u64 = 64 * 1024;
/// Fewer things lie in pages that the allocator has got already, or in part of a large one.
const THINGS_MIN: usize = 100_000;
const SEED: u64 = 0xB17E5;

/// Prints what members, remembered debits and open holds occupy, each with all that is there for it alone.
pub fn print(sizes: Sizes) {
    // Never given back: who is measured next is not to get its memory.
    let options = journal::Options { segment_bytes: SEGMENT_BYTES, ..journal::Options::default() };
    let meter: &_ = Box::leak(Box::new(meter_with(options, u64::MAX)));
    let mut workload = Workload::new(sizes, Skew::Uniform, SEED);
    let mut draw = |next: fn(&mut Workload) -> Draw| draw(meter, sizes, || workload.take(BATCH, next));
    occupied("an idle member", sizes.teams * sizes.members, sizes, || fill(meter, sizes));
    occupied("a remembered debit", sizes.remembered, sizes, || draw(Workload::debit));
    occupied("an open hold", sizes.remembered, sizes, || draw(Workload::hold));
}

/// Draws in the name of one team after the other, its members in turn: what grows leaves memory behind, which the next team gets.
fn draw(meter: &Meter<JournalLog>, sizes: Sizes, mut next: impl FnMut() -> Vec<Draw>) {
    let mut number = 0;
    while number < sizes.remembered {
        tidy(meter.log());
        for draw in next() {
            let (team, member) = (number * sizes.teams / sizes.remembered, number % sizes.members);
            let draw = Draw { team: Some(team_id(team)), member: user_id(team, member), ..draw };
            let drawn = meter.draw(&draw, now()).expect("is in range");
            assert!(matches!(drawn, Drawn::Allowed(_)), "{drawn:?}");
            number += 1;
        }
    }
}

fn occupied(what: &str, count: usize, sizes: Sizes, make: impl FnOnce()) {
    let before = resident_bytes();
    make();
    if count >= THINGS_MIN {
        let bytes = (resident_bytes() - before) / count;
        println!("{what} occupies {bytes} bytes ({count} in {} teams)", sizes.teams);
    }
}
