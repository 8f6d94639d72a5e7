//! The ledger as callers read it: the same in every format, whole, and enough for an audit.

use std::collections::BTreeMap;

use http::header::CONTENT_TYPE;
use purser::domain::{Credits, OperationId, SubscriptionId, TeamId, UserId};
use purser::engine::Scope;
use serde_json::{Value, json};

use super::support::{OWNER, Sidecar, Who};

const ACME: &str = "/v1/teams/acme/entries";

fn id(text: &str) -> OperationId {
    OperationId::new(text).expect("an id")
}

fn credits(text: &str) -> Credits {
    text.parse().expect("an amount")
}

/// A team with every kind of entry that moves credits.
async fn busy() -> Sidecar {
    let sidecar = Sidecar::with_team().await;
    let service = sidecar.server.service();
    let acme = Scope::Team(TeamId::new("acme").expect("an id"));
    sidecar.draw("d1", Some("acme"), "mia", "10.5", false).await;
    sidecar.draw("d2", Some("acme"), "olga", "0.000001", false).await;
    for hold in ["h1", "h2", "h3"] {
        sidecar.draw(hold, Some("acme"), "mia", "4", true).await;
    }
    service.settle(&acme, &id("h1"), credits("6.25")).await.expect("settles");
    service.release(&acme, &id("h2")).await.expect("releases");
    service.extend(&acme, &id("h3"), 120_000).await.expect("extends");
    service.refund(&acme, &id("d1"), Some((&id("r1"), credits("0.5")))).await.expect("refunds");
    sidecar
}

async fn ndjson(sidecar: &Sidecar, who: Who, path: &str) -> Vec<Value> {
    let answer = sidecar.send(who, "GET", path, None, "application/x-ndjson").await;
    assert_eq!(
        (answer.status, &answer.headers[CONTENT_TYPE]),
        (200, &"application/x-ndjson".parse().expect("a value"))
    );
    answer.body.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

async fn csv(sidecar: &Sidecar, path: &str) -> Vec<BTreeMap<String, String>> {
    let answer = sidecar.send(Who::Admin, "GET", path, None, "text/csv").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let mut reader = csv::Reader::from_reader(answer.body.as_bytes());
    reader.deserialize().map(|row| row.expect("a row")).collect()
}

/// An entry as its CSV row must be.
fn cells(entry: &Value, names: impl Iterator<Item = String>) -> BTreeMap<String, String> {
    let text = |value: &Value| match value {
        Value::Null => String::new(),
        Value::String(text) if text.starts_with(['=', '+', '-', '@', '\'']) => format!("'{text}"),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    names.map(|name| (name.clone(), text(&entry[&name]))).collect()
}

#[tokio::test]
async fn every_format_says_the_same() {
    let sidecar = busy().await;
    let json = sidecar.get(ACME).await.expect(200);
    let json = json["entries"].as_array().expect("entries");
    assert_eq!(*json, ndjson(&sidecar, Who::Admin, ACME).await);
    let rows = csv(&sidecar, ACME).await;
    assert_eq!(rows.len(), json.len());
    for (row, entry) in rows.iter().zip(json) {
        assert!(entry.as_object().expect("an object").keys().all(|name| row.contains_key(name)), "{entry}");
        let mut expected = cells(entry, row.keys().cloned());
        let detail = |text: &str| if text.is_empty() { Value::Null } else { serde_json::from_str(text).expect("JSON") };
        assert_eq!(detail(&row["detail"]), entry["detail"]);
        expected.insert("detail".to_owned(), row["detail"].clone());
        assert_eq!(*row, expected);
    }
}

#[tokio::test]
async fn an_entry_shows_all_that_it_moves() {
    let sidecar = busy().await;
    let shown = |query: &'static str| {
        let sidecar = &sidecar;
        async move {
            let page = sidecar.get(&format!("{ACME}?{query}")).await.expect(200);
            let mut entry = page["entries"][0].clone();
            entry
                .as_object_mut()
                .expect("an entry")
                .retain(|name, _| !["position", "incarnation", "seq"].contains(&name.as_str()));
            entry
        }
    };
    let window = "2026-11-01T00:00:00Z";
    let common = |mut entry: Value| {
        for (name, value) in [
            ("at", "2026-11-22T12:00:00Z"),
            ("team", "acme"),
            ("member", "mia"),
            ("payer", "pool"),
            ("subscription", "sub_1"),
            ("window", window),
        ] {
            entry[name] = value.into();
        }
        entry
    };
    assert_eq!(
        shown("kind=settled").await,
        common(
            json!({ "kind": "settled", "id": "h1", "credits": "6.25", "spent": "6.25", "refunded": "0", "unheld": "4",
            "unheld_until": "2026-11-22T12:01:00Z", "returned": "0", "debt": "0", "late": false })
        )
    );
    assert_eq!(
        shown("kind=held&id=h3").await,
        common(json!({ "kind": "held", "id": "h3", "credits": "4", "spent": "0", "refunded": "0", "held": "4",
            "expires_at": "2026-11-22T12:01:00Z", "late": false }))
    );
    assert_eq!(
        shown("kind=refunded").await,
        common(json!({ "kind": "refunded", "id": "r1", "credits": "0.5", "spent": "0", "refunded": "0.5",
            "refers_to": "d1", "late": false }))
    );
    assert_eq!(
        shown("kind=member_put&member=mia").await,
        json!({ "kind": "member_put", "at": "2026-11-22T12:00:00Z", "team": "acme", "member": "mia", "late": false,
            "actor": "service:root",
            "detail": { "role": "member", "access": "credits", "limit": "50", "opted_out": false } })
    );
}

#[tokio::test]
async fn an_audit_recomputes_every_balance_from_the_ledger_alone() {
    let sidecar = busy().await;
    let entries = ndjson(&sidecar, OWNER, "/v1/subscriptions/sub_1/entries").await;
    let micros = |entry: &Value, name: &str| entry[name].as_str().map_or(0, |text| credits(text).micros());
    let sum = |of: &dyn Fn(&Value) -> bool, name: &str| -> i64 {
        entries.iter().filter(|entry| of(entry)).map(|entry| micros(entry, name)).sum()
    };
    let (all, mia) = (|_: &Value| true, |entry: &Value| entry["member"] == "mia");
    let used = |of: &dyn Fn(&Value) -> bool| sum(of, "spent") + sum(of, "above") - sum(of, "refunded");
    let held = |of: &dyn Fn(&Value) -> bool| sum(of, "held") - sum(of, "unheld");
    let granted = sum(&|entry| entry["kind"] == "granted", "credits");

    let service = sidecar.server.service();
    let pool = service.funds_balance(&SubscriptionId::new("sub_1").expect("an id")).await;
    let pool = pool.expect("balances").expect("is there");
    assert_eq!((used(&all), held(&all)), (pool.used.micros(), pool.held.micros()));
    assert_eq!(granted - used(&all) - held(&all), pool.remaining.micros());
    let (team, user) = (TeamId::new("acme").expect("an id"), UserId::new("mia").expect("an id"));
    let member = service.member_now(&team, &user).expect("mia is there");
    assert_eq!((used(&mia), held(&mia)), (member.used.micros(), member.held.micros()));
    assert_eq!((used(&mia), held(&mia)), (16_250_000, 4_000_000));
}

#[tokio::test]
async fn the_whole_range_streams_over_many_pages_in_both_orders() {
    let sidecar = Sidecar::with_team().await;
    for number in 0..1_203 {
        sidecar.draw(&format!("d{number}"), Some("acme"), "olga", "0.01", false).await;
    }
    let path = format!("{ACME}?kind=debited");
    let oldest = ndjson(&sidecar, Who::Admin, &path).await;
    let ids: Vec<_> = oldest.iter().map(|entry| entry["id"].as_str().expect("an id").to_owned()).collect();
    assert_eq!(ids, (0..1_203).map(|number| format!("d{number}")).collect::<Vec<_>>());
    let mut newest = ndjson(&sidecar, Who::Admin, &format!("{path}&order=desc")).await;
    newest.reverse();
    assert_eq!(newest, oldest);
    let rows = csv(&sidecar, &path).await;
    assert_eq!(rows.iter().map(|row| row["id"].clone()).collect::<Vec<_>>(), ids);

    let (mut paged, mut next) = (Vec::new(), String::new());
    loop {
        let page = sidecar.get(&format!("{path}&limit=500{next}")).await.expect(200);
        paged.extend(page["entries"].as_array().expect("entries").iter().cloned());
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        next = format!("&cursor={cursor}");
    }
    assert_eq!(paged, oldest);
    let first = sidecar.get(&format!("{path}&limit=500")).await.expect(200);
    let stale = format!("{ACME}?kind=held&cursor={}", first["next_cursor"].as_str().expect("a cursor"));
    assert_eq!(sidecar.get(&stale).await.problem().1, "invalid_value", "a cursor goes on with its own filters only");
}

#[tokio::test]
async fn a_limited_export_names_the_next_page() {
    let sidecar = busy().await;
    let path = format!("{ACME}?kind=held&limit=2");
    let answer = sidecar.send(Who::Admin, "GET", &path, None, "text/csv").await;
    assert_eq!(answer.body.lines().count(), 3, "{answer:?}");
    let cursor = answer.headers["purser-next-cursor"].to_str().expect("text");
    let rest = sidecar.send(Who::Admin, "GET", &format!("{path}&cursor={cursor}"), None, "application/x-ndjson").await;
    assert_eq!(rest.body.lines().count(), 1, "{rest:?}");
    assert!(!rest.headers.contains_key("purser-next-cursor"));
}

#[tokio::test]
async fn filters_choose_by_time_member_and_id() {
    let sidecar = Sidecar::with_team().await;
    sidecar.draw("d1", Some("acme"), "mia", "1", false).await;
    sidecar.clock.advance(std::time::Duration::from_secs(60));
    sidecar.draw("d2", Some("acme"), "olga", "1", false).await;
    for (query, ids) in [
        ("kind=debited", &["d1", "d2"][..]),
        ("kind=debited&order=desc", &["d2", "d1"]),
        ("kind=debited&from=2026-11-22T12:01:00Z", &["d2"]),
        ("kind=debited&from=2026-11-22T13:00:01%2B01:00", &["d2"]),
        ("kind=debited&to=2026-11-22T12:01:00Z", &["d1"]),
        ("kind=debited&member=mia", &["d1"]),
        ("id=d2", &["d2"]),
        ("id=d3", &[]),
    ] {
        let page = sidecar.get(&format!("{ACME}?{query}")).await.expect(200);
        let found: Vec<_> =
            page["entries"].as_array().expect("entries").iter().map(|e| e["id"].as_str().expect("an id")).collect();
        assert_eq!(found, ids, "{query}");
    }
}

#[tokio::test]
async fn own_credits_have_a_ledger_of_their_own() {
    let sidecar = Sidecar::start().await;
    let terms = json!({ "owner": "olga", "seats": 1, "credits_per_seat": 5 });
    sidecar.put("/v1/subscriptions/sub_1", terms).await.expect(201);
    sidecar.draw("d1", None, "olga", "1", false).await;
    let page = sidecar.ask(OWNER, "GET", "/v1/users/olga/entries", Value::Null).await.expect(200);
    let entry = &page["entries"][0];
    assert_eq!((&entry["id"], &entry["payer"], &entry["team"]), (&json!("d1"), &json!("wallet"), &Value::Null));
    let whole = sidecar.get("/v1/entries").await.expect(200);
    let kinds: Vec<_> =
        whole["entries"].as_array().expect("entries").iter().map(|entry| entry["kind"].clone()).collect();
    assert_eq!(kinds, ["subscription_put", "granted", "debited"]);
}

#[tokio::test]
async fn no_cell_of_a_csv_is_a_formula_and_every_text_can_be_had_back() {
    let sidecar = Sidecar::with_team().await;
    let mia = json!({ "access": "credits" });
    sidecar.put("/v1/teams/acme/members/@mia", mia).await.expect(201);
    let ids = ["=1+1", "+1", "-1", "@sum", "'quoted", "plain,\"quoted\""];
    for id in ids {
        sidecar.draw(id, Some("acme"), "@mia", "0.1", false).await;
    }
    let rows = csv(&sidecar, &format!("{ACME}?kind=debited")).await;
    for (row, id) in rows.iter().zip(ids) {
        assert!(row.values().all(|cell| !cell.starts_with(['=', '+', '-', '@'])), "{row:?}");
        let exact = |cell: &str| cell.strip_prefix('\'').unwrap_or(cell).to_owned();
        assert_eq!((exact(&row["id"]).as_str(), exact(&row["member"]).as_str()), (id, "@mia"));
    }
    assert_eq!(rows.len(), ids.len());
}
