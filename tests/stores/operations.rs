//! One operation id is one draw, whichever sidecars it reaches: what the store tells them about that.

use purser::domain::{AskedEnd, Scope};
use purser::root::abandoned::{self, Ending};
use purser::root::pending::{Outcome, What};
use purser::root::{NOBODY, Pending, Shared};
use purser::store::{Filter, Kind, Store};

use crate::peer::Peer;
use crate::support::*;

/// A team with a pool, and two sidecars.
async fn two(store: &dyn Store) -> [Peer; 2] {
    seeded(store).await;
    [Peer::join(store, 1).await, Peer::join(store, 2).await]
}

fn asked(shared: &Shared) -> Vec<(u64, &str, &What)> {
    shared.pending.iter().map(|p| (p.key.seq, p.operation.id.as_str(), &p.what)).collect()
}

/// It has done what an answer asked of it.
fn obey(peer: &mut Peer, shared: &Shared, outcome: Outcome) {
    peer.done.extend(shared.pending.iter().map(|pending| (pending.key, outcome)));
}

async fn kinds(store: &dyn Store, id: &str) -> Vec<Kind> {
    let filter = Filter { id: Some(op(id)), ..Filter::default() };
    let entries = store.entries(&filter, None, 100).await.expect("the ledger is read");
    entries.iter().map(|entry| entry.kind).collect()
}

fn settle(cost: &str) -> AskedEnd {
    AskedEnd::Settle { credits: credits(cost) }
}

#[test]
fn the_second_draw_under_an_id_is_to_be_undone_until_its_sidecar_says_that_it_is() {
    on_every_shared_store(async |store| {
        let [mut one, mut two] = two(&*store).await;
        one.engine.debit("d", "3").debit("other", "1");
        two.engine.debit("own", "1").debit("d", "3");
        assert_eq!(asked(&*one.sync_soon(&*store, "10").await), []);
        for _ in 0..2 {
            // Whoever has not heard hears it again.
            let shared = two.sync_soon(&*store, "10").await;
            assert_eq!(asked(&shared), [(2, "d", &What::Void { reused: false })]);
        }
        let shared = two.sync_soon(&*store, "10").await;
        two.engine.void("d", "3");
        obey(&mut two, &shared, Outcome::Entered);
        assert_eq!(asked(&*two.sync_soon(&*store, "10").await), []);
        assert_eq!(asked(&*two.sync_soon(&*store, "10").await), []);
        assert_eq!(kinds(&*store, "d").await, [Kind::Debited, Kind::Debited, Kind::Voided]);
        let s = store.subscription(&sub("s")).await.expect("it is read").expect("it is there");
        assert_eq!(s.open_account().spent().minus(s.open_account().refunded()), credits("5"), "d once, and two others");
        assert_eq!(store.audit().await.expect("it is audited").listed, []);
    });
}

#[test]
fn of_large_reports_under_the_same_ids_at_the_same_time_each_id_is_charged_once() {
    on_every_shared_store(async |store| {
        let [mut one, mut two] = two(&*store).await;
        for n in 0..600 {
            one.engine.debit(&format!("d{n}"), "0.001");
            two.engine.debit(&format!("d{}", 599 - n), "0.001");
        }
        let (of_one, of_two) = tokio::join!(one.sync_soon(&*store, "10"), two.sync_soon(&*store, "10"));
        let mut undone: Vec<_> = of_one.pending.iter().chain(&of_two.pending).map(|p| p.operation.id.clone()).collect();
        undone.sort();
        undone.dedup();
        assert_eq!((of_one.pending.len() + of_two.pending.len(), undone.len()), (600, 600));
        for (peer, shared) in [(&mut one, of_one), (&mut two, of_two)] {
            for pending in &shared.pending {
                peer.engine.void(pending.operation.id.as_str(), "0.001");
            }
            obey(peer, &shared, Outcome::Entered);
        }
        let (of_one, of_two) = tokio::join!(one.sync_soon(&*store, "10"), two.sync_soon(&*store, "10"));
        assert_eq!((asked(&of_one), asked(&of_two)), (vec![], vec![]));
        let s = store.subscription(&sub("s")).await.expect("it is read").expect("it is there");
        assert_eq!(s.open_account().spent().minus(s.open_account().refunded()), credits("0.6"));
        assert_eq!(store.audit().await.expect("it is audited").listed, []);
    });
}

#[test]
fn the_second_draw_is_told_apart_when_it_asked_for_something_else() {
    on_every_shared_store(async |store| {
        let [mut one, mut two] = two(&*store).await;
        one.engine.debit("a", "3").hold("b", "3").hold("c", "3");
        two.engine.debit("a", "4").debit("b", "3").hold("c", "2");
        one.sync_soon(&*store, "20").await;
        let shared = two.sync_soon(&*store, "20").await;
        let void = |reused| What::Void { reused };
        // Of a hold that may have been granted less than it asked for the sum tells nothing.
        let expected = [(1, "a", &void(true)), (2, "b", &void(true)), (3, "c", &void(false))];
        assert_eq!(asked(&shared), expected);
    });
}

#[test]
fn an_id_is_free_again_in_another_scope_for_its_own_sidecar_and_when_it_is_forgotten() {
    on_every_shared_store(async |store| {
        let [mut one, mut two] = two(&*store).await;
        control(&*store, |rows| put_subscription(rows, "w", &terms("zoe"), now())).await;
        one.engine.debit("d", "1").debit("d", "1");
        one.sync_soon(&*store, "10").await;
        let alone = purser::domain::Drawer {
            team: None,
            member: user("zoe"),
            payer: purser::domain::Payer::Wallet,
            subscription: sub("w"),
        };
        let pool = std::mem::replace(&mut two.engine.drawer, alone);
        two.engine.debit("d", "1");
        assert_eq!(asked(&*two.sync_soon(&*store, "10").await), [], "a user's own ids are others than a team's");
        two.engine.drawer = pool;
        two.engine.debit("d", "1");
        two.now = now().plus_millis(25 * 3_600_000);
        assert_eq!(asked(&*two.sync_soon(&*store, "10").await), [], "nobody remembers it any more");
    });
}

#[test]
fn a_draw_that_was_undone_does_not_stand_against_a_later_one() {
    on_every_shared_store(async |store| {
        let [mut one, mut two] = two(&*store).await;
        two.engine.debit("d", "3").debit("e", "3").void("e", "3");
        two.sync_soon(&*store, "10").await;
        two.engine.void("d", "3");
        two.sync_soon(&*store, "10").await;
        one.engine.debit("d", "3").debit("e", "3");
        assert_eq!(asked(&*one.sync_soon(&*store, "10").await), []);
        assert_eq!(store.audit().await.expect("it is audited").listed, []);
    });
}

#[test]
fn two_that_enter_an_id_at_once_do_not_both_keep_it() {
    on_every_shared_store(async |store| {
        let [mut one, mut two] = two(&*store).await;
        for round in 0..20 {
            // Of different members, so that the two touch few rows in common.
            for (peer, member) in [(&mut one, "ana"), (&mut two, "bob")] {
                peer.engine.drawer.member = user(member);
                peer.engine.debit(&format!("d{round}"), "1");
            }
            let (first, second) = tokio::join!(one.sync(&*store, "50"), two.sync(&*store, "50"));
            let (first, second) = (first.expect("the store answers"), second.expect("the store answers"));
            assert_eq!(first.pending.len() + second.pending.len(), 1, "round {round}: {first:?} {second:?}");
            for (peer, shared) in [(&mut one, first), (&mut two, second)] {
                for pending in &shared.pending {
                    peer.engine.void(pending.operation.id.as_str(), "1");
                }
                obey(peer, &shared, Outcome::Entered);
            }
        }
    });
}

#[test]
fn an_end_that_another_sidecar_took_in_reaches_the_owner_until_it_says_what_came_of_it() {
    on_every_shared_store(async |store| {
        let [mut one, mut two] = two(&*store).await;
        one.engine.hold("h", "5").debit("d", "2");
        one.sync_soon(&*store, "10").await;
        let part = AskedEnd::Refund { part: Some((op("r"), credits("1"))) };
        two.engine.ask_end("h", settle("4")).ask_end("d", part.clone());
        assert_eq!(asked(&*two.sync_soon(&*store, "10").await), []);
        for _ in 0..2 {
            let shared = one.sync_soon(&*store, "10").await;
            let (settled, refunded) = (What::End(settle("4")), What::End(part.clone()));
            assert_eq!(asked(&shared), [(1, "h", &settled), (2, "d", &refunded)]);
            assert!(shared.pending.iter().all(|p| (p.owner, p.key.by) == (1, 2)), "{shared:?}");
        }
        let shared = one.sync_soon(&*store, "10").await;
        one.engine.settle("h", "4").refund("r", "d", "1");
        obey(&mut one, &shared, Outcome::Entered);
        assert_eq!(asked(&*one.sync_soon(&*store, "10").await), []);
        assert_eq!(kinds(&*store, "h").await, [Kind::Held, Kind::EndAsked, Kind::Settled]);
        assert_eq!(store.audit().await.expect("it is audited").listed, []);
    });
}

#[test]
fn an_end_waits_for_a_draw_that_its_sidecar_has_yet_to_tell_of() {
    on_every_shared_store(async |store| {
        let [mut one, mut two] = two(&*store).await;
        one.sync_soon(&*store, "10").await;
        one.engine.hold("h", "5");
        two.engine.ask_end("h", AskedEnd::Release);
        assert_eq!(asked(&*two.sync_soon(&*store, "10").await), []);
        let shared = one.sync_soon(&*store, "10").await;
        let shared = if shared.pending.is_empty() { one.sync_soon(&*store, "10").await } else { shared };
        assert_eq!(asked(&shared), [(1, "h", &What::End(AskedEnd::Release))]);
    });
}

#[test]
fn an_end_for_which_no_draw_turns_up_is_orphaned_once() {
    on_every_shared_store(async |store| {
        let [mut one, mut two] = two(&*store).await;
        // Of the team's first sidecar nothing is ever heard: it may have given the hold.
        control(&*store, |rows| {
            purser::root::operate::write_off(rows, 7)?;
            done(Vec::new())
        })
        .await;
        one.sync_soon(&*store, "10").await;
        two.engine.ask_end("h", settle("4"));
        two.sync_soon(&*store, "10").await;
        assert_eq!(kinds(&*store, "h").await, [Kind::EndAsked], "one may yet tell of it");
        let mut orphaned = 0;
        for _ in 0..4 {
            orphaned += one.sync_soon(&*store, "10").await.orphaned;
            orphaned += two.sync_soon(&*store, "10").await.orphaned;
        }
        assert_eq!((kinds(&*store, "h").await, orphaned), (vec![Kind::EndAsked, Kind::Orphaned], 1));
        assert_eq!(store.audit().await.expect("it is audited").listed, []);
    });
}

#[test]
fn an_end_of_what_its_owner_does_not_know_any_more_is_orphaned() {
    on_every_shared_store(async |store| {
        let [mut one, mut two] = two(&*store).await;
        one.engine.hold("h", "5");
        one.sync_soon(&*store, "10").await;
        two.engine.ask_end("h", settle("4"));
        two.sync_soon(&*store, "10").await;
        let shared = one.sync_soon(&*store, "10").await;
        obey(&mut one, &shared, Outcome::Unknown);
        let shared = one.sync_soon(&*store, "10").await;
        assert_eq!((asked(&shared), shared.orphaned), (vec![], 1));
        let filter = Filter { kind: Some(Kind::Orphaned), ..Filter::default() };
        let entries = store.entries(&filter, None, 10).await.expect("the ledger is read");
        let [entry] = &entries[..] else { panic!("{entries:?}") };
        assert_eq!((&entry.id, &entry.team, entry.credits), (&Some(op("h")), &Some(team_id("t")), Some(credits("4"))));
    });
}

#[test]
fn everything_that_is_pending_reads_back_as_it_was_written() {
    on_every_shared_store(async |store| {
        let [mut one, mut two] = two(&*store).await;
        let later = now().plus_millis(90_000);
        let ends = [
            settle("0.000001"),
            AskedEnd::Release,
            AskedEnd::Extend { expires_at: later },
            AskedEnd::Refund { part: None },
            AskedEnd::Refund { part: Some((op("a/b~\"'"), credits("2"))) },
        ];
        one.engine.hold("h", "5");
        one.sync_soon(&*store, "10").await;
        for end in &ends {
            two.engine.ask_end("h", end.clone());
        }
        two.sync_soon(&*store, "10").await;
        let shared = one.sync_soon(&*store, "10").await;
        let whats: Vec<_> = shared.pending.iter().map(|p| p.what.clone()).collect();
        assert_eq!(whats, ends.map(What::End));
        let is_whole = |p: &Pending| p.operation.scope == Scope::Team(team_id("t")) && p.heard.is_empty();
        assert!(shared.pending.iter().all(|p| is_whole(p) && p.owner != NOBODY), "{shared:?}");
        assert_eq!(shared.pending[0].at, two.engine.entries[0].at);
    });
}

/// What an operator does with a sidecar that does not come back.
async fn give_up(store: &dyn Store, sidecar: u128) {
    control(store, |rows| {
        purser::root::operate::write_off(rows, sidecar)?;
        done(Vec::new())
    })
    .await;
}

#[test]
fn holds_of_a_sidecar_that_was_given_up_are_ended_by_the_root_once() {
    on_every_shared_store(async |store| {
        let [mut one, mut two] = two(&*store).await;
        one.engine.hold("settled", "5").hold("above", "5").hold("released", "5").hold("expired", "5").hold("open", "5");
        one.sync_soon(&*store, "50").await;
        two.engine.ask_end("settled", settle("4")).ask_end("above", settle("8"));
        two.engine.ask_end("released", AskedEnd::Release).ask_end("none", AskedEnd::Release);
        two.sync_soon(&*store, "10").await;
        let team = |id: &str| purser::domain::Operation { scope: Scope::Team(team_id("t")), id: op(id) };
        let end = async |id: &str, ending, pending| {
            let rule =
                |rows: &mut purser::root::Rows| Ok(Ok(abandoned::end(rows, (1, &team(id)), ending, pending, now())?));
            control(&*store, rule).await.answer.expect("it is no refusal").changes.len()
        };
        assert_eq!(end("settled", Ending::Settled(credits("4")), None).await, 0, "its sidecar may yet end it");
        give_up(&*store, 1).await;
        let (holds, pending) = store.abandoned(1).await.expect("the store answers");
        assert_eq!((holds.len(), pending.len()), (5, 3));
        for (pending, ending) in pending.iter().zip([credits("4"), credits("8")].map(Ending::Settled)) {
            let id = pending.operation.id.as_str();
            assert_eq!(end(id, ending, Some(pending.key)).await, 1, "{id}");
            assert_eq!(end(id, ending, Some(pending.key)).await, 0, "{id}: once");
        }
        assert_eq!(end("released", Ending::Released, Some(pending[2].key)).await, 1);
        assert_eq!(end("expired", Ending::Expired, None).await, 1);
        let (holds, pending) = store.abandoned(1).await.expect("the store answers");
        assert_eq!((holds.len(), pending.len()), (1, 0));
        let kinds_of = [("settled", Kind::Settled), ("above", Kind::Settled), ("released", Kind::Released)];
        for (id, kind) in kinds_of {
            assert_eq!(kinds(&*store, id).await, [Kind::Held, Kind::EndAsked, kind]);
        }
        let s = store.subscription(&sub("s")).await.expect("it is read").expect("it is there");
        let own = s.open_account().of(1);
        assert_eq!((own.spent, own.held), (credits("12"), credits("5")));
        assert_eq!(store.audit().await.expect("it is audited").listed, []);
        let before = s.open_account().claims();
        control(&*store, |rows| {
            purser::root::operate::forgive_funds(rows, &sub("s"), 1)?;
            done(Vec::new())
        })
        .await;
        let s = store.subscription(&sub("s")).await.expect("it is read").expect("it is there");
        assert!(s.open_account().of(1).out() == credits("17") && s.open_account().claims() < before, "{s:?}");
    });
}

#[test]
fn what_nobody_can_do_for_a_sidecar_that_was_given_up_is_orphaned_once() {
    on_every_shared_store(async |store| {
        let [mut one, mut two] = two(&*store).await;
        one.engine.debit("d", "5");
        one.sync_soon(&*store, "10").await;
        two.engine.ask_end("d", AskedEnd::Refund { part: None });
        two.sync_soon(&*store, "10").await;
        give_up(&*store, 1).await;
        let (_, pending) = store.abandoned(1).await.expect("the store answers");
        for changes in [1, 0] {
            let rule = |rows: &mut purser::root::Rows| Ok(Ok(abandoned::orphan(rows, 1, pending[0].key)?));
            assert_eq!(control(&*store, rule).await.answer.expect("it is no refusal").changes.len(), changes);
        }
        assert_eq!(kinds(&*store, "d").await, [Kind::Debited, Kind::EndAsked, Kind::Orphaned]);
        assert_eq!(store.abandoned(1).await.expect("the store answers").1, []);
        assert_eq!(store.audit().await.expect("it is audited").listed, []);
    });
}
