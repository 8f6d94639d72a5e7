//! What control answers: the resource as it now stands, with the status of what happened.

use serde_json::{Value, json};

use super::support::{MIA, OWNER, STRANGER, Sidecar, Who, terms};

#[tokio::test]
async fn a_subscription_is_replaced_as_a_whole_and_shows_grants_in_burn_order() {
    let sidecar = Sidecar::start().await;
    let path = "/v1/subscriptions/sub_1";
    let created = sidecar.put(path, terms()).await.expect(201);
    assert_eq!(created["rollover"], json!({ "cap": null, "windows": 1 }));
    assert_eq!(created["grants"][0]["credits"], "300");
    for (id, expires_at) in [("late", Value::Null), ("soon", json!("2026-11-25T00:00:00Z"))] {
        let purchase = json!({ "id": id, "credits": "40", "expires_at": expires_at });
        sidecar.ask(OWNER, "POST", &format!("{path}/purchases"), purchase).await.expect(201);
    }
    sidecar.draw("d1", None, "olga", "41.5", false).await;
    let shown = sidecar.ask(OWNER, "GET", path, Value::Null).await.expect(200);
    let grants = shown["grants"].as_array().expect("grants");
    let short = |grant: &Value| (grant["kind"].clone(), grant["purchase"].clone(), grant["remaining"].clone());
    assert_eq!(
        grants.iter().map(short).collect::<Vec<_>>(),
        [
            (json!("purchased"), json!("soon"), json!("0")),
            (json!("monthly"), Value::Null, json!("298.5")),
            (json!("purchased"), json!("late"), json!("40")),
        ]
    );
    let replaced = sidecar.ask(OWNER, "PUT", path, json!({ "seats": 1 })).await.expect(200);
    assert_eq!((&replaced["plan"], &replaced["seats"]), (&json!(""), &json!(1)));
    assert_eq!(replaced["features"]["model_whitelist"], false);
    assert_eq!(replaced["billing_anchor"], "2026-11-01T00:00:00Z", "the anchor stays where it is left out");
    assert_eq!(replaced["grants"][1]["remaining"], "298.5", "seats removed take nothing back");
    let answer = sidecar.put("/v1/subscriptions/sub_2", json!({ "owner": "olga" })).await;
    assert_eq!(answer.problem(), (409, "already_subscribed".to_owned(), None));
}

#[tokio::test]
async fn a_purchase_is_granted_once_however_often_it_is_sent() {
    let sidecar = Sidecar::with_team().await;
    let path = "/v1/subscriptions/sub_1/purchases";
    let first = sidecar.ask(OWNER, "POST", path, json!({ "id": "p1", "credits": "40" })).await.expect(201);
    assert_eq!((&first["replayed"], &first["credits"]), (&json!(false), &json!("40")));
    let again = sidecar.ask(OWNER, "POST", path, json!({ "id": "p1", "credits": 40.0 })).await.expect(200);
    assert_eq!(again["replayed"], true);
    assert_eq!(again["subscription"]["grants"], first["subscription"]["grants"]);
    let other = sidecar.ask(OWNER, "POST", path, json!({ "id": "p1", "credits": "41" })).await;
    assert_eq!(other.problem().1, "id_reused");
    let granted = sidecar.get("/v1/subscriptions/sub_1/entries?kind=granted&id=p1").await.expect(200);
    assert_eq!(granted["entries"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn a_team_is_created_with_its_owners_subscription_and_seat() {
    let sidecar = Sidecar::start().await;
    sidecar.ask(OWNER, "PUT", "/v1/subscriptions/sub_1", terms()).await.expect(201);
    let team = sidecar.ask(OWNER, "PUT", "/v1/teams/acme", json!({ "name": "Acme" })).await.expect(201);
    let expected = json!({ "id": "acme", "name": "Acme", "owner": "olga", "subscription": "sub_1",
        "whitelist": { "enabled": false, "models": [] }, "members": 1, "seats_taken": 1 });
    assert_eq!(team, expected);
    assert_eq!(sidecar.ask(OWNER, "GET", "/v1/teams/acme", Value::Null).await.expect(200), expected);
    let same = sidecar.ask(OWNER, "PUT", "/v1/teams/acme", json!({})).await.expect(200);
    assert_eq!(same, expected, "what changes nothing answers what stands");
    let answer = sidecar.ask(OWNER, "PUT", "/v1/teams/acme", json!({ "owner": "sam" })).await;
    assert_eq!(answer.problem(), (409, "not_a_member".to_owned(), None));
}

#[tokio::test]
async fn a_subscription_is_assigned_to_one_team_at_a_time() {
    let sidecar = Sidecar::with_team().await;
    sidecar.ask(OWNER, "PUT", "/v1/teams/beta", json!({})).await.expect(201);
    let assign = json!({ "subscription": "sub_1" });
    let answer = sidecar.ask(OWNER, "PUT", "/v1/teams/beta/subscription", assign.clone()).await;
    assert_eq!(answer.problem(), (409, "already_assigned".to_owned(), None));
    sidecar.ask(OWNER, "DELETE", "/v1/teams/acme/subscription", Value::Null).await.expect(204);
    let members = sidecar.get("/v1/teams/acme/members").await.expect(200);
    let members = members["members"].as_array().expect("rows");
    assert!(members.iter().all(|row| row["access"] == "personal"), "{members:?}");
    assert_eq!(members[1]["limit"], "50", "limits are kept");
    let team = sidecar.ask(OWNER, "PUT", "/v1/teams/beta/subscription", assign).await.expect(200);
    assert_eq!(team["subscription"], "sub_1");
    let answer = sidecar.ask(OWNER, "DELETE", "/v1/teams/acme/subscription", Value::Null).await;
    assert_eq!(answer.status, 404);
    let answer = sidecar.put("/v1/teams/acme/members/mia", json!({ "access": "seat" })).await;
    assert_eq!(answer.problem(), (409, "no_subscription".to_owned(), None));
}

#[tokio::test]
async fn members_are_added_changed_and_removed() {
    let sidecar = Sidecar::with_team().await;
    let (bea, body) = ("/v1/teams/acme/members/bea", json!({ "access": "seat", "limit": 5, "opted_out": true }));
    let added = sidecar.put(bea, body).await.expect(201);
    assert_eq!((&added["access"], &added["effective_access"]), (&json!("seat"), &json!("personal")));
    let patch = |body| sidecar.ask(Who::Admin, "PATCH", bea, body);
    assert_eq!(
        patch(json!({ "opted_out": false })).await.expect(200)["limit"],
        "5",
        "a patch keeps what it does not name"
    );
    assert_eq!(patch(json!({ "limit": null })).await.expect(200)["limit"], Value::Null);
    assert_eq!(patch(json!({})).await.expect(200)["access"], "seat");
    assert_eq!(sidecar.put(bea, json!({})).await.expect(200)["access"], "personal", "a PUT replaces the whole");
    sidecar.put(bea, json!({ "access": "seat" })).await.expect(200);
    sidecar.put("/v1/teams/acme/members/mia", json!({ "access": "seat" })).await.expect(200);
    let answer = sidecar.put("/v1/teams/acme/members/adam", json!({ "access": "seat" })).await;
    assert_eq!(answer.problem(), (409, "no_free_seat".to_owned(), None));
    sidecar.ask(Who::Admin, "DELETE", bea, Value::Null).await.expect(204);
    sidecar.ask(Who::Admin, "DELETE", bea, Value::Null).await.expect(404);
    sidecar.put("/v1/teams/acme/members/adam", json!({ "access": "seat" })).await.expect(200);
    let owner = "/v1/teams/acme/members/olga";
    assert_eq!(sidecar.put(owner, json!({ "access": "credits" })).await.expect(200)["role"], "owner");
    for (method, body) in [("DELETE", Value::Null), ("PATCH", json!({ "role": "admin" }))] {
        let answer = sidecar.ask(Who::Admin, method, owner, body).await;
        assert_eq!(answer.problem(), (409, "is_owner".to_owned(), None));
    }
}

#[tokio::test]
async fn a_user_may_be_called_bulk() {
    let sidecar = Sidecar::with_team().await;
    let bulk = "/v1/teams/acme/members/bulk";
    assert_eq!(sidecar.put(bulk, json!({})).await.expect(201)["member"], "bulk");
    assert_eq!(sidecar.ask(Who::Admin, "PATCH", bulk, json!({ "limit": 1 })).await.expect(200)["limit"], "1");
    sidecar.ask(Who::Admin, "POST", bulk, json!({ "members": ["bulk"], "set": { "limit": 2 } })).await.expect(200);
    sidecar.ask(Who::Admin, "DELETE", bulk, Value::Null).await.expect(204);
}

#[tokio::test]
async fn what_a_member_used_outlives_its_limit_and_its_leaving() {
    let sidecar = Sidecar::with_team().await;
    sidecar.draw("d1", Some("acme"), "mia", "7", false).await;
    let mia = "/v1/teams/acme/members/mia";
    assert_eq!(sidecar.put(mia, json!({ "access": "credits", "limit": 8 })).await.expect(200)["used"], "7");
    sidecar.ask(Who::Admin, "DELETE", mia, Value::Null).await.expect(204);
    assert_eq!(sidecar.ask(MIA, "GET", "/v1/teams/acme", Value::Null).await.status, 404, "in effect at once");
    assert_eq!(sidecar.put(mia, json!({ "access": "credits" })).await.expect(201)["used"], "7");
}

#[tokio::test]
async fn a_whitelist_needs_the_feature() {
    let sidecar = Sidecar::with_team().await;
    let path = "/v1/teams/acme/whitelist";
    let body = json!({ "enabled": true, "models": ["b/model:free", "a", "a"] });
    let put = sidecar.ask(OWNER, "PUT", path, body.clone()).await.expect(200);
    assert_eq!(put, json!({ "enabled": true, "models": ["a", "b/model:free"] }));
    assert_eq!(sidecar.ask(MIA, "GET", path, Value::Null).await.expect(200), put);
    sidecar.ask(STRANGER, "PUT", "/v1/teams/beta", json!({})).await.expect(201);
    let answer = sidecar.ask(STRANGER, "PUT", "/v1/teams/beta/whitelist", body).await;
    assert_eq!(answer.problem(), (409, "no_feature".to_owned(), None));
}

/// A team without a pool has no window, so nothing is used in it; what was drawn stands with the subscription's window.
#[tokio::test]
async fn what_members_used_shows_again_when_their_pool_comes_back() {
    let sidecar = Sidecar::with_team().await;
    sidecar.draw("d1", Some("acme"), "mia", "7", false).await;
    let used = async || {
        let members = sidecar.get("/v1/teams/acme/members").await.expect(200);
        let members = members["members"].as_array().expect("a list").clone();
        let mia = members.into_iter().find(|member| member["member"] == "mia").expect("is a member");
        (mia["used"].clone(), mia["access"].clone())
    };
    assert_eq!(used().await, (json!("7"), json!("credits")));
    sidecar.ask(Who::Admin, "DELETE", "/v1/teams/acme/subscription", Value::Null).await.expect(204);
    assert_eq!(used().await, (json!("0"), json!("personal")));
    sidecar.put("/v1/teams/acme/subscription", json!({ "subscription": "sub_1" })).await.expect(200);
    assert_eq!(used().await, (json!("7"), json!("personal")));
    let again = sidecar.put("/v1/teams/acme/members/mia", json!({ "access": "credits", "limit": "8" })).await;
    assert_eq!(again.expect(200)["used"], "7", "the limit counts it");
}
