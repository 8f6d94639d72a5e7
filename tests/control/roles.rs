//! Who may do what: the table of roles, called as everybody.

use serde_json::{Value, json};

use super::support::{ADAM, MIA, OWNER, STRANGER, Sidecar, Who};

const CALLERS: [Who; 7] = [Who::Admin, OWNER, ADAM, MIA, STRANGER, Who::Gateway, Who::Nobody];

/// Statuses in the order of [`CALLERS`].
type Statuses = [u16; 7];

/// Changes are such that they leave everything as it is.
fn table() -> Vec<(&'static str, &'static str, Value, Statuses)> {
    let (sub, acme, mia) = ("/v1/subscriptions/sub_1", "/v1/teams/acme", "/v1/teams/acme/members/mia");
    let no = Value::Null;
    vec![
        ("PUT", sub, super::support::terms(), [200, 200, 403, 403, 403, 403, 401]),
        ("GET", sub, no.clone(), [200, 200, 200, 403, 404, 403, 401]),
        ("PUT", acme, json!({ "name": "acme" }), [200, 200, 403, 403, 403, 403, 401]),
        ("GET", acme, no.clone(), [200, 200, 200, 200, 404, 403, 401]),
        ("GET", "/v1/teams", no.clone(), [200, 200, 200, 200, 200, 403, 401]),
        ("PUT", "/v1/teams/acme/subscription", json!({ "subscription": "sub_1" }), [200, 200, 403, 403, 404, 403, 401]),
        ("PUT", mia, json!({ "access": "credits", "limit": "50" }), [200, 200, 200, 403, 404, 403, 401]),
        ("PATCH", mia, json!({ "limit": "50" }), [200, 200, 200, 403, 404, 403, 401]),
        ("PATCH", mia, json!({ "access": "credits", "opted_out": false }), [200, 200, 200, 403, 404, 403, 401]),
        ("PATCH", mia, json!({ "opted_out": false }), [200, 200, 200, 200, 404, 403, 401]),
        ("PATCH", "/v1/teams/acme/members/adam", json!({ "opted_out": false }), [200, 200, 200, 403, 404, 403, 401]),
        ("DELETE", "/v1/teams/acme/members/nobody", no.clone(), [404, 404, 404, 403, 404, 403, 401]),
        (
            "POST",
            "/v1/teams/acme/members/bulk",
            json!({ "members": ["mia"], "set": { "limit": "50" } }),
            [200, 200, 200, 403, 404, 403, 401],
        ),
        (
            "PUT",
            "/v1/teams/acme/whitelist",
            json!({ "enabled": false, "models": [] }),
            [200, 200, 403, 403, 404, 403, 401],
        ),
        ("GET", "/v1/teams/acme/whitelist", no.clone(), [200, 200, 200, 200, 404, 403, 401]),
        ("GET", "/v1/teams/acme/members", no.clone(), [200, 200, 200, 200, 404, 403, 401]),
        ("GET", "/v1/teams/acme/entries", no.clone(), [200, 200, 200, 200, 404, 403, 401]),
        ("GET", "/v1/teams/acme/entries?member=adam", no.clone(), [200, 200, 200, 403, 404, 403, 401]),
        ("GET", "/v1/subscriptions/sub_1/entries", no.clone(), [200, 200, 403, 403, 404, 403, 401]),
        ("GET", "/v1/users/mia/entries", no.clone(), [200, 404, 404, 200, 404, 403, 401]),
        ("GET", "/v1/entries", no.clone(), [200, 403, 403, 403, 403, 403, 401]),
        ("GET", "/v1/teams/none", no.clone(), [404, 404, 404, 404, 404, 403, 401]),
        ("GET", "/v1/teams/none/entries", no.clone(), [404, 404, 404, 404, 404, 403, 401]),
        ("GET", "/v1/subscriptions/none", no, [404, 404, 404, 404, 404, 403, 401]),
    ]
}

#[tokio::test]
async fn everybody_may_do_what_the_table_of_roles_says_and_nothing_else() {
    let sidecar = Sidecar::with_team().await;
    let before = sidecar.get("/v1/entries").await.expect(200);
    for (method, path, body, statuses) in table() {
        for (who, status) in CALLERS.into_iter().zip(statuses) {
            let answer = sidecar.ask(who, method, path, body.clone()).await;
            assert_eq!(answer.status, status, "{method} {path} as {who:?}: {answer:?}");
            if status >= 400 {
                answer.problem();
            }
        }
    }
    let after = sidecar.get("/v1/entries").await.expect(200);
    assert_eq!(before, after, "what was refused, or changed nothing, leaves no entry");
}

#[tokio::test]
async fn only_the_subscriptions_owner_tops_up_and_unassigns() {
    let sidecar = Sidecar::with_team().await;
    for (who, bought, unassigned) in [
        (Who::Nobody, 401, 401),
        (Who::Gateway, 403, 403),
        (STRANGER, 403, 404),
        (MIA, 403, 403),
        (ADAM, 403, 403),
        (OWNER, 201, 204),
        (Who::Admin, 201, 204),
    ] {
        let purchase = json!({ "id": format!("buy-{who:?}").replace(['(', ')', '"'], ""), "credits": 1 });
        let answer = sidecar.ask(who, "POST", "/v1/subscriptions/sub_1/purchases", purchase).await;
        assert_eq!(answer.status, bought, "{who:?}: {answer:?}");
        let answer = sidecar.ask(who, "DELETE", "/v1/teams/acme/subscription", Value::Null).await;
        assert_eq!(answer.status, unassigned, "{who:?}: {answer:?}");
        sidecar.put("/v1/teams/acme/subscription", json!({ "subscription": "sub_1" })).await.expect(200);
    }
}

#[tokio::test]
async fn the_teams_owner_does_not_touch_a_subscription_of_somebody_else() {
    let sidecar = Sidecar::with_team().await;
    sidecar.ask(OWNER, "PUT", "/v1/teams/acme", json!({ "owner": "adam" })).await.expect(200);
    let answer = sidecar.ask(ADAM, "DELETE", "/v1/teams/acme/subscription", Value::Null).await;
    assert_eq!(answer.problem().1, "forbidden");
    sidecar.ask(OWNER, "DELETE", "/v1/teams/acme/subscription", Value::Null).await.expect(204);
}

#[tokio::test]
async fn a_member_sees_its_own_entries_only() {
    let sidecar = Sidecar::with_team().await;
    sidecar.draw("d1", Some("acme"), "mia", "1", false).await;
    sidecar.draw("d2", Some("acme"), "olga", "1", false).await;
    let entries = sidecar.ask(MIA, "GET", "/v1/teams/acme/entries", Value::Null).await.expect(200);
    let entries = entries["entries"].as_array().expect("an array");
    assert!(entries.iter().all(|entry| entry["member"] == "mia"), "{entries:?}");
    assert_eq!(entries.iter().map(|entry| &entry["kind"]).collect::<Vec<_>>(), ["member_put", "debited"]);
    let page = sidecar.ask(MIA, "GET", "/v1/teams/acme/entries?limit=1", Value::Null).await.expect(200);
    let cursor = page["next_cursor"].as_str().expect("a cursor");
    // A cursor carries no rights: with it, each still sees what is its own.
    let path = format!("/v1/teams/acme/entries?cursor={cursor}");
    assert_eq!(sidecar.ask(MIA, "GET", &path, Value::Null).await.expect(200)["entries"][0]["id"], "d1");
    assert_eq!(sidecar.ask(STRANGER, "GET", &path, Value::Null).await.status, 404);
}
