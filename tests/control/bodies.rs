//! What bodies and queries may say.

use serde_json::json;

use super::support::{OWNER, Sidecar, Who};

#[tokio::test]
async fn bodies_are_strict_and_faults_are_named() {
    let sidecar = Sidecar::with_team().await;
    let (sub, acme, mia) = ("/v1/subscriptions/sub_1", "/v1/teams/acme", "/v1/teams/acme/members/mia");
    let (buy, bulk, white) =
        ("/v1/subscriptions/sub_1/purchases", "/v1/teams/acme/members/bulk", "/v1/teams/acme/whitelist");
    let long = format!(r#"{{"name":"{}"}}"#, "x".repeat(201));
    for (method, path, body, code, pointer) in [
        ("PUT", sub, "", "empty_body", None),
        ("PUT", sub, "{", "not_json", None),
        ("PUT", sub, "[]", "invalid_value", Some("")),
        ("PUT", sub, "{}", "missing_field", Some("/owner")),
        ("PUT", sub, r#"{"owner":"olga","seat":1}"#, "unknown_field", Some("/seat")),
        ("PUT", sub, r#"{"owner":"olga","owner":"olga"}"#, "duplicate_field", Some("/owner")),
        ("PUT", sub, r#"{"owner":"ol ga"}"#, "invalid_value", Some("/owner")),
        ("PUT", sub, r#"{"owner":"olga","seats":-1}"#, "invalid_value", Some("/seats")),
        ("PUT", sub, r#"{"owner":"olga","seats":1000001}"#, "invalid_value", Some("/seats")),
        ("PUT", sub, r#"{"owner":"olga","seats":1.5}"#, "invalid_value", Some("/seats")),
        ("PUT", sub, r#"{"owner":"olga","status":"paused"}"#, "invalid_value", Some("/status")),
        ("PUT", sub, r#"{"owner":"olga","credits_per_seat":1e3}"#, "invalid_value", Some("/credits_per_seat")),
        ("PUT", sub, r#"{"owner":"olga","credits_per_seat":"0.0000001"}"#, "invalid_value", Some("/credits_per_seat")),
        (
            "PUT",
            sub,
            r#"{"owner":"olga","seats":2,"credits_per_seat":"9000000000"}"#,
            "invalid_value",
            Some("/credits_per_seat"),
        ),
        ("PUT", sub, r#"{"owner":"olga","billing_anchor":"yesterday"}"#, "invalid_value", Some("/billing_anchor")),
        ("PUT", sub, r#"{"owner":"olga","rollover":{"windows":121}}"#, "invalid_value", Some("/rollover/windows")),
        ("PUT", sub, r#"{"owner":"olga","rollover":[]}"#, "invalid_value", Some("/rollover")),
        ("PUT", sub, r#"{"owner":"olga","features":{"sso":true}}"#, "unknown_field", Some("/features/sso")),
        ("POST", buy, r#"{"credits":1}"#, "missing_field", Some("/id")),
        ("POST", buy, r#"{"id":"p"}"#, "missing_field", Some("/credits")),
        ("POST", buy, r#"{"id":"p","credits":0}"#, "invalid_value", Some("/credits")),
        ("POST", buy, r#"{"id":"p","credits":-1}"#, "invalid_value", Some("/credits")),
        ("POST", buy, r#"{"id":"p","credits":9000000000}"#, "invalid_value", Some("/credits")),
        ("POST", buy, r#"{"id":"p q","credits":1}"#, "invalid_value", Some("/id")),
        (
            "POST",
            buy,
            r#"{"id":"p","credits":1,"expires_at":"2026-11-22T12:00:00Z"}"#,
            "invalid_value",
            Some("/expires_at"),
        ),
        ("PUT", acme, &long, "invalid_value", Some("/name")),
        ("PUT", acme, r#"{"name":""}"#, "invalid_value", Some("/name")),
        ("PUT", "/v1/teams/new", "{}", "invalid_value", Some("/owner")),
        ("PUT", "/v1/teams/acme/subscription", "{}", "missing_field", Some("/subscription")),
        ("PUT", mia, r#"{"role":"boss"}"#, "invalid_value", Some("/role")),
        ("PUT", mia, r#"{"role":"owner"}"#, "invalid_value", Some("/role")),
        ("PUT", mia, r#"{"access":"vip"}"#, "invalid_value", Some("/access")),
        ("PUT", mia, r#"{"limit":-1}"#, "invalid_value", Some("/limit")),
        ("PATCH", mia, r#"{"opted_out":"yes"}"#, "invalid_value", Some("/opted_out")),
        ("PATCH", mia, r#"{"user":"ana"}"#, "unknown_field", Some("/user")),
        ("POST", bulk, r#"{"set":{}}"#, "missing_field", Some("/members")),
        ("POST", bulk, r#"{"members":"some","set":{}}"#, "invalid_value", Some("/members")),
        ("POST", bulk, r#"{"members":["mia","a b"],"set":{}}"#, "invalid_value", Some("/members/1")),
        ("POST", bulk, r#"{"members":["mia","mia"],"set":{}}"#, "invalid_value", Some("/members")),
        ("POST", bulk, r#"{"members":["mia"],"set":{"role":"admin"}}"#, "unknown_field", Some("/set/role")),
        ("PUT", white, r#"{"enabled":true}"#, "missing_field", Some("/models")),
        ("PUT", white, r#"{"enabled":true,"models":["a","b c"]}"#, "invalid_value", Some("/models/1")),
    ] {
        let answer = sidecar.send(Who::Admin, method, path, Some(body.to_owned()), "").await;
        let (status, found, at) = answer.problem();
        assert_eq!((found.as_str(), at.as_deref()), (code, pointer), "{method} {path} {body}: {answer:?}");
        let expected = if matches!(code, "empty_body" | "not_json") { 400 } else { 422 };
        assert_eq!(status, expected, "{method} {path} {body}");
    }
}

#[tokio::test]
async fn queries_are_strict_too() {
    let sidecar = Sidecar::with_team().await;
    for (path, code) in [
        ("/v1/teams?limit=0", "invalid_value"),
        ("/v1/teams?limit=501", "invalid_value"),
        ("/v1/teams?limit=1&limit=1", "duplicate_field"),
        ("/v1/teams?size=1", "unknown_field"),
        ("/v1/teams?cursor=acme", "invalid_value"),
        ("/v1/teams?cursor=acme.00000000", "invalid_value"),
        ("/v1/teams/acme/members?cursor=%00", "invalid_value"),
        ("/v1/teams/acme/entries?kind=paid", "invalid_value"),
        ("/v1/teams/acme/entries?order=random", "invalid_value"),
        ("/v1/teams/acme/entries?from=today", "invalid_value"),
        ("/v1/teams/acme/entries?member=a%20b", "invalid_value"),
        ("/v1/teams/acme/entries?id=a%20b", "invalid_value"),
        ("/v1/teams/acme/entries?cursor=-1.0", "invalid_value"),
        ("/v1/users/mia/entries?member=mia", "unknown_field"),
        ("/v1/teams/a%20b/entries", "invalid_value"),
    ] {
        let (status, found, _) = sidecar.get(path).await.problem();
        assert_eq!((status, found.as_str()), (422, code), "{path}");
    }
    let answer = sidecar.send(Who::Admin, "GET", "/v1/teams/acme/entries", None, "text/html").await;
    assert_eq!(answer.problem(), (406, "not_acceptable".to_owned(), None));
}

#[tokio::test]
async fn who_may_not_control_is_told_so_whatever_it_sent() {
    let sidecar = Sidecar::with_team().await;
    let answer = sidecar.send(Who::Gateway, "PUT", "/v1/teams/acme", Some("{".to_owned()), "").await;
    assert_eq!(answer.status, 403, "{answer:?}");
    let answer = sidecar.ask(OWNER, "PUT", "/v1/subscriptions/sub_9", json!({ "owner": "adam" })).await;
    assert_eq!(answer.problem().1, "forbidden");
}
