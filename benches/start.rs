//! A cold start: members from SQLite and from PostgreSQL, and entries of the journal that the store has not seen, apart and
//! together.
//!
//! Not a criterion bench: a start is long, so a few are measured and each is printed. The page cache is warm as after a
//! restart of the process. Names of stores as arguments leave the others out: `cargo bench --bench start -- sqlite`.

#[path = "../tests/support/postgres.rs"]
mod postgres;
mod support;

use purser::clock::Clock;
use purser::config::{Config, StoreUrl};
use purser::engine::Drawn;
use purser::metrics::Metrics;
use purser::root::{Actor, Done, Outcome, Rows};
use purser::server::recovery::{self, Opened, Took};
use purser::store::Store;
use support::{Sizes, Skew, Workload, now, rows, sizes};

/// The allocator of the program that is measured.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Starts of each kind.
const ROUNDS: usize = 3;

/// Teams that one transaction saves.
const TEAMS_TOGETHER: usize = 100;

/// Draws between two writes of the journal.
const DRAWS_TOGETHER: usize = 1_000;

/// Whether a store is measured: where none is named, all are.
fn is_asked(store: &str) -> bool {
    let mut named = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).peekable();
    named.peek().is_none() || named.any(|name| store.starts_with(&name))
}

fn main() {
    let sizes = sizes();
    let draws = if sizes.teams > 10 { 1_000_000 } else { 1_000 };
    let folder = || tempfile::tempdir().expect("a temporary folder");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        println!(
            "{:<10} {:>9} {:>9} {:>10} {:>10} {:>12} {:>8}",
            "store", "members", "entries", "load s", "replay s", "entries/s", "all s"
        );
        if is_asked("sqlite") {
            let folder = folder();
            let config = Config { data: folder.path().to_owned(), ..Config::default() };
            begin(&config, sizes).await;
            start("sqlite", &config, sizes, 0).await;
            draw(&open(&config).await, sizes, draws);
            start("sqlite", &config, sizes, draws).await;
        }
        if is_asked("postgres") {
            let (folder, server) = (folder(), postgres::server());
            let database = server.empty_database().await;
            let mut config = Config { data: folder.path().to_owned(), ..Config::default() };
            config.store.url = StoreUrl::Postgres(server.url(&database).parse().expect("a URL"));
            begin(&config, sizes).await;
            // As the server does by itself a little later.
            server.run(&database, "VACUUM ANALYZE").await;
            start("postgres", &config, sizes, 0).await;
        }
    });
}

/// Makes everything that there is before a start but entries.
async fn begin(config: &Config, sizes: Sizes) {
    let opened = open(config).await;
    fill(&*opened.store, sizes).await;
}

/// Starts some times; nothing is taken off the journal by that.
async fn start(store: &str, config: &Config, sizes: Sizes, draws: usize) {
    for _ in 0..ROUNDS {
        let clock = Clock::system();
        let begun = clock.instant();
        let opened = open(config).await;
        let seconds = clock.since(begun).as_secs_f64();
        assert_eq!(opened.last, 0, "the store has seen no entry");
        let Took { loading, replaying } = opened.took;
        let (members, rate) = (sizes.teams * sizes.members, draws as f64 / replaying);
        println!("{store:<10} {members:>9} {draws:>9} {loading:>10.3} {replaying:>10.3} {rate:>12.0} {seconds:>8.3}");
    }
}

async fn open(config: &Config) -> Opened {
    recovery::open(config, &Clock::system(), &Metrics::new(), None).await.expect("the folder can be opened")
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
