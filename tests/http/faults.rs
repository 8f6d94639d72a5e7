//! What a request may not be, each with its code and the field at fault.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{ADMIN, GATEWAY, Sidecar, request};

#[tokio::test]
async fn each_fault_of_a_draw_has_its_code_and_pointer() {
    let sidecar = Sidecar::open().await;
    let deep = format!(r#"{{"id":{}{}}}"#, "[".repeat(1000), "]".repeat(1000));
    let with = |fields: &str| format!(r#"{{"id":"a","team":"acme","member":"ana",{fields}}}"#);
    for (path, body, status, code, pointer) in [
        ("debits", "{".to_owned(), 400, "not_json", ""),
        ("debits", with(r#""credits":NaN"#), 400, "not_json", ""),
        ("debits", with(r#""credits":Infinity"#), 400, "not_json", ""),
        ("debits", deep, 400, "not_json", ""),
        ("debits", "[1]".to_owned(), 422, "invalid_value", ""),
        ("debits", with(r#""credits":1e3"#), 422, "invalid_value", "/credits"),
        ("debits", with(r#""credits":"1e3""#), 422, "invalid_value", "/credits"),
        ("debits", with(r#""credits":"NaN""#), 422, "invalid_value", "/credits"),
        ("debits", with(r#""credits":9223372036854775808"#), 422, "invalid_value", "/credits"),
        ("debits", with(r#""credits":9000000000.000001"#), 422, "invalid_value", "/credits"),
        ("debits", with(r#""credits":-1"#), 422, "invalid_value", "/credits"),
        ("debits", with(r#""credits":"0.1234567""#), 422, "invalid_value", "/credits"),
        ("debits", with(r#""credits":null"#), 422, "missing_field", "/credits"),
        ("debits", with(r#""credits":true"#), 422, "invalid_value", "/credits"),
        ("debits", with(r#""credits":1,"credits":1"#), 422, "duplicate_field", "/credits"),
        ("debits", with(r#""credits":1,"credit/s":1"#), 422, "unknown_field", "/credit~1s"),
        ("debits", with(r#""credits":1,"ttl_ms":999"#), 422, "invalid_value", "/ttl_ms"),
        ("debits", with(r#""credits":1,"min_credits":2"#), 422, "invalid_value", "/min_credits"),
        ("debits", with(r#""credits":1,"model":"""#), 422, "invalid_value", "/model"),
        ("debits", with(r#""model":"m""#), 422, "missing_field", "/credits"),
        ("debits", r#"{"member":"ana","credits":1}"#.to_owned(), 422, "missing_field", "/id"),
        ("debits", r#"{"id":"a","credits":1}"#.to_owned(), 422, "missing_field", "/member"),
        ("debits", r#"{"id":"a\r\nb","member":"ana","credits":1}"#.to_owned(), 422, "invalid_value", "/id"),
        ("debits", r#"{"id":"a","member":"a\r\nb","credits":1}"#.to_owned(), 422, "invalid_value", "/member"),
        ("debits", r#"{"id":"a","team":"a/b","member":"a","credits":1}"#.to_owned(), 422, "invalid_value", "/team"),
        ("holds", with(r#""credits":1,"ttl_ms":999"#), 422, "invalid_value", "/ttl_ms"),
        ("holds", with(r#""credits":1,"ttl_ms":86400001"#), 422, "invalid_value", "/ttl_ms"),
        ("holds", with(r#""credits":1,"ttl_ms":"1000""#), 422, "invalid_value", "/ttl_ms"),
        ("holds", with(r#""credits":1,"min_credits":2"#), 422, "invalid_value", "/min_credits"),
        ("holds", r#"{"team":"acme","member":"ana","credits":1}"#.to_owned(), 422, "missing_field", "/id"),
        ("checks", with(r#""credits":"-0""#), 422, "invalid_value", "/credits"),
        ("debits/a/refund", r#"{"team":"acme","usage":{}}"#.to_owned(), 422, "unknown_field", "/usage"),
        ("holds/a/extend", r#"{"team":"acme"}"#.to_owned(), 422, "missing_field", "/ttl_ms"),
        ("batch", r#"{"ops":{}}"#.to_owned(), 422, "invalid_value", "/ops"),
        ("batch", r#"{}"#.to_owned(), 422, "missing_field", "/ops"),
    ] {
        let problem = sidecar.post(&format!("/v1/{path}"), &body).await.problem();
        assert_eq!(problem, (status, code.to_owned(), pointer.to_owned()), "{path} {body:.80}");
    }
}

#[tokio::test]
async fn usage_has_no_price_without_a_rate_card() {
    let sidecar = Sidecar::open().await;
    let usage = r#""usage":{"input_tokens":812,"cached_input_tokens":0,"output_tokens":400}"#;
    for (path, fields, code, pointer) in [
        ("debits", format!(r#""id":"a","member":"ana","model":"gpt-4o",{usage}"#), "no_rate", "/usage"),
        ("holds", format!(r#""id":"a","member":"ana","model":"gpt-4o",{usage}"#), "no_rate", "/usage"),
        ("debits", format!(r#""id":"a","member":"ana","credits":1,{usage}"#), "invalid_value", "/usage"),
        ("debits", r#""id":"a","member":"ana","usage":[1,2,3]"#.to_owned(), "invalid_value", "/usage"),
        ("checks", r#""member":"ana","usage":{}"#.to_owned(), "no_rate", "/usage"),
    ] {
        let problem = sidecar.post(&format!("/v1/{path}"), &format!(r#"{{"team":"acme",{fields}}}"#)).await.problem();
        assert_eq!(problem, (422, code.to_owned(), pointer.to_owned()), "{path} {fields}");
    }
}

#[tokio::test]
async fn bodies_have_a_type_and_a_size() {
    let sidecar = Sidecar::open().await;
    let fine = r#"{"team":"acme","member":"ana","credits":1}"#;
    let plain = request("POST /v1/checks", &[], fine).replace("application/json", "text/plain");
    assert_eq!(sidecar.send(&plain).await.problem().1, "not_json_media_type");
    let empty = sidecar.ask("POST /v1/checks", &["content-type: application/json", "content-length: 0"], "").await;
    assert_eq!(empty.problem(), (400, "empty_body".to_owned(), String::new()));
    let large = " ".repeat(10 * 1024 * 1024);
    for path in ["/v1/debits", "/v1/batch"] {
        let problem = sidecar.post(path, &large).await.problem();
        assert_eq!((problem.0, problem.1.as_str()), (413, "too_large"), "{path}");
    }
    let half_a_mebibyte = format!(r#"{{"ops":[]{}}}"#, &large[..512 * 1024]);
    assert_eq!(sidecar.post("/v1/batch", &half_a_mebibyte).await.ok()["results"].as_array().map(Vec::len), Some(0));
}

#[tokio::test]
async fn a_body_that_breaks_off_changes_nothing() {
    let sidecar = Sidecar::open().await;
    let whole = request("POST /v1/debits", &[], r#"{"id":"a","team":"acme","member":"ana","credits":1}"#);
    let mut stream = TcpStream::connect(sidecar.server.addresses()[0].to_string()).await.expect("connects");
    stream.write_all(&whole.as_bytes()[..whole.len() - 1]).await.expect("sends");
    stream.shutdown().await.expect("closes");
    let mut answer = String::new();
    // The sidecar may answer or just close; either way nothing was charged.
    let _ = stream.read_to_string(&mut answer).await;
    assert!(answer.is_empty() || answer.contains("incomplete_body"), "{answer}");
    assert_eq!(sidecar.get("/v1/teams/acme/pool").await.ok()["used"], "0");
}

#[tokio::test]
async fn routes_and_methods_that_are_not_there_are_problems() {
    let sidecar = Sidecar::open().await;
    assert_eq!(sidecar.get("/v1/nothing").await.problem().1, "not_found");
    assert_eq!(sidecar.get("/v1/debits").await.problem().1, "method_not_allowed");
    assert_eq!(sidecar.post("/v1/holds/a%0D%0Ab/release", r#"{"team":"acme"}"#).await.problem().1, "invalid_value");
    assert_eq!(sidecar.post("/v1/holds/a%20b/release", r#"{"team":"acme"}"#).await.problem().1, "invalid_value");
}

#[tokio::test]
async fn callers_say_who_they_are_and_users_draw_for_themselves() {
    let sidecar = Sidecar::closed().await;
    let body = r#"{"id":"a","team":"acme","member":"ana","credits":1}"#;
    let actor = |name: &'static str| format!("purser-actor: {name}");
    for (headers, status, code) in [
        (vec![], 401, "unauthorized"),
        (vec!["authorization: Bearer other".to_owned()], 401, "unauthorized"),
        (vec!["authorization: Basic dGhlLWFkbWluOg==".to_owned()], 401, "unauthorized"),
        (vec![GATEWAY.to_owned(), actor("ana")], 403, "forbidden"),
        (vec![ADMIN.to_owned(), actor("a/b")], 422, "invalid_value"),
        (vec![ADMIN.to_owned(), actor("olga")], 403, "forbidden"),
    ] {
        let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
        let problem = sidecar.ask("POST /v1/debits", &headers, body).await.problem();
        assert_eq!((problem.0, problem.1.as_str()), (status, code), "{headers:?}");
    }
    sidecar.ask("POST /v1/debits", &[GATEWAY], body).await.ok();
    let refund = r#"{"team":"acme"}"#;
    for user in ["purser-actor: ben", "purser-actor: ana"] {
        let refused = sidecar.ask("POST /v1/debits/a/refund", &[ADMIN, user], refund).await.problem();
        assert_eq!((refused.0, refused.1.as_str()), (403, "forbidden"), "{user}");
    }
    sidecar.ask("POST /v1/debits/a/refund", &[GATEWAY], refund).await.ok();
    let hold = body.replace(r#""a""#, r#""h""#);
    assert_eq!(sidecar.ask("POST /v1/holds", &[ADMIN, "purser-actor: ana"], &hold).await.ok()["decision"], "allow");
}
