//! How fast reports are taken and a start is loaded. A small size by default; for a measurement:
//!
//! ```text
//! PURSER_FLUSH_ENTRIES=1000000 PURSER_LOAD_MEMBERS=1000000 \
//!     cargo test --release --test stores flush_rate -- --nocapture --test-threads=1
//! ```

use purser::clock::Clock;

use purser::domain::Member;
use purser::store::{Loaded, Store};

use crate::support::*;

fn size(variable: &str, smoke: usize) -> usize {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(smoke)
}

#[test]
fn flush_rate_of_reports() {
    let clock = Clock::system();
    const BATCH: usize = 10_000;
    let entries = size("PURSER_FLUSH_ENTRIES", 2_000);
    block_on(async {
        let (_folder, file) = new_file();
        let store = open(&file).await;
        let mut engine = seeded(&store).await;
        for n in 0..entries / 4 {
            engine.drawer.member = user(&format!("user-{}", n % 1_000));
            engine.debit(&format!("debit-{n}"), "0.001").hold(&format!("hold-{n}"), "0.002");
            engine.settle(&format!("hold-{n}"), "0.001").refund(&format!("refund-{n}"), "debit", "0.0005");
        }
        let started = clock.instant();
        let mut first = 1;
        while first <= engine.entries.len() {
            let last = (first + BATCH - 1).min(engine.entries.len());
            first = report(&store, &engine.request(first, last)).await as usize + 1;
        }
        let seconds = clock.since(started).as_secs_f64();
        println!("{} entries in {seconds:.2} s: {:.0} entries/s", entries, entries as f64 / seconds);
        let started = clock.instant();
        assert_eq!(store.audit().await.expect("it is audited").listed, []);
        println!("audited in {:.2} s", clock.since(started).as_secs_f64());
    });
}

#[test]
fn load_rate_of_a_start() {
    let clock = Clock::system();
    let members = size("PURSER_LOAD_MEMBERS", 1_000);
    block_on(async {
        let (_folder, file) = new_file();
        let store = open(&file).await;
        for n in 0..members / 100 {
            control(&store, |rows| {
                let team = team(&format!("team-{n}"), "s");
                for m in 0..100 {
                    rows.put_member(&team.id, Member::new(user(&format!("user-{m}"))));
                }
                rows.put_team(team);
                done(Vec::new())
            })
            .await;
        }
        let started = clock.instant();
        let mut rows = 0;
        let mut visit = |loaded| match loaded {
            Loaded::Members(_, members) => rows += members.len(),
            _ => rows += 1,
        };
        store.load(1, now(), &mut visit).await.expect("the store loads");
        assert_eq!(rows, members / 100 * 101);
        println!("{rows} rows loaded in {:.2} s", clock.since(started).as_secs_f64());
    });
}
