//! What balances show, and to whom.

use serde_json::json;

use crate::support::{ADMIN, GATEWAY, Sidecar};

#[tokio::test]
async fn balances_show_what_was_drawn_and_what_is_left() {
    let sidecar = Sidecar::open().await;
    sidecar.purchase("p1", "50").await;
    sidecar.post("/v1/debits", r#"{"id":"a","team":"acme","member":"ana","credits":2}"#).await.ok();
    sidecar.post("/v1/holds", r#"{"id":"h","team":"acme","member":"ana","credits":"1.5"}"#).await.ok();
    let window = json!({"start": "2026-11-01T00:00:00Z", "end": "2026-12-01T00:00:00Z"});
    let expected = json!({
        "team": "acme", "member": "ana", "access": "seat",
        "features": {"private_workflows": false, "save_history": false, "model_whitelist": true},
        "payer": "pool", "limit": "10", "used": "2", "held": "1.5",
        "remaining": {"member": "6.5", "payer": "146.5"}, "window": window
    });
    assert_eq!(sidecar.get("/v1/teams/acme/members/ana/balance").await.ok(), expected);
    let expected = json!({
        "subscription": "sub_1", "monthly": "100", "purchased": "50", "rollover": "0", "total": "150", "used": "2",
        "held": "1.5", "remaining": "146.5", "debt": "0", "seats": 5, "window": window
    });
    assert_eq!(sidecar.get("/v1/teams/acme/pool").await.ok(), expected);
    let own = sidecar.get("/v1/users/dan/balance").await.ok();
    assert_eq!((&own["subscription"], &own["remaining"]), (&json!("sub_2"), &json!("50")));
    let otto = sidecar.get("/v1/teams/acme/members/otto/balance").await.ok();
    assert_eq!(
        (&otto["access"], &otto["payer"], &otto["window"]),
        (&json!("personal"), &json!("wallet"), &json!(null))
    );
}

#[tokio::test]
async fn the_owner_of_a_pool_has_no_credits_of_its_own() {
    let sidecar = Sidecar::open().await;
    for user in ["olga", "nobody"] {
        let own = sidecar.get(&format!("/v1/users/{user}/balance")).await.ok();
        let found = (&own["subscription"], &own["total"], &own["remaining"]);
        assert_eq!(found, (&json!(null), &json!("0"), &json!("0")), "{user}");
    }
}

#[tokio::test]
async fn who_may_see_which_balance() {
    let sidecar = Sidecar::closed().await;
    let (ana, bens) = ("/v1/teams/acme/members/ana/balance", "/v1/teams/acme/members/ben/balance");
    let (pool, own) = ("/v1/teams/acme/pool", "/v1/users/dan/balance");
    for (actor, path, status) in [
        ("", ana, 200),
        ("ana", ana, 200),
        ("ana", bens, 403),
        ("adam", bens, 200),
        ("olga", bens, 200),
        ("dan", bens, 404),
        ("ana", pool, 200),
        ("dan", pool, 404),
        ("dan", own, 200),
        ("ana", own, 403),
        ("", "/v1/teams/nobody/pool", 404),
        ("ana", "/v1/teams/nobody/pool", 404),
        ("", "/v1/teams/nobody/members/ana/balance", 404),
        ("", "/v1/teams/acme/members/nobody/balance", 404),
        ("", "/v1/teams/a%2Fb/pool", 422),
    ] {
        let actor = format!("purser-actor: {actor}");
        let headers: &[&str] = if actor.ends_with(' ') { &[GATEWAY] } else { &[ADMIN, &actor] };
        let answer = sidecar.ask(&format!("GET {path}"), headers, "").await;
        assert_eq!(answer.status, status, "{actor} {path}: {answer:?}");
        assert!(status == 200 || answer.problem().0 == status);
    }
    assert_eq!(sidecar.get(pool).await.problem().1, "unauthorized");
}
