//! Bulk changes: all or none, or row by row.

use serde_json::{Value, json};

use super::support::{Sidecar, Who};

const BULK: &str = "/v1/teams/acme/members/bulk";

async fn bulk(sidecar: &Sidecar, body: Value) -> super::support::Answer {
    sidecar.ask(Who::Admin, "POST", BULK, body).await
}

async fn accesses(sidecar: &Sidecar) -> Vec<(String, String)> {
    let page = sidecar.get("/v1/teams/acme/members").await.expect(200);
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let members = page["members"].as_array().expect("an array");
    members.iter().map(|member| (text(&member["member"]), text(&member["access"]))).collect()
}

fn statuses(answer: &Value) -> Vec<(&str, u64)> {
    let results = answer["results"].as_array().expect("an array");
    let row = |row: &'_ Value| row["status"].as_u64().expect("a status");
    results.iter().map(|r| (r["member"].as_str().expect("a member"), row(r))).collect()
}

/// Three seats, one taken by olga: of adam, bea and mia one is too many.
async fn crowded() -> Sidecar {
    let sidecar = Sidecar::with_team().await;
    sidecar.put("/v1/teams/acme/members/bea", json!({})).await.expect(201);
    sidecar
}

#[tokio::test]
async fn atomic_changes_all_or_none() {
    let sidecar = crowded().await;
    let before = accesses(&sidecar).await;
    let answer = bulk(&sidecar, json!({ "members": ["adam", "bea", "mia"], "set": { "access": "seat" } })).await;
    assert_eq!(answer.problem(), (409, "no_free_seat".to_owned(), Some("/members/2".to_owned())));
    assert_eq!(statuses(&answer.json()), [("adam", 424), ("bea", 424), ("mia", 409)]);
    assert_eq!(answer.json()["results"][2]["problem"]["code"], "no_free_seat");
    assert_eq!(accesses(&sidecar).await, before, "nothing has changed");

    let answer = bulk(&sidecar, json!({ "members": ["adam", "zoe"], "set": { "limit": "1" } })).await;
    assert_eq!(answer.problem(), (422, "invalid_value".to_owned(), Some("/members/1".to_owned())));
    assert_eq!(statuses(&answer.json()), [("adam", 424), ("zoe", 404)]);

    let answer =
        bulk(&sidecar, json!({ "members": ["adam", "mia"], "set": { "access": "seat", "limit": "7.5" } })).await;
    let answer = answer.expect(200);
    assert_eq!(
        answer["results"],
        json!([
            { "member": "adam", "status": 200, "access": "seat", "limit": "7.5" },
            { "member": "mia", "status": 200, "access": "seat", "limit": "7.5" },
        ])
    );
}

#[tokio::test]
async fn not_atomic_changes_row_by_row() {
    let sidecar = crowded().await;
    let members = json!({ "members": ["mia", "zoe", "adam", "bea"], "set": { "access": "seat" }, "atomic": false });
    let answer = bulk(&sidecar, members).await.expect(200);
    assert_eq!(statuses(&answer), [("mia", 200), ("zoe", 404), ("adam", 200), ("bea", 409)]);
    assert_eq!(answer["results"][3]["problem"]["code"], "no_free_seat");
    let pairs = [("adam", "seat"), ("bea", "personal"), ("mia", "seat"), ("olga", "seat")];
    assert_eq!(accesses(&sidecar).await, pairs.map(|(member, access)| (member.to_owned(), access.to_owned())));
}

#[tokio::test]
async fn all_is_everybody_by_id_and_null_takes_the_limit_away() {
    let sidecar = crowded().await;
    let answer = bulk(&sidecar, json!({ "members": "all", "set": { "limit": 3 } })).await.expect(200);
    assert_eq!(statuses(&answer), [("adam", 200), ("bea", 200), ("mia", 200), ("olga", 200)]);
    let answer = bulk(&sidecar, json!({ "members": "all", "set": { "limit": null } })).await.expect(200);
    assert!(answer["results"].as_array().expect("rows").iter().all(|row| row["limit"].is_null()), "{answer}");
    let entries = sidecar.get("/v1/teams/acme/entries?kind=member_put&order=desc&limit=4").await.expect(200);
    assert_eq!(entries["entries"][0]["detail"]["limit"], Value::Null);
    assert_eq!(entries["entries"][0]["actor"], "service:root");
}
