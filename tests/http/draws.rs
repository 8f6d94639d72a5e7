//! What an allowed debit, hold or check answers.

use std::time::Duration;

use serde_json::json;

use crate::support::Sidecar;

#[tokio::test]
async fn a_debit_is_charged_and_answers_what_is_left() {
    let sidecar = Sidecar::open().await;
    let body = r#"{"id":"req-81","team":"acme","member":"ana","credits":"1.25","model":"gpt-4o"}"#;
    let expected = json!({
        "decision": "allow", "id": "req-81", "credits": "1.25", "payer": "pool", "subscription": "sub_1",
        "remaining": {"member": "8.75", "payer": "98.75"}
    });
    assert_eq!(sidecar.post("/v1/debits", body).await.ok(), expected);
    let alone = r#"{"id":"req-82","member":"dan","credits":0.000001}"#;
    let expected = json!({
        "decision": "allow", "id": "req-82", "credits": "0.000001", "payer": "wallet", "subscription": "sub_2",
        "remaining": {"member": null, "payer": "49.999999"}
    });
    assert_eq!(sidecar.post("/v1/debits", alone).await.ok(), expected);
}

#[tokio::test]
async fn the_same_id_gets_the_first_answer_again() {
    let sidecar = Sidecar::open().await;
    let body = r#"{"id":"a","team":"acme","member":"ben","credits":1}"#;
    let first = sidecar.post("/v1/debits", body).await.ok();
    assert_eq!(first.get("replayed"), None);
    sidecar.post("/v1/debits", r#"{"id":"b","team":"acme","member":"ben","credits":1}"#).await.ok();
    let key = "idempotency-key: a";
    let again = sidecar.ask("POST /v1/debits", &[key], r#"{"team":"acme","member":"ben","credits":"1.0"}"#).await.ok();
    assert_eq!(again["replayed"], true);
    assert_eq!((&again["credits"], &again["remaining"]["payer"]), (&json!("1"), &json!("98")));
    for other in [
        r#"{"id":"a","team":"acme","member":"ben","credits":2}"#,
        r#"{"id":"a","team":"acme","member":"ana","credits":1}"#,
        r#"{"id":"a","team":"acme","member":"ben","credits":1,"model":"m"}"#,
    ] {
        let reused = sidecar.post("/v1/debits", other).await.problem();
        assert_eq!(reused, (422, "id_reused".to_owned(), "/id".to_owned()), "{other}");
    }
    let hold = sidecar.post("/v1/holds", body).await.problem();
    assert_eq!(hold.1, "id_reused");
    let alone = sidecar.post("/v1/debits", r#"{"id":"a","member":"dan","credits":1}"#).await.ok();
    assert_eq!(alone.get("replayed"), None, "ids of a team and of a user are apart");
}

#[tokio::test]
async fn a_hold_is_open_for_its_time_and_takes_what_is_left_if_it_may() {
    let sidecar = Sidecar::open().await;
    let body = r#"{"id":"h","team":"acme","member":"ana","credits":20,"min_credits":"0.5","ttl_ms":30000}"#;
    let expected = json!({
        "decision": "allow", "id": "h", "credits": "10", "payer": "pool", "subscription": "sub_1",
        "expires_at": "2026-11-22T12:00:30Z", "remaining": {"member": "0", "payer": "90"}
    });
    assert_eq!(sidecar.post("/v1/holds", body).await.ok(), expected);
    sidecar.clock.advance(Duration::from_secs(30));
    let default = r#"{"id":"h2","team":"acme","member":"ana","credits":10}"#;
    assert_eq!(sidecar.post("/v1/holds", default).await.ok()["expires_at"], "2026-11-22T12:01:30Z");
}

#[tokio::test]
async fn a_check_changes_nothing_and_needs_no_id() {
    let sidecar = Sidecar::open().await;
    let expected = json!({
        "decision": "allow", "credits": "5", "payer": "pool", "subscription": "sub_1",
        "remaining": {"member": "10", "payer": "100"}
    });
    for _ in 0..2 {
        let answer = sidecar.post("/v1/checks", r#"{"team":"acme","member":"ana","credits":5}"#).await;
        assert_eq!(answer.ok(), expected);
    }
    let body = r#"{"id":"x","team":"acme","member":"ana","credits":20,"min_credits":1,"ttl_ms":1000}"#;
    let hold = sidecar.post("/v1/checks", body).await.ok();
    assert_eq!((&hold["id"], &hold["credits"]), (&json!("x"), &json!("10")));
    assert_eq!(hold["expires_at"], "2026-11-22T12:00:01Z");
    let denied = sidecar.post("/v1/checks", r#"{"id":"x","team":"acme","member":"ana","credits":11}"#).await.ok();
    assert_eq!((&denied["decision"], &denied["id"]), (&json!("deny"), &json!("x")));
}
