//! Many operations in one request.

use purser::config::Durability;
use serde_json::json;

use crate::support::Sidecar;

#[tokio::test]
async fn rows_are_decided_in_their_order_and_a_bad_one_costs_the_others_nothing() {
    let sidecar = Sidecar::open().await;
    let rows = [
        r#"{"op":"hold","id":"h","team":"acme","member":"ana","credits":5}"#,
        r#"{"id":"h","team":"acme","credits":"1.5","op":"settle"}"#,
        r#"{"op":"debit","id":"d","team":"acme","member":"ana","credits":-1}"#,
        r#"{"op":"debit","id":"d","team":"acme","member":"ana","credits":1}"#,
        r#"{"op":"debit","id":"e","team":"acme","member":"ana","credits":8}"#,
        r#"{"op":"refund","debit":"d","team":"acme"}"#,
        r#"{"op":"check","team":"acme","member":"ana","credits":8}"#,
        r#"{"op":"hold","id":"g","team":"acme","member":"ana","credits":5}"#,
        r#"{"op":"extend","id":"g","team":"acme","ttl_ms":5000}"#,
        r#"{"op":"release","id":"g","team":"acme"}"#,
        r#"{"op":"release","id":"none","team":"acme"}"#,
        r#"{"op":"spend"}"#,
        r#"{"id":"x"}"#,
        r#"7"#,
        r#"{"op":"debit","team":"acme","member":"ana","credits":1}"#,
    ];
    let answer = sidecar.post("/v1/batch", &format!(r#"{{"ops":[{}]}}"#, rows.join(","))).await.ok();
    let results = answer["results"].as_array().expect("rows");
    assert_eq!(results.len(), rows.len());
    for (row, field, value) in [
        (0, "decision", json!("allow")),
        (1, "charged", json!("1.5")),
        (2, "pointer", json!("/ops/2/credits")),
        (3, "decision", json!("allow")),
        (4, "decision", json!("deny")),
        (5, "refunded", json!("1")),
        (6, "credits", json!("8")),
        (7, "decision", json!("allow")),
        (8, "held", json!("5")),
        (9, "returned", json!("5")),
        (10, "code", json!("not_found")),
        (10, "pointer", json!("/ops/10")),
        (11, "pointer", json!("/ops/11/op")),
        (12, "code", json!("missing_field")),
        (13, "pointer", json!("/ops/13")),
        (14, "pointer", json!("/ops/14/id")),
    ] {
        assert_eq!(results[row][field], value, "{row}: {}", results[row]);
        assert_eq!(results[row].get("code").is_some(), [2, 10, 11, 12, 13, 14].contains(&row), "{row}");
    }
}

#[tokio::test]
async fn a_batch_has_at_most_a_thousand_rows_and_waits_once_for_the_store() {
    let sidecar = Sidecar::start(|config| config.journal.durability = Durability::Store).await;
    let body = |rows: usize| {
        let row = |n| format!(r#"{{"op":"debit","id":"{n}","team":"acme","member":"ben","credits":"0.01"}}"#);
        format!(r#"{{"ops":[{}]}}"#, (0..rows).map(row).collect::<Vec<_>>().join(","))
    };
    let problem = sidecar.post("/v1/batch", &body(1001)).await.problem();
    assert_eq!(problem, (422, "invalid_value".to_owned(), "/ops".to_owned()));
    let answer = sidecar.post("/v1/batch", &body(1000)).await.ok();
    let results = answer["results"].as_array().expect("rows");
    assert!(results.len() == 1000 && results.iter().all(|row| row["decision"] == "allow"));
    assert_eq!(results[999]["remaining"]["payer"], "90");
}

#[tokio::test]
async fn a_row_sees_what_those_before_it_changed_however_many_they_are() {
    let sidecar = Sidecar::open().await;
    let hold = |n| format!(r#"{{"op":"hold","id":"{n}","team":"acme","member":"ben","credits":"0.02"}}"#);
    let settle = |n| format!(r#"{{"op":"settle","id":"{n}","team":"acme","credits":"0.01"}}"#);
    let mut rows: Vec<_> = (0..40).flat_map(|n| [hold(n), settle(n)]).collect();
    rows[70] = r#"{"op":"spend"}"#.to_owned();
    let answer = sidecar.post("/v1/batch", &format!(r#"{{"ops":[{}]}}"#, rows.join(","))).await.ok();
    let results = answer["results"].as_array().expect("rows");
    let pointers: Vec<_> = results.iter().filter_map(|row| row["pointer"].as_str()).collect();
    assert_eq!((results.len(), pointers), (80, vec!["/ops/70/op", "/ops/71"]), "what 71 settles was not held");
    assert!(results.iter().skip(1).step_by(2).enumerate().all(|(n, row)| n == 35 || row["charged"] == "0.01"));
    assert_eq!(results[79]["remaining"]["payer"], "99.61", "39 were settled");
}

/// With an escape a row is for the reader of all JSON.
#[tokio::test]
async fn plain_rows_are_answered_as_all_others_are() {
    let rows = [
        r#"{"op":"hold","id":"h","team":"acme","member":"ana","credits":"5","ttl_ms":60000}"#,
        r#"{"op":"hold","id":"h","team":"acme","member":"ana","credits":"5","ttl_ms":60000}"#,
        r#"{"op":"hold","id":"h","team":"acme","member":"ana","credits":"4"}"#,
        r#"{"op":"debit","id":"d~!","team":"acme","member":"ana","credits":1.25,"model":"gpt-4o"}"#,
        r#"{"op":"debit","id":"e","team":"acme","member":"ana","credits":99}"#,
        r#"{"op":"debit","id":"f","team":"acme","member":"nobody","credits":1}"#,
        r#"{"op":"debit","id":"f","team":"acme","member":"ana","credits":"-1"}"#,
        r#"{"op":"debit","team":"acme","member":"ana","credits":"1"}"#,
        r#"{"op":"debit","id":"g","team":"acme","member":"ana"}"#,
        r#"{"op":"hold","id":"m","team":"acme","member":"ana","credits":"1","min_credits":"2"}"#,
        r#"{"op":"hold","id":"m","team":"acme","member":"ana","credits":"100","min_credits":"0.5"}"#,
        r#"{"op":"check","team":"acme","member":"ana","credits":"1"}"#,
    ];
    let mut answers = Vec::new();
    for op in [r#"{"op""#, r#"{"\u006fp""#] {
        let sidecar = Sidecar::open().await;
        let rows = rows.map(|row| row.replacen(r#"{"op""#, op, 1)).join(",");
        let answer = sidecar.post("/v1/batch", &format!(r#"{{"ops":[{rows}]}}"#)).await;
        assert_eq!(answer.status, 200);
        answers.push(answer.body);
    }
    assert_eq!(answers[0], answers[1]);
}
