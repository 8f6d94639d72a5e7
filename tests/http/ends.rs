//! Settle, release, extend and refund.

use std::time::Duration;

use serde_json::json;

use crate::support::Sidecar;

async fn hold(sidecar: &Sidecar, id: &str, credits: &str) {
    let body = format!(r#"{{"id":"{id}","team":"acme","member":"ana","credits":"{credits}","ttl_ms":10000}}"#);
    assert_eq!(sidecar.post("/v1/holds", &body).await.ok()["decision"], "allow");
}

#[tokio::test]
async fn settling_charges_the_real_cost_and_replays() {
    let sidecar = Sidecar::open().await;
    hold(&sidecar, "req/1", "5").await;
    let body = r#"{"team":"acme","credits":"1.5"}"#;
    let mut expected = json!({
        "charged": "1.5", "returned": "3.5", "debt": "0", "late": false,
        "remaining": {"member": "8.5", "payer": "98.5"}
    });
    assert_eq!(sidecar.post("/v1/holds/req%2F1/settle", body).await.ok(), expected);
    expected["replayed"] = true.into();
    assert_eq!(sidecar.post("/v1/holds/req%2F1/settle", body).await.ok(), expected);
    let other = sidecar.post("/v1/holds/req%2F1/settle", r#"{"team":"acme","credits":2}"#).await.problem();
    assert_eq!((other.0, other.1.as_str()), (409, "hold_ended"));
    let released = sidecar.post("/v1/holds/req%2F1/release", r#"{"team":"acme"}"#).await.problem();
    assert_eq!((released.0, released.1.as_str()), (409, "hold_ended"));
}

#[tokio::test]
async fn settling_after_the_expiry_is_late_and_charged() {
    let sidecar = Sidecar::open().await;
    hold(&sidecar, "h", "5").await;
    sidecar.clock.advance(Duration::from_secs(10));
    let settled = sidecar.post("/v1/holds/h/settle", r#"{"team":"acme","credits":2}"#).await.ok();
    assert_eq!((&settled["late"], &settled["charged"], &settled["returned"]), (&json!(true), &json!("2"), &json!("0")));
}

#[tokio::test]
async fn releasing_returns_all_and_replays() {
    let sidecar = Sidecar::open().await;
    hold(&sidecar, "h", "5").await;
    let expected = json!({"returned": "5", "remaining": {"member": "10", "payer": "100"}});
    assert_eq!(sidecar.post("/v1/holds/h/release", r#"{"team":"acme"}"#).await.ok(), expected);
    assert_eq!(sidecar.post("/v1/holds/h/release", r#"{"team":"acme"}"#).await.ok()["replayed"], true);
}

#[tokio::test]
async fn extending_counts_from_now() {
    let sidecar = Sidecar::open().await;
    hold(&sidecar, "h", "5").await;
    sidecar.clock.advance(Duration::from_secs(5));
    let extended = sidecar.post("/v1/holds/h/extend", r#"{"team":"acme","ttl_ms":60000}"#).await.ok();
    let expected = json!({
        "held": "5", "expires_at": "2026-11-22T12:01:05Z", "remaining": {"member": "5", "payer": "95"}
    });
    assert_eq!(extended, expected);
    sidecar.clock.advance(Duration::from_secs(60));
    let late = sidecar.post("/v1/holds/h/extend", r#"{"team":"acme","ttl_ms":60000}"#).await.problem();
    assert_eq!((late.0, late.1.as_str()), (409, "hold_ended"));
}

#[tokio::test]
async fn a_debit_is_refunded_in_parts_and_whole() {
    let sidecar = Sidecar::open().await;
    sidecar.post("/v1/debits", r#"{"id":"d","team":"acme","member":"ana","credits":5}"#).await.ok();
    let part = r#"{"id":"r1","team":"acme","credits":"1.5"}"#;
    let expected = json!({"refunded": "1.5", "remaining": {"member": "6.5", "payer": "96.5"}});
    assert_eq!(sidecar.post("/v1/debits/d/refund", part).await.ok(), expected);
    assert_eq!(sidecar.post("/v1/debits/d/refund", part).await.ok()["replayed"], true);
    let unnamed = sidecar.post("/v1/debits/d/refund", r#"{"team":"acme","credits":1}"#).await.problem();
    assert_eq!(unnamed, (422, "missing_field".to_owned(), "/id".to_owned()));
    let above = sidecar.post("/v1/debits/d/refund", r#"{"id":"r2","team":"acme","credits":4}"#).await.problem();
    assert_eq!(above, (422, "invalid_value".to_owned(), "/credits".to_owned()));
    let rest = sidecar.post("/v1/debits/d/refund", r#"{"team":"acme"}"#).await.ok();
    assert_eq!((&rest["refunded"], &rest["remaining"]["payer"]), (&json!("3.5"), &json!("100")));
    let again = sidecar.post("/v1/debits/d/refund", r#"{"team":"acme"}"#).await.ok();
    assert_eq!((&again["refunded"], &again["replayed"]), (&json!("3.5"), &json!(true)));
}

#[tokio::test]
async fn an_end_names_the_scope_of_its_operation() {
    let sidecar = Sidecar::open().await;
    hold(&sidecar, "h", "5").await;
    sidecar.post("/v1/holds", r#"{"id":"h","member":"dan","credits":1}"#).await.ok();
    for (body, status, code) in [
        (r#"{}"#, 422, "missing_field"),
        (r#"{"team":"nobody"}"#, 404, "not_found"),
        (r#"{"member":"cat"}"#, 404, "not_found"),
        (r#"{"team":"acme","member":"ben"}"#, 404, "not_found"),
    ] {
        let problem = sidecar.post("/v1/holds/h/release", body).await.problem();
        assert_eq!((problem.0, problem.1.as_str()), (status, code), "{body}");
    }
    assert_eq!(sidecar.post("/v1/holds/h/release", r#"{"team":"acme","member":"ana"}"#).await.ok()["returned"], "5");
    assert_eq!(sidecar.post("/v1/holds/h/release", r#"{"member":"dan"}"#).await.ok()["returned"], "1");
    let unknown = sidecar.post("/v1/holds/none/release", r#"{"team":"acme"}"#).await.problem();
    assert_eq!((unknown.0, unknown.1.as_str()), (404, "not_found"));
}
