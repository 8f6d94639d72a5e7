//! Sidecars, giving one up, and reconciling, on a store for one and on one that many share.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use purser::domain::{Credits, SubscriptionId, TeamId, Timestamp, UserId, Window};
use purser::root::sync::{Request, SyncRefusal};
use purser::root::{Actor, Done, MemberShare, Outcome, Rows, Shares, Want};
use purser::store::{Filter, Kind, Memory, Store};
use serde_json::{Value, json};

use crate::cut::Cut;
use crate::support::{ADAM, OWNER, Sidecar, Who};

/// The sidecar that is gone.
const GONE: u128 = 0x0b8a_1f6e_3c55_4d0a_9f0e_5f7a_1c2d_3e4f;
const GONE_TEXT: &str = "0b8a1f6e-3c55-4d0a-9f0e-5f7a1c2d3e4f";
const FORGIVE: &str = "/v1/sidecars/0b8a1f6e-3c55-4d0a-9f0e-5f7a1c2d3e4f/forgive";

const NOON: &str = "2026-11-22T12:00:00Z";
const TWO_MINUTES: u64 = 120_000;

fn at(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

fn credits(text: &str) -> Credits {
    text.parse().expect("an amount")
}

/// Another sidecar syncs: it is lent 40 credits of the pool and 20 of mia's limit.
async fn other_syncs(store: &dyn Store, beat: u64, now: Timestamp) -> Result<(), SyncRefusal> {
    let want = |goal| Want { goal: credits(goal), step: credits("1"), ..Want::default() };
    let window = Window { start: at("2026-11-01T00:00:00Z"), end: at("2026-12-01T00:00:00Z") };
    let mia = (TeamId::new("acme").expect("an id"), UserId::new("mia").expect("an id"));
    let share = MemberShare { positions: Vec::new(), want: Some((window, want("20"))) };
    let shares = Shares {
        host: "lost-host".to_owned(),
        beat,
        config: 1_000,
        wants: BTreeMap::from([(SubscriptionId::new("sub_1").expect("an id"), want("40"))]),
        members: BTreeMap::from([(mia, share)]),
        ..Shares::default()
    };
    let request = Request { sidecar: GONE, incarnation: 1, shares: Some(shares), ..Request::default() };
    store.sync(&request, now).await.expect("the store is there").map(drop)
}

/// A sidecar with a team on a store that another one shares, which last synced two minutes ago.
async fn with_a_lost_one() -> (Sidecar, Arc<dyn Store>) {
    let store: Arc<dyn Store> = Arc::new(Memory::shared());
    let sidecar = Sidecar::start_on(Some(Arc::clone(&store))).await;
    sidecar.found().await;
    store.register(GONE, 1, 7).await.expect("the store is there").expect("it is new");
    let then = Timestamp::from_millis(at(NOON).millis() - TWO_MINUTES as i64).expect("a time");
    other_syncs(&*store, 1, then).await.expect("it is registered");
    (sidecar, store)
}

async fn forgive(sidecar: &Sidecar, body: Value) -> crate::support::Answer {
    sidecar.ask(Who::Admin, "POST", FORGIVE, body).await
}

#[tokio::test]
async fn only_an_admins_service_token_looks_after_sidecars() {
    let sidecar = Sidecar::with_team().await;
    for (method, path) in [("GET", "/v1/sidecars"), ("POST", FORGIVE), ("POST", "/v1/reconcile")] {
        for (who, status) in [(Who::Nobody, 401), (Who::Gateway, 403), (OWNER, 403), (ADAM, 403)] {
            let answer = sidecar.ask(who, method, path, Value::Null).await;
            assert_eq!(answer.problem().0, status, "{who:?} {method} {path}");
        }
    }
}

/// Reading whole tables may take longer than a request: it goes on, and whoever asks again gets what comes of it.
#[tokio::test]
async fn what_reads_whole_tables_goes_on_without_its_request_and_runs_once() {
    let store = Cut::new(Arc::new(Memory::shared()));
    let on: Arc<dyn Store> = Arc::<Cut>::clone(&store);
    // A request is kept waiting for half of this.
    let hurried = |config: &mut purser::config::Config| config.server.request_timeout = Duration::from_secs(2);
    let sidecar = Sidecar::start_with(Some(on), hurried).await;
    sidecar.found().await;
    let then = Timestamp::from_millis(at(NOON).millis() - TWO_MINUTES as i64).expect("a time");
    store.register(GONE, 1, 7).await.expect("the store is there").expect("it is new");
    other_syncs(&*store, 1, then).await.expect("it is registered");
    for (method, path, known) in [("POST", "/v1/reconcile", "differences"), ("POST", FORGIVE, "accounts")] {
        let held = store.hold_scans().await;
        for _ in 0..2 {
            let answer = sidecar.ask(Who::Admin, method, path, Value::Null).await;
            assert_eq!(answer.headers["retry-after"], "1");
            assert_eq!(answer.expect(202), json!({ "running_since": NOON }), "{path}");
        }
        drop(held);
        let mut answer = sidecar.ask(Who::Admin, method, path, Value::Null).await;
        while answer.status == 202 {
            answer = sidecar.ask(Who::Admin, method, path, Value::Null).await;
        }
        assert!(answer.expect(200)[known].is_u64(), "{path}: {answer:?}");
    }
    let held = store.hold_scans().await;
    assert_eq!(sidecar.get("/v1/sidecars").await.status, 202);
    drop(held);
}

#[tokio::test]
async fn a_store_for_one_sidecar_shows_it_and_has_none_to_give_up() {
    let sidecar = Sidecar::with_team().await;
    let listed = sidecar.get("/v1/sidecars").await.expect(200);
    let [one] = &listed["sidecars"].as_array().expect("a list")[..] else { panic!("{listed}") };
    let numbers = (&one["state"], &one["host"], &one["incarnation"], &one["last_sync"], &one["lent"], &one["suspense"]);
    let expected = (&json!("open"), &json!(""), &json!(1), &Value::Null, &json!("300"), &json!("0"));
    assert_eq!(numbers, expected, "{one}");
    let own = format!("/v1/sidecars/{}/forgive", one["id"].as_str().expect("an id"));
    let forced = sidecar.ask(Who::Admin, "POST", &own, json!({ "force": true })).await;
    assert_eq!(forced.problem(), (409, "sidecar_in_use".to_owned(), None));
}

#[tokio::test]
async fn a_sidecar_to_give_up_must_be_there_and_be_asked_for_rightly() {
    let sidecar = Sidecar::with_team().await;
    assert_eq!(forgive(&sidecar, Value::Null).await.problem().1, "not_found");
    let no_id = sidecar.ask(Who::Admin, "POST", "/v1/sidecars/x/forgive", Value::Null).await;
    assert_eq!(no_id.problem().1, "invalid_value");
    for (body, status, code, pointer) in [
        (json!({ "force": 1 }), 422, "invalid_value", Some("/force")),
        (json!({ "forced": true }), 422, "unknown_field", Some("/forced")),
        (json!([]), 422, "invalid_value", None),
    ] {
        let (found, found_code, found_pointer) = forgive(&sidecar, body.clone()).await.problem();
        assert_eq!((found, &*found_code), (status, code), "{body}");
        assert_eq!(found_pointer.as_deref().filter(|text| !text.is_empty()), pointer, "{body}");
    }
    let broken = sidecar.send(Who::Admin, "POST", FORGIVE, Some("{".to_owned()), "").await;
    assert_eq!(broken.problem().1, "not_json");
}

#[tokio::test]
async fn balances_say_what_other_sidecars_hold_and_as_of_when() {
    let (sidecar, _store) = with_a_lost_one().await;
    sidecar.draw("d1", Some("acme"), "mia", "3", false).await;
    sidecar.draw("h1", Some("acme"), "mia", "2", true).await;
    let pool = sidecar.get("/v1/teams/acme/pool").await.expect(200);
    let numbers = ["total", "used", "held", "remaining", "suspense"].map(|name| pool[name].as_str().unwrap_or("-"));
    assert_eq!(numbers, ["300", "3", "2", "295", "0"], "{pool}");
    assert!(credits(pool["lent"].as_str().expect("is there")) >= credits("40"), "{pool}");
    assert_eq!(pool["as_of"], "2026-11-22T11:58:00Z", "{pool}");

    let mia = sidecar.get("/v1/teams/acme/members/mia/balance").await.expect(200);
    assert_eq!(mia["remaining"], json!({ "member": "45", "payer": "295" }), "{mia}");
    assert_eq!((&mia["used"], &mia["held"], &mia["as_of"]), (&json!("3"), &json!("2"), &pool["as_of"]), "{mia}");
    assert!(credits(mia["lent"].as_str().expect("is there")) >= credits("20"), "{mia}");
    let members = sidecar.get("/v1/teams/acme/members").await.expect(200);
    let listed = members["members"].as_array().and_then(|all| all.iter().find(|row| row["member"] == "mia"));
    let listed = listed.expect("mia is listed");
    for name in ["used", "held", "lent", "suspense", "as_of"] {
        assert_eq!(listed[name], mia[name], "{name}");
    }
}

#[tokio::test]
async fn balances_of_a_store_for_one_say_nothing_of_others() {
    let sidecar = Sidecar::with_team().await;
    for path in ["/v1/teams/acme/pool", "/v1/teams/acme/members/mia/balance", "/v1/users/olga/balance"] {
        let balance = sidecar.get(path).await.expect(200);
        assert!(["lent", "suspense", "as_of"].iter().all(|name| balance.get(name).is_none()), "{balance}");
    }
}

#[tokio::test]
async fn what_a_lost_sidecar_held_comes_back_once_and_is_in_the_ledger() {
    let (sidecar, store) = with_a_lost_one().await;
    let listed = sidecar.get("/v1/sidecars").await.expect(200);
    let lost = listed["sidecars"].as_array().and_then(|all| all.iter().find(|row| row["id"] == GONE_TEXT));
    let lost = lost.expect("it is listed");
    assert_eq!((&lost["host"], &lost["last_sync"]), (&json!("lost-host"), &json!("2026-11-22T11:58:00Z")), "{lost}");
    assert_eq!((&lost["lent"], &lost["limits_lent"]), (&json!("40"), &json!("20")), "{lost}");

    let forgiven = forgive(&sidecar, Value::Null).await.expect(200);
    let expected = json!({ "sidecar": GONE_TEXT, "credits": "40", "limits": "20", "accounts": 2 });
    assert_eq!(forgiven, expected);
    let again = forgive(&sidecar, json!({})).await.expect(200);
    assert_eq!((&again["credits"], &again["limits"], &again["accounts"]), (&json!("0"), &json!("0"), &json!(0)));

    let entries = store.entries(&Filter::default(), None, 1_000).await.expect("the store is there");
    let recorded = |kind| {
        let mut of_kind = entries.iter().filter(|entry| entry.kind == kind);
        let entry = of_kind.next().expect("it is recorded");
        assert_eq!((entry.actor.as_deref(), of_kind.next()), (Some("service:root"), None));
        assert!(entry.detail.as_ref().is_some_and(|detail| detail.contains(GONE_TEXT)), "{entry:?}");
        entry.credits
    };
    assert_eq!(recorded(Kind::SidecarWrittenOff), None);
    assert_eq!(recorded(Kind::FundsForgiven), Some(credits("40")));
    assert_eq!(recorded(Kind::LimitForgiven), Some(credits("20")));
    assert_eq!(sidecar.ask(Who::Admin, "POST", "/v1/reconcile", Value::Null).await.expect(200)["differences"], 0);
    let shown = sidecar.get("/v1/subscriptions/sub_1/entries?kind=funds_forgiven").await.expect(200);
    assert_eq!(shown["entries"][0]["detail"], json!({ "sidecar": GONE_TEXT }));
}

#[tokio::test]
async fn a_sidecar_that_was_given_up_is_refused_for_ever() {
    let (sidecar, store) = with_a_lost_one().await;
    forgive(&sidecar, Value::Null).await.expect(200);
    assert_eq!(other_syncs(&*store, 2, at(NOON)).await, Err(SyncRefusal::Fenced));
    let registered = store.register(GONE, 2, 8).await.expect("the store is there");
    assert_eq!(registered.map(drop), Err(SyncRefusal::Fenced));
}

#[tokio::test]
async fn a_sidecar_that_synced_a_moment_ago_is_given_up_by_force_only() {
    let (sidecar, store) = with_a_lost_one().await;
    other_syncs(&*store, 2, at(NOON)).await.expect("it is registered");
    for body in [Value::Null, json!({}), json!({ "force": false })] {
        assert_eq!(forgive(&sidecar, body).await.problem(), (409, "sidecar_in_use".to_owned(), None));
    }
    let listed = sidecar.get("/v1/sidecars").await.expect(200).to_string();
    assert!(!listed.contains("written_off"), "{listed}");
    sidecar.clock.advance(Duration::from_secs(59));
    assert_eq!(forgive(&sidecar, Value::Null).await.status, 409);
    assert_eq!(forgive(&sidecar, json!({ "force": true })).await.expect(200)["credits"], "40");
}

#[tokio::test]
async fn reconciling_tells_where_tables_and_ledger_differ() {
    let (sidecar, store) = with_a_lost_one().await;
    sidecar.draw("d1", Some("acme"), "mia", "3", false).await;
    sidecar.get("/v1/teams/acme/pool").await.expect(200);
    let reconcile = async || sidecar.ask(Who::Admin, "POST", "/v1/reconcile", Value::Null).await.expect(200);
    let audit = reconcile().await;
    assert_eq!((&audit["differences"], &audit["listed"]), (&json!(0), &json!([])), "{audit}");
    assert!(audit["entries"].as_u64() > Some(5) && audit["compared"].as_u64() > Some(5), "{audit}");

    let spoil = |rows: &mut Rows| {
        rows.root()?;
        let id = SubscriptionId::new("sub_1").expect("an id");
        let mut subscription = rows.subscription(&id)?.expect("it is there").clone();
        let account = subscription.accounts.last_mut().expect("one is open");
        let holder = account.holders.iter_mut().find(|holder| holder.sidecar != GONE).expect("it drew");
        holder.spent = credits("4");
        rows.put_subscription(subscription);
        Ok(Ok(Done { outcome: Outcome::Changed, changes: Vec::new() }))
    };
    store.control(&spoil, &Actor::Service("test".to_owned()), at(NOON)).await.expect("the store is there").answer.ok();
    let audit = reconcile().await;
    assert_eq!(audit["differences"], 1, "{audit}");
    let what = json!("micro-credits spent of subscription sub_1 in the window of 2026-11-01T00:00:00Z");
    assert_eq!(audit["listed"], json!([{ "what": what, "ledger": "3000000", "tables": "4000000" }]));
}
