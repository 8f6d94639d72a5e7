//! A caller that goes away in the middle of a transaction, or a process that is killed there, leaves
//! all of it or nothing, and never loses what was answered.

use std::future::Future;
use std::io::{BufRead, BufReader};
use std::pin::pin;
use std::process::{Command, Stdio};

use purser::store::{Filter, Store};

use crate::support::*;

/// Runs until the future has been polled `polls` times, then drops it.
async fn cut<T>(work: impl Future<Output = T>, polls: u32) -> Option<T> {
    let mut work = pin!(work);
    let mut left = polls;
    std::future::poll_fn(move |cx| {
        if left == 0 {
            return std::task::Poll::Ready(None);
        }
        left -= 1;
        work.as_mut().poll(cx).map(Some)
    })
    .await
}

#[test]
fn a_sync_that_is_dropped_anywhere_leaves_all_or_nothing() {
    on_every_store(async |store| {
        let store = &*store;
        let mut engine = seeded(store).await;
        engine.debit("d0", "1");
        let mut finished = false;
        for polls in 1.. {
            let first = engine.entries.len();
            engine.hold(&format!("h{polls}"), "2").debit(&format!("d{polls}"), "1");
            let request = engine.request(first.max(1), engine.entries.len());
            finished = cut(store.sync(&request, now()), polls).await.is_some();
            let entries = store.entries(&Filter { newest_first: true, ..Filter::default() }, None, 1).await;
            let last = entries.expect("the ledger is read").first().and_then(|entry| entry.seq).unwrap_or_default();
            let all = engine.entries.len() as u64;
            assert!(last == all || last == first as u64 || polls == 1 && last == 0, "{last} after {polls} polls");
            assert_eq!(store.audit().await.expect("it is audited").listed, [], "after {polls} polls");
            assert_eq!(report(store, &engine.all()).await, all);
            if finished {
                break;
            }
        }
        assert!(finished);
    });
}

/// Not a test of its own: the process that the next one kills.
#[test]
fn process_that_reports_until_it_is_killed() {
    let Ok(file) = std::env::var("PURSER_TEST_REPORTING_PROCESS") else { return };
    block_on(async {
        let store = open(file.as_ref()).await;
        let mut engine = Engine::new();
        let known = store.register(7, 1, 11).await.expect("the store answers").expect("it is this run").last;
        for n in 0.. {
            engine.hold(&format!("h{n}"), "0.002").settle(&format!("h{n}"), "0.001").debit(&format!("d{n}"), "0.001");
            if engine.entries.len() as u64 > known && n % 50 == 0 {
                println!("\nacked {}", report(&store, &engine.all()).await);
            }
        }
    });
}

#[test]
fn a_killed_process_leaves_whole_batches_and_all_that_it_acknowledged() {
    let (_folder, file) = new_file();
    block_on(async { drop(seeded(&open(&file).await).await) });
    for acks in [1, 2, 3, 5, 8] {
        let this = std::env::current_exe().expect("a test knows its program");
        let mut process = Command::new(this)
            .args(["--exact", "cut::process_that_reports_until_it_is_killed", "--nocapture"])
            .env("PURSER_TEST_REPORTING_PROCESS", &file)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the process starts");
        let lines = BufReader::new(process.stdout.take().expect("it is piped")).lines().map_while(Result::ok);
        let acked = lines.filter_map(|line| line.strip_prefix("acked ")?.parse::<u64>().ok());
        let acked = acked.take(acks).last().expect("it reports");
        process.kill().expect("it is killed");
        process.wait().expect("it has ended");
        block_on(async {
            let store = open(&file).await;
            let last = store.register(7, 1, 11).await.expect("the store answers").expect("it is the same run").last;
            assert!(last >= acked, "{last} of {acked}");
            assert_eq!(last % 150, 3, "a batch ends after {last} entries");
            assert_eq!(store.audit().await.expect("it is audited").listed, []);
        });
    }
}
