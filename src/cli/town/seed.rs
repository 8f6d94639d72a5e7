//! Creates teams over HTTP, as an operator would.

use std::sync::Arc;

use http::Method;
use indicatif::ProgressBar;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{Member, Team, Town};
use crate::cli::client::{Ask, Client, ClientError};
use crate::domain::Timestamp;

/// Teams that are created at the same time; the store takes one change after the other anyway.
const AT_ONCE: usize = 4;

/// Creates every team with its members; the bar counts members.
pub(in crate::cli) async fn seed(
    client: &Client,
    town: &Arc<Town>,
    now: Timestamp,
    bar: &ProgressBar,
) -> Result<(), ClientError> {
    let mut tasks = JoinSet::new();
    for first in 0..AT_ONCE {
        let (client, town, bar) = (client.clone(), town.clone(), bar.clone());
        tasks.spawn(async move {
            for team in town.teams.iter().skip(first).step_by(AT_ONCE) {
                seed_team(&client, team, now, &bar).await?;
            }
            Ok(())
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.map_err(|stopped| ClientError::Unavailable(stopped.to_string()))??;
    }
    Ok(())
}

async fn seed_team(client: &Client, team: &Team, now: Timestamp, bar: &ProgressBar) -> Result<(), ClientError> {
    let terms = terms(&team.owner, team.seats, &team.credits_per_seat.to_string(), now);
    put(client, format!("/v1/subscriptions/{}", team.subscription), &terms).await?;
    if let Some(credits) = team.purchase {
        purchase(client, &team.subscription, &credits.to_string()).await?;
    }
    put(client, format!("/v1/teams/{}", team.id), &json!({ "name": team.id, "owner": team.owner })).await?;
    for member in &team.members {
        seed_member(client, team, member, now).await?;
        bar.inc(1);
    }
    if let Some(model) = team.whitelist {
        let whitelist = json!({ "enabled": true, "models": [model] });
        put(client, format!("/v1/teams/{}/whitelist", team.id), &whitelist).await?;
    }
    Ok(())
}

async fn seed_member(client: &Client, team: &Team, member: &Member, now: Timestamp) -> Result<(), ClientError> {
    let limit = member.limit.map(|limit| limit.to_string());
    let body = json!({ "role": "member", "access": member.access.as_str(), "limit": limit });
    put(client, format!("/v1/teams/{}/members/{}", team.id, member.id), &body).await?;
    if let Some((subscription, credits)) = &member.own {
        put(client, format!("/v1/subscriptions/{subscription}"), &terms(&member.id, 0, "0", now)).await?;
        purchase(client, subscription, &credits.to_string()).await?;
    }
    Ok(())
}

fn terms(owner: &str, seats: u32, credits_per_seat: &str, now: Timestamp) -> Value {
    json!({
        "owner": owner,
        "plan": "demo",
        "status": "active",
        "seats": seats,
        "credits_per_seat": credits_per_seat,
        "billing_anchor": now.to_string(),
        "rollover": { "windows": 0 },
        "features": { "private_workflows": false, "save_history": false, "model_whitelist": true },
    })
}

async fn put(client: &Client, path: String, body: &Value) -> Result<(), ClientError> {
    client.ask(&Ask::new(Method::PUT, path).json(body)).await.map(drop)
}

async fn purchase(client: &Client, subscription: &str, credits: &str) -> Result<(), ClientError> {
    let body = json!({ "id": format!("{subscription}-extra"), "credits": credits });
    client
        .ask(&Ask::new(Method::POST, format!("/v1/subscriptions/{subscription}/purchases")).json(&body))
        .await
        .map(drop)
}
