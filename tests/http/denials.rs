//! One denial of each row of the table of reasons, with its numbers and its way out.

use purser::domain::{Model, TeamId};
use purser::root::Command;
use serde_json::{Value, json};

use crate::support::Sidecar;

/// Who is denied asking what, why, with which status, and what there is to do.
type Row = (&'static str, &'static str, &'static str, u16, &'static str);

async fn denial(sidecar: &Sidecar, body: &str) -> Value {
    let answer = sidecar.post("/v1/debits", body).await.ok();
    assert_eq!(answer["decision"], "deny", "{body}: {answer}");
    answer["denial"].clone()
}

#[tokio::test]
async fn each_denial_has_its_reason_status_and_next_step() {
    let sidecar = Sidecar::open().await;
    let team = TeamId::new("acme").expect("a team");
    let models = [Model::new("gpt-4o").expect("a model")].into();
    sidecar.control(Command::PutWhitelist { team, enabled: true, models }).await;
    sidecar.post("/v1/holds", r#"{"id":"h","team":"acme","member":"ben","credits":60}"#).await.ok();
    let rows: [Row; 13] = [
        (r#""team":"nobody","member":"ana","credits":1"#, "", "not_a_member", 403, "ask_admin"),
        (r#""team":"acme","member":"dan","credits":1"#, "", "not_a_member", 403, "ask_admin"),
        (
            r#""team":"acme","member":"ana","credits":99,"model":"x""#,
            "",
            "model_not_allowed",
            403,
            "choose_another_model",
        ),
        (r#""team":"acme","member":"ana","credits":1"#, "", "model_not_allowed", 403, "choose_another_model"),
        (
            r#""team":"acme","member":"ana","credits":11,"model":"gpt-4o""#,
            "10",
            "member_limit",
            403,
            "switch_to_personal",
        ),
        (r#""team":"acme","member":"adam","credits":11,"model":"gpt-4o""#, "10", "member_limit", 403, "raise_limit"),
        (r#""team":"acme","member":"ben","credits":101"#, "100", "pool_exhausted", 402, "switch_to_personal"),
        (
            r#""team":"acme","member":"olga","credits":101,"model":"gpt-4o""#,
            "100",
            "pool_exhausted",
            402,
            "buy_credits",
        ),
        (r#""team":"acme","member":"ben","credits":50"#, "100", "held", 429, "retry"),
        (r#""team":"acme","member":"cat","credits":1"#, "", "wallet_exhausted", 402, "buy_credits"),
        (r#""team":"acme","member":"otto","credits":1"#, "", "wallet_exhausted", 402, "opt_back_in"),
        (r#""member":"dan","credits":51"#, "50", "wallet_exhausted", 402, "buy_credits"),
        (r#""member":"olga","credits":1"#, "", "wallet_exhausted", 402, "buy_credits"),
    ];
    for (asks, limit, reason, status, next_step) in rows {
        let denial = denial(&sidecar, &format!(r#"{{"id":"d",{asks}}}"#)).await;
        let found = (&denial["reason"], &denial["status"], &denial["next_step"]);
        assert_eq!(found, (&json!(reason), &json!(status), &json!(next_step)), "{asks}");
        assert_eq!(denial["type"], format!("urn:purser:denial:{reason}"));
        assert_eq!(denial["limit"].as_str().unwrap_or_default(), limit, "{asks}: {denial}");
        assert_eq!(denial["retryable"], reason == "held");
        assert_eq!(denial.get("retry_after_ms").is_some(), reason == "held");
        assert!(denial["detail"].as_str().is_some_and(|detail| detail.len() > 20), "{denial}");
    }
}

#[tokio::test]
async fn a_denial_carries_the_numbers_that_caused_it() {
    let sidecar = Sidecar::open().await;
    sidecar.post("/v1/debits", r#"{"id":"a","team":"acme","member":"ana","credits":9}"#).await.ok();
    sidecar.post("/v1/holds", r#"{"id":"h","team":"acme","member":"ana","credits":"0.5"}"#).await.ok();
    let body = r#"{"id":"req-81","team":"acme","member":"ana","credits":"1.25"}"#;
    let expected = json!({"decision": "deny", "id": "req-81", "denial": {
        "type": "urn:purser:denial:member_limit", "title": "Member limit reached", "status": 403,
        "reason": "member_limit", "payer": "pool",
        "detail": "ana has used 9 and holds 0.5 of 10 credits of this window in team acme; 1.25 asked.",
        "team": "acme", "member": "ana", "limit": "10", "used": "9", "held": "0.5", "remaining": "0.5",
        "asked": "1.25", "resets_at": "2026-12-01T00:00:00Z", "retryable": false, "next_step": "switch_to_personal"
    }});
    assert_eq!(sidecar.post("/v1/debits", body).await.ok(), expected);
}

#[tokio::test]
async fn debt_denies_until_a_grant_covers_it() {
    let sidecar = Sidecar::open().await;
    sidecar.post("/v1/holds", r#"{"id":"h","team":"acme","member":"ben","credits":10}"#).await.ok();
    let settled = sidecar.post("/v1/holds/h/settle", r#"{"team":"acme","credits":130}"#).await.ok();
    let expected = json!({
        "charged": "130", "returned": "0", "debt": "30", "late": false, "remaining": {"member": null, "payer": "0"}
    });
    assert_eq!(settled, expected);
    let body = r#"{"id":"d","team":"acme","member":"ben","credits":1}"#;
    let denial = denial(&sidecar, body).await;
    let found = (&denial["reason"], &denial["status"], &denial["debt"], &denial["next_step"]);
    assert_eq!(found, (&json!("in_debt"), &json!(402), &json!("30"), &json!("buy_credits")));
    sidecar.purchase("p1", "31").await;
    assert_eq!(sidecar.post("/v1/debits", body).await.ok()["decision"], "allow");
}

#[tokio::test]
async fn a_sidecar_that_stops_denies_as_unavailable() {
    let sidecar = Sidecar::open().await;
    sidecar.server.service().stop();
    let denial = denial(&sidecar, r#"{"id":"d","team":"acme","member":"ben","credits":1}"#).await;
    let found = (&denial["reason"], &denial["status"], &denial["retryable"], &denial["next_step"]);
    assert_eq!(found, (&json!("unavailable"), &json!(503), &json!(true), &json!("retry")));
    assert!(denial["retry_after_ms"].as_u64().is_some_and(|millis| millis > 0));
}
