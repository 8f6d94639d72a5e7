//! Reports of a sidecar: taken once, in order, from the newest incarnation, as a whole.

use purser::root::sync::{Request, SyncRefusal};
use purser::store::{Filter, Kind, Loaded, Store};

use crate::support::*;

async fn positions(store: &dyn Store) -> Vec<u64> {
    let entries = store.entries(&Filter::default(), None, 1_000).await.expect("the ledger is read");
    entries.iter().filter_map(|entry| entry.seq).collect()
}

#[test]
fn a_repeated_batch_is_taken_once() {
    on_every_store(async |store| {
        let mut engine = seeded(&*store).await;
        engine.debit("d1", "10").hold("h1", "5").settle("h1", "4");
        for _ in 0..3 {
            assert_eq!(report(&*store, &engine.all()).await, 3);
        }
        assert_eq!(positions(&*store).await, [1, 2, 3]);
        let s = store.subscription(&sub("s")).await.expect("it is read").expect("it is there");
        assert_eq!((s.open_account().spent(), s.open_account().held()), (credits("14"), credits("0")));
    });
}

#[test]
fn a_batch_that_overlaps_adds_only_what_is_new() {
    on_every_store(async |store| {
        let mut engine = seeded(&*store).await;
        engine.debit("d1", "1").debit("d2", "2").debit("d3", "3").debit("d4", "4");
        assert_eq!(report(&*store, &engine.request(1, 3)).await, 3);
        assert_eq!(report(&*store, &engine.request(2, 4)).await, 4);
        assert_eq!(report(&*store, &engine.request(1, 2)).await, 4);
        assert_eq!(positions(&*store).await, [1, 2, 3, 4]);
        assert_eq!(store.audit().await.expect("it is audited").listed, []);
    });
}

#[test]
fn a_gap_is_refused_and_saves_nothing() {
    on_every_store(async |store| {
        let mut engine = seeded(&*store).await;
        engine.debit("d1", "1").debit("d2", "2").debit("d3", "3");
        report(&*store, &engine.request(1, 1)).await;
        let refused = store.sync(&engine.request(3, 3), now()).await.expect("the store answers");
        assert_eq!(refused, Err(SyncRefusal::Gap { last: 1 }));
        assert_eq!(positions(&*store).await, [1]);
    });
}

#[test]
fn an_older_incarnation_is_fenced() {
    on_every_store(async |store| {
        let mut engine = seeded(&*store).await;
        engine.debit("d1", "1");
        let newer = store.register(7, 2, 12).await.expect("the store answers").expect("it is newer");
        assert_eq!((newer.incarnation, newer.last), (2, 0));
        let refused = store.sync(&engine.all(), now()).await.expect("the store answers");
        assert_eq!(refused, Err(SyncRefusal::Fenced));
        let refused = store.register(7, 1, 11).await.expect("the store answers");
        assert_eq!(refused, Err(SyncRefusal::Fenced));
        assert_eq!(positions(&*store).await, [0; 0]);
        assert_eq!(report(&*store, &Request { incarnation: 2, ..engine.all() }).await, 1);
    });
}

#[test]
fn registering_twice_answers_the_same() {
    on_every_store(async |store| {
        let unknown = store.sync(&Engine::new().request(1, 0), now()).await.expect("the store answers");
        assert_eq!(unknown, Err(SyncRefusal::RegisterFirst));
        let first = store.register(7, 1, 11).await.expect("the store answers");
        let again = store.register(7, 1, 11).await.expect("the store answers");
        assert_eq!(first, again);
        let other_run = store.register(7, 1, 99).await.expect("the store answers");
        assert_eq!(other_run, Err(SyncRefusal::Fenced));
    });
}

#[test]
fn open_holds_and_draws_are_there_at_the_next_start() {
    on_every_store(async |store| {
        let mut engine = seeded(&*store).await;
        engine.hold("h1", "5").hold("h2", "6").hold("h3", "7").extend("h2").release("h3").debit("d1", "1");
        report(&*store, &engine.request(1, 4)).await;
        report(&*store, &engine.request(5, 6)).await;
        let rows = loaded(&*store, now()).await;
        let holds: Vec<_> = rows
            .iter()
            .filter_map(|row| if let Loaded::Hold(hold) = row { Some(&**hold) } else { None })
            .map(|hold| (hold.id.as_str(), hold.credits, hold.expires_at, hold.content))
            .collect();
        let (soon, later) = (now().plus_millis(60_000), now().plus_millis(90_000));
        assert_eq!(holds, [("h1", credits("5"), soon, u64::MAX), ("h2", credits("6"), later, u64::MAX)]);
        let held: Vec<_> = drawn(&rows).iter().map(|tally| (tally.spent, tally.held)).collect();
        assert_eq!(held, [(credits("1"), credits("11"))]);
    });
}

#[test]
fn a_hold_extended_after_its_batch_keeps_the_new_expiry() {
    on_every_store(async |store| {
        let mut engine = seeded(&*store).await;
        engine.hold("h1", "5").extend("h1").release("h1").hold("h1", "2");
        for last in 1..=4 {
            report(&*store, &engine.request(last, last)).await;
            assert_eq!(store.audit().await.expect("it is audited").listed, [], "after entry {last}");
        }
    });
}

#[test]
fn draws_of_windows_long_past_are_left_out_unless_they_are_held() {
    on_every_sole_store(async |store| {
        let mut engine = seeded(&*store).await;
        engine.debit("d1", "1");
        report(&*store, &engine.request(1, 1)).await;
        let draws = async |now| loaded(&*store, now).await.iter().filter(|r| matches!(r, Loaded::Draws { .. })).count();
        let later = at("2027-06-01T00:00:00Z");
        assert_eq!((draws(now()).await, draws(later).await), (1, 0));
        engine.hold("h1", "5");
        report(&*store, &engine.request(2, 2)).await;
        assert_eq!(draws(later).await, 1);
    });
}

#[test]
fn granting_in_a_later_window_is_an_entry_of_its_own() {
    on_every_store(async |store| {
        let engine = seeded(&*store).await;
        let later = at("2026-12-03T00:00:00Z");
        store.sync(&engine.request(1, 0), later).await.expect("the store answers").expect("it is taken");
        let granted = Filter { kind: Some(Kind::Granted), ..Filter::default() };
        let entries = store.entries(&granted, None, 10).await.expect("the ledger is read");
        let seen: Vec<_> = entries.iter().map(|e| (e.grant, e.credits, e.actor.as_deref())).collect();
        let month = Some(credits("5000"));
        let ops = Some("service:ops");
        assert_eq!(seen, [(Some(1), month, ops), (Some(2), month, None), (Some(3), month, None)]);
        assert_eq!(store.audit().await.expect("it is audited").listed, []);
    });
}
