//! Changes of control: one transaction each, an entry for each change, nothing after a refusal.

use purser::domain::Member;
use purser::root::{Change, GrantKind, Refusal, Row, Rows};
use purser::store::{Filter, Kind, LedgerEntry, Scope, StoreError};

use crate::support::*;

#[test]
fn a_change_is_saved_with_its_actor_and_time() {
    on_every_store(async |store| {
        seeded(&*store).await;
        let entries = store.entries(&Filter::default(), None, 100).await.expect("the ledger is read");
        let kinds: Vec<_> = entries.iter().map(|entry| entry.kind.as_str()).collect();
        assert_eq!(kinds, ["subscription_put", "granted", "team_put", "member_put", "member_put"]);
        assert!(entries.iter().all(|entry| entry.actor.as_deref() == Some("service:ops") && entry.at == now()));
        assert!(entries.iter().zip(1..).all(|(entry, position)| entry.position == position));
        let bob = entries.last().expect("there are five");
        let detail = r#"{"access":"personal","limit":"60.5","opted_out":false,"role":"member"}"#;
        let detail: serde_json::Value = detail.parse().expect("it is JSON");
        assert_eq!(bob.detail.as_deref().and_then(|d| d.parse().ok()), Some(detail));
        assert_eq!((bob.kind, bob.member.as_ref()), (Kind::MemberPut, Some(&user("bob"))));
    });
}

#[test]
fn every_change_is_kept_under_its_own_word() {
    let (team, subscription) = (team_id("t"), sub("s"));
    let changes = vec![
        Change::SubscriptionPut { subscription: subscription.clone(), terms: terms("ana") },
        Change::Granted {
            subscription: subscription.clone(),
            number: 4,
            kind: GrantKind::Purchased,
            credits: credits("7"),
            expires_at: Some(now()),
            purchase: "p1".to_owned(),
        },
        Change::TeamPut { team: team.clone(), name: "T".to_owned(), owner: user("ana") },
        Change::Assigned { team: team.clone(), subscription: subscription.clone() },
        Change::Unassigned { team: team.clone(), subscription: subscription.clone() },
        Change::MemberPut { team: team.clone(), member: Member::new(user("bob")) },
        Change::MemberRemoved { team: team.clone(), user: user("bob") },
        Change::WhitelistPut { team: team.clone(), enabled: true, models: Default::default() },
        Change::SidecarWrittenOff { sidecar: 7, host: "h".to_owned() },
        Change::FundsForgiven { subscription, sidecar: 7, credits: credits("2.5") },
        Change::LimitForgiven { team, user: user("bob"), sidecar: 7, credits: credits("1") },
    ];
    on_every_store(async |store| {
        control(&*store, |_| done(changes.clone())).await;
        let entries = store.entries(&Filter::default(), None, 100).await.expect("the ledger is read");
        assert_eq!(entries.len(), changes.len());
        for ((entry, change), position) in entries.iter().zip(&changes).zip(1..) {
            let wanted = LedgerEntry { position, ..LedgerEntry::of_change(change, Some(&admin()), now()) };
            assert_eq!((entry, entry.kind.as_str()), (&wanted, change.kind()));
        }
        let granted = &entries[1];
        assert_eq!((granted.id.as_ref(), granted.grant), (Some(&op("p1")), Some(4)));
    });
}

#[test]
fn the_rows_that_a_rule_put_are_answered_as_they_stand() {
    on_every_store(async |store| {
        let controlled = control(&*store, |rows| put_team(rows, "t", "s")).await;
        let names: Vec<_> = controlled
            .rows
            .iter()
            .map(|row| match row {
                Row::Team(team) => team.id.as_str().to_owned(),
                Row::Member(team, member) => format!("{team}/{}", member.user),
                _ => "else".to_owned(),
            })
            .collect();
        assert_eq!(names, ["t", "t/ana", "t/bob"]);
        assert_eq!(store.team(&team_id("t")).await, Ok(Some(team("t", "s"))));
    });
}

#[test]
fn a_refusal_saves_nothing() {
    on_every_store(async |store| {
        seeded(&*store).await;
        let before = loaded(&*store, now()).await;
        let refused = control(&*store, |rows| {
            let _ = put_team(rows, "t", "other")?;
            Ok(Err(Refusal::Forbidden("no")))
        });
        let refused = refused.await;
        assert_eq!((refused.answer, refused.rows), (Err(Refusal::Forbidden("no")), Vec::new()));
        assert_eq!(loaded(&*store, now()).await, before);
        assert_eq!(store.entries(&Filter::default(), None, 100).await.map(|entries| entries.len()), Ok(5));
    });
}

#[test]
fn control_and_sync_see_each_other() {
    on_every_store(async |store| {
        let mut engine = seeded(&*store).await;
        engine.debit("d1", "10");
        report(&*store, &engine.all()).await;
        let mut more = terms("ana");
        more.seats = 9;
        control(&*store, |rows| put_subscription(rows, "s", &more, now())).await;
        engine.debit("d2", "5");
        report(&*store, &engine.all()).await;
        let s = store.subscription(&sub("s")).await.expect("it is read").expect("it is there");
        assert_eq!((s.terms.seats, s.open_account().spent()), (9, credits("15")));
        assert_eq!(s.open_account().burned(), credits("15"));
        assert_eq!(store.audit().await.expect("it is audited").listed, []);
    });
}

#[test]
fn every_row_that_a_rule_may_ask_for_is_found() {
    on_every_store(async |store| {
        seeded(&*store).await;
        let purchase = purser::root::rows::Purchase {
            subscription: sub("s"),
            id: op("p1"),
            credits: credits("7"),
            expires_at: Some(now()),
        };
        control(&*store, |rows| {
            rows.put_purchase(purchase.clone());
            done(Vec::new())
        })
        .await;
        control(&*store, |rows| {
            assert_eq!(rows.owned(&user("ana"))?, Some(&sub("s")));
            assert_eq!(rows.owned(&user("bob"))?, None);
            assert_eq!(rows.purchase(&sub("s"), &op("p1"))?, Some(&purchase));
            assert_eq!(rows.purchase(&sub("s"), &op("p2"))?, None);
            assert_eq!(rows.members(&team_id("t"))?.len(), 2);
            assert_eq!(rows.member(&team_id("t"), &user("cy"))?, None);
            assert_eq!(rows.sidecar(7)?.map(|sidecar| (sidecar.id, sidecar.nonce)), Some((7, 11)));
            done(vec![Change::Unassigned { team: team_id("t"), subscription: sub("s") }])
        })
        .await;
        let of_sub = Filter { scope: Scope::Subscription(sub("s")), newest_first: true, ..Filter::default() };
        let last = store.entries(&of_sub, None, 1).await.expect("the ledger is read");
        assert_eq!(last.first().map(|entry| entry.kind), Some(Kind::Unassigned));
    });
}

#[test]
fn a_rule_that_never_has_enough_is_given_up() {
    on_every_store(async |store| {
        let count = std::sync::atomic::AtomicU64::new(0);
        let rule = |rows: &mut Rows| {
            let next = count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            rows.team(&team_id(&format!("t{next}")))?;
            done(Vec::new())
        };
        let answer = store.control(&rule, &admin(), now()).await;
        assert!(matches!(answer, Err(StoreError::Rejected(_))), "{answer:?}");
    });
}

#[test]
fn a_rule_that_asks_for_many_members_gets_them_all() {
    on_every_store(async |store| {
        seeded(&*store).await;
        let names: Vec<_> = (0..2_000).map(|n| user(&format!("u{n:04}"))).collect();
        let rule = |rows: &mut Rows| {
            let mut found = 0;
            for name in &names {
                found += rows.member(&team_id("t"), name)?.iter().len();
                rows.put_member(&team_id("t"), Member::new(name.clone()));
            }
            assert!([0, names.len()].contains(&found));
            done(Vec::new())
        };
        control(&*store, rule).await;
        control(&*store, rule).await;
    });
}
