//! A cold start: members from SQLite, then entries of the journal that the store has not seen.
//!
//! One start is measured, not many: the figure is seconds, and the page cache is warm as after a
//! restart of the process.

mod support;

use purser::clock::Clock;
use purser::config::Config;
use purser::engine::Drawn;
use purser::metrics::Metrics;
use purser::root::{Actor, Done, Outcome, Rows};
use purser::server::recovery::{self, Opened};
use purser::store::Store;
use support::{Sizes, Skew, Workload, now, rows, sizes};

/// The allocator of the program that is measured.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Teams that one transaction saves.
const TEAMS_TOGETHER: usize = 100;

/// Draws between two writes of the journal.
const DRAWS_TOGETHER: usize = 1_000;

fn main() {
    let sizes = sizes();
    let draws = if sizes.teams > 10 { 1_000_000 } else { 1_000 };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let config = Config { data: folder.path().to_owned(), ..Config::default() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let opened = open(&config).await;
        fill(&*opened.store, sizes).await;
        drop(opened);
        let opened = open(&config).await;
        draw(&opened, sizes, draws);
        drop(opened);
        let clock = Clock::system();
        let start = clock.instant();
        let opened = open(&config).await;
        let seconds = clock.since(start).as_secs_f64();
        assert_eq!(opened.last, 0, "the store has seen no entry");
        let members = sizes.teams * sizes.members;
        println!("cold start: {members} members, {draws} entries to replay: {seconds:.2} s");
    });
}

async fn open(config: &Config) -> Opened {
    let clock = Clock::manual(now()).clock();
    recovery::open(config, &clock, &Metrics::new(), None).await.expect("the folder can be opened")
}

/// Saves every team and member as control would have left them.
async fn fill(store: &dyn Store, sizes: Sizes) {
    let actor = Actor::Service("bench".into());
    for first in (0..sizes.teams).step_by(TEAMS_TOGETHER) {
        let rule = |put: &mut Rows| {
            let last = sizes.teams.min(first + TEAMS_TOGETHER);
            (first..last).flat_map(|team| rows(team, sizes.members)).for_each(|row| put.put(row));
            Ok(Ok(Done { outcome: Outcome::Created, changes: Vec::new() }))
        };
        let controlled = store.control(&rule, &actor, now()).await.expect("the store is there");
        assert!(controlled.answer.is_ok(), "nothing is refused");
    }
}

/// Draws that reach the journal and not the store.
fn draw(opened: &Opened, sizes: Sizes, draws: usize) {
    let mut workload = Workload::new(sizes, Skew::Zipf, 7);
    let journal = opened.meter.log().journal().expect("it is open");
    for _ in 0..draws.div_ceil(DRAWS_TOGETHER) {
        for draw in workload.take(DRAWS_TOGETHER, Workload::debit) {
            let drawn = opened.meter.draw(&draw, now()).expect("a new id");
            assert!(matches!(drawn, Drawn::Allowed(_)), "{drawn:?}");
        }
        journal.write().expect("the disk has room");
    }
    journal.close().expect("the disk has room");
}
