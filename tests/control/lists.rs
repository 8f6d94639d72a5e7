//! Pages of teams and members.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::support::{MIA, STRANGER, Sidecar, Who};

/// All rows of a list, page by page.
async fn all(sidecar: &Sidecar, who: Who, path: &str, name: &str, limit: usize) -> Vec<Value> {
    let (mut rows, mut next) = (Vec::new(), String::new());
    loop {
        let page = sidecar.ask(who, "GET", &format!("{path}?limit={limit}{next}"), Value::Null).await.expect(200);
        let new = page[name].as_array().expect("rows");
        assert!(new.len() <= limit);
        rows.extend(new.iter().cloned());
        match page["next_cursor"].as_str() {
            Some(cursor) => next = format!("&cursor={cursor}"),
            None => return rows,
        }
    }
}

#[tokio::test]
async fn members_come_in_pages_each_once_and_in_order() {
    let sidecar = Sidecar::with_team().await;
    for user in 0..9 {
        sidecar.put(&format!("/v1/teams/acme/members/user.{user}"), json!({})).await.expect(201);
    }
    for limit in [1, 3, 4, 6, 11, 12, 13] {
        let rows = all(&sidecar, Who::Admin, "/v1/teams/acme/members", "members", limit).await;
        let names: Vec<_> = rows.iter().map(|row| row["member"].as_str().expect("a name").to_owned()).collect();
        assert_eq!(names.len(), 12, "{limit}");
        assert!(names.is_sorted() && names.iter().collect::<BTreeSet<_>>().len() == 12, "{names:?}");
    }
}

#[tokio::test]
async fn a_member_shows_its_access_as_given_and_in_effect_and_what_it_drew() {
    let sidecar = Sidecar::with_team().await;
    sidecar.draw("d1", Some("acme"), "mia", "1.25", false).await;
    sidecar.draw("h1", Some("acme"), "mia", "2", true).await;
    let path = "/v1/teams/acme/members/mia";
    sidecar.ask(MIA, "PATCH", path, json!({ "opted_out": true })).await.expect(200);
    let page = sidecar.ask(MIA, "GET", "/v1/teams/acme/members", Value::Null).await.expect(200);
    let mia = page["members"].as_array().expect("rows").iter().find(|row| row["member"] == "mia");
    assert_eq!(
        *mia.expect("mia is there"),
        json!({ "member": "mia", "role": "member", "access": "credits", "opted_out": true,
            "effective_access": "personal", "limit": "50", "used": "1.25", "held": "2" })
    );
}

#[tokio::test]
async fn users_see_their_own_teams_and_admin_tokens_all() {
    let sidecar = Sidecar::with_team().await;
    for team in ["beta", "gamma"] {
        sidecar.ask(STRANGER, "PUT", &format!("/v1/teams/{team}"), json!({})).await.expect(201);
    }
    let ids =
        |rows: Vec<Value>| rows.iter().map(|row| row["id"].as_str().expect("an id").to_owned()).collect::<Vec<_>>();
    assert_eq!(ids(all(&sidecar, STRANGER, "/v1/teams", "teams", 1).await), ["beta", "gamma"]);
    assert_eq!(ids(all(&sidecar, MIA, "/v1/teams", "teams", 1).await), ["acme"]);
    assert_eq!(ids(all(&sidecar, Who::Admin, "/v1/teams", "teams", 2).await), ["acme", "beta", "gamma"]);
    let page = sidecar.ask(Who::Admin, "GET", "/v1/teams?limit=1", Value::Null).await.expect(200);
    let path = format!("/v1/teams?cursor={}", page["next_cursor"].as_str().expect("a cursor"));
    assert_eq!(sidecar.ask(STRANGER, "GET", &path, Value::Null).await.problem().1, "invalid_value");
}
