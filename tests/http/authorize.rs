//! The route for proxies: the status is the answer.

use serde_json::json;

use crate::support::Sidecar;

const ANA: [&str; 2] = ["purser-team: acme", "purser-member: ana"];

async fn ask(sidecar: &Sidecar, query: &str, headers: &[&str]) -> crate::support::Answer {
    sidecar.ask(&format!("GET /v1/authorize{query}"), headers, "").await
}

#[tokio::test]
async fn allowed_is_200_and_empty_and_only_an_id_makes_it_a_debit() {
    let sidecar = Sidecar::open().await;
    for (id, used) in [("x: y", "0"), ("idempotency-key: k", "0"), ("purser-id: k", "2"), ("purser-id: k", "2")] {
        let answer = ask(&sidecar, "", &[ANA[0], ANA[1], "purser-credits: 2", "purser-model: gpt-4o", id]).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, ""), "{answer:?}");
        assert_eq!(sidecar.get("/v1/teams/acme/pool").await.ok()["used"], used, "{id}");
    }
    let alone = ask(&sidecar, "", &["purser-member: dan", "purser-credits: 50"]).await;
    assert_eq!(alone.status, 200);
}

#[tokio::test]
async fn a_new_id_makes_each_request_a_debit_of_its_own_and_the_answer_says_what_is_left() {
    let sidecar = Sidecar::open().await;
    let headers = ["purser-team: acme", "purser-member: ana", "purser-credits: 2"];
    let mut ids = Vec::new();
    for (used, left) in [("2", "8"), ("4", "6")] {
        let answer = ask(&sidecar, "?id=new&deny=403", &headers).await;
        assert_eq!((answer.status, answer.header("purser-remaining")), (200, Some(left)));
        ids.push(answer.header("purser-id").expect("a debit has an id").to_owned());
        assert_eq!(sidecar.get("/v1/teams/acme/pool").await.ok()["used"], used);
    }
    assert_ne!(ids[0], ids[1]);
    let refund = format!("/v1/debits/{}/refund", ids[1]);
    sidecar.post(&refund, r#"{"team":"acme"}"#).await.ok();
    assert_eq!(sidecar.get("/v1/teams/acme/pool").await.ok()["used"], "2");

    let check = ask(&sidecar, "", &headers).await;
    assert_eq!((check.header("purser-id"), check.header("purser-remaining")), (None, Some("6")));
    let both = ask(&sidecar, "?id=new", &[headers[0], headers[1], headers[2], "purser-id: mine"]).await.problem();
    assert_eq!((both.0, both.1.as_str()), (422, "invalid_value"));
}

#[tokio::test]
async fn a_denial_is_its_own_status_and_body_or_403_for_nginx() {
    let sidecar = Sidecar::open().await;
    sidecar.post("/v1/holds", r#"{"id":"h","team":"acme","member":"ben","credits":60}"#).await.ok();
    for (member, credits, status, reason) in [
        ("ana", "11", 403, "member_limit"),
        ("ben", "101", 402, "pool_exhausted"),
        ("ben", "50", 429, "held"),
        ("eve", "1", 403, "not_a_member"),
    ] {
        let member = format!("purser-member: {member}");
        let credits = format!("purser-credits: {credits}");
        let headers = ["purser-team: acme", &member, &credits];
        for (query, answered) in [("", status), ("?deny=403", 403)] {
            let answer = ask(&sidecar, query, &headers).await;
            assert_eq!(answer.status, answered, "{member} {query}");
            assert_eq!(answer.header("content-type"), Some("application/problem+json"));
            assert_eq!(answer.header("purser-denial-reason"), Some(reason));
            assert_eq!(answer.header("retry-after").is_some(), reason == "held");
            let own = (!query.is_empty()).then(|| status.to_string());
            assert_eq!(answer.header("purser-denial-status"), own.as_deref());
            let denial = answer.json();
            assert_eq!((&denial["reason"], &denial["status"]), (&json!(reason), &json!(status)));
        }
    }
}

#[tokio::test]
async fn unable_to_decide_is_503() {
    let sidecar = Sidecar::open().await;
    sidecar.server.service().stop();
    let headers = [ANA[0], ANA[1], "purser-credits: 1", "purser-id: a"];
    let answer = ask(&sidecar, "", &headers).await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")));
    let answer = ask(&sidecar, "?deny=403", &headers).await;
    assert_eq!((answer.status, answer.header("purser-denial-status")), (403, Some("503")));
}

#[tokio::test]
async fn headers_are_as_strict_as_bodies() {
    let sidecar = Sidecar::open().await;
    for (headers, code) in [
        (vec!["purser-team: acme", "purser-credits: 1"], "missing_field"),
        (vec!["purser-member: ana"], "missing_field"),
        (vec!["purser-member: a b", "purser-credits: 1"], "invalid_value"),
        (vec!["purser-member: ana", "purser-credits: 1e3"], "invalid_value"),
        (vec!["purser-member: ana", "purser-credits: -1"], "invalid_value"),
        (vec!["purser-member: ana", "purser-credits: 1", "purser-credits: 1"], "duplicate_field"),
        (vec!["purser-member: ana", "purser-credits: 1", "purser-id: a b"], "invalid_value"),
    ] {
        let problem = ask(&sidecar, "", &headers).await.problem();
        assert_eq!((problem.0, problem.1.as_str()), (422, code), "{headers:?}");
    }
    let query = ask(&sidecar, "?deny=200", &[ANA[0], ANA[1], "purser-credits: 1"]).await.problem();
    assert_eq!(query.1, "invalid_value");
}
