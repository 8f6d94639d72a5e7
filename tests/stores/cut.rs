//! A caller that goes away in the middle of a transaction leaves all of it or nothing.

use std::future::Future;
use std::pin::pin;

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
    block_on(async {
        let (_folder, file) = new_file();
        let store = open(&file).await;
        let mut engine = seeded(&store).await;
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
            assert_eq!(report(&store, &engine.all()).await, all);
            if finished {
                break;
            }
        }
        assert!(finished);
    });
}
