//! `purser team`: what an operator does with teams and members, one request each.

use http::Method;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::client::{Ask, Client, ClientError, encoded};
use super::pages::Pages;
use super::tree::Answer;
use super::{Format, MemberChange, Output, Row, TeamArgs, TeamCommand};

pub(super) async fn run(args: &TeamArgs) -> anyhow::Result<()> {
    let client = Client::of(&args.client)?;
    let format = Format::of(args.client.json);
    match &args.command {
        TeamCommand::List => {
            let teams = Pages::new(&client, "/v1/teams", 0).all().await?;
            Output::stdout(format).rows(&teams.into_iter().map(TeamRow).collect::<Vec<_>>())?;
        }
        TeamCommand::Members { team } => {
            let path = format!("/v1/teams/{}/members", encoded(team));
            let members = Pages::new(&client, &path, 0).all().await?;
            Output::stdout(format).rows(&members.into_iter().map(MemberRow).collect::<Vec<_>>())?;
        }
        TeamCommand::Set { team, member, change } => set(&client, team, member, change).await?.print(format)?,
        TeamCommand::Remove { .. } | TeamCommand::Unassign { .. } => {
            // What is gone is answered with nothing.
            client.ask(&ask(&args.command)?).await?;
        }
        one => client.read::<Answer>(&ask(one)?).await?.print(format)?,
    }
    Ok(())
}

/// The request of a command; the first one, where it may take several.
fn ask(command: &TeamCommand) -> Result<Ask, ClientError> {
    let route = |team: &str, rest: &str| format!("/v1/teams/{}{rest}", encoded(team));
    Ok(match command {
        TeamCommand::List => Ask::get("/v1/teams"),
        TeamCommand::Show { team } => Ask::get(route(team, "")),
        TeamCommand::Members { team } => Ask::get(route(team, "/members")),
        TeamCommand::Set { team, member, change } => {
            Ask::new(Method::PATCH, member_route(team, member)).json(&change_body(change))
        }
        TeamCommand::Put { team, owner, name } => {
            let body = object([("owner", owner.clone().map(Value::from)), ("name", name.clone().map(Value::from))]);
            Ask::new(Method::PUT, route(team, "")).json(&body)
        }
        TeamCommand::Bulk { team, members, all, access, limit, each } => {
            let set = object([
                ("access", access.map(|access| access.as_str().into())),
                ("limit", limit.as_deref().map(limit_value)),
            ]);
            if set.is_empty() {
                return Err(nothing("--access, --limit or both"));
            }
            let members = if *all { json!("all") } else { json!(members) };
            let body = json!({ "members": members, "set": set, "atomic": !each });
            Ask::new(Method::POST, route(team, "/members/bulk")).json(&body)
        }
        TeamCommand::Remove { team, member } => Ask::new(Method::DELETE, member_route(team, member)),
        TeamCommand::Assign { team, subscription } => {
            Ask::new(Method::PUT, route(team, "/subscription")).json(&json!({ "subscription": subscription }))
        }
        TeamCommand::Unassign { team } => Ask::new(Method::DELETE, route(team, "/subscription")),
        TeamCommand::Whitelist { team, models } => {
            let body = json!({ "enabled": !models.is_empty(), "models": models });
            Ask::new(Method::PUT, route(team, "/whitelist")).json(&body)
        }
    })
}

/// Changes a member; where there is none, adds it.
async fn set(client: &Client, team: &str, member: &str, change: &MemberChange) -> Result<Answer, ClientError> {
    let ask = |method| Ask::new(method, member_route(team, member)).json(&change_body(change));
    match client.read(&ask(Method::PATCH)).await {
        Err(refused) if refused.is_not_found() => client.read(&ask(Method::PUT)).await,
        done => done,
    }
}

fn change_body(change: &MemberChange) -> Map<String, Value> {
    object([
        ("role", change.role.map(|role| role.as_str().into())),
        ("access", change.access.map(|access| access.as_str().into())),
        ("limit", change.limit.as_deref().map(limit_value)),
        ("opted_out", change.opted_out.map(Value::from)),
    ])
}

fn member_route(team: &str, member: &str) -> String {
    format!("/v1/teams/{}/members/{}", encoded(team), encoded(member))
}

/// A limit as the wire has it: `none` is null.
fn limit_value(text: &str) -> Value {
    if text == "none" { Value::Null } else { text.into() }
}

/// The fields that are there.
pub(super) fn object<const N: usize>(fields: [(&str, Option<Value>); N]) -> Map<String, Value> {
    fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

fn nothing(what: &str) -> ClientError {
    ClientError::Usage(format!("nothing is to change; give {what}"))
}

#[derive(Serialize)]
#[serde(transparent)]
struct TeamRow(Answer);

impl Row for TeamRow {
    const HEADINGS: &'static [&'static str] = &["id", "name", "owner", "subscription", "members", "seats_taken"];

    fn cells(&self) -> Vec<String> {
        Self::HEADINGS.iter().map(|name| self.0.tree.text(name)).collect()
    }
}

#[derive(Serialize)]
#[serde(transparent)]
struct MemberRow(Answer);

impl Row for MemberRow {
    const HEADINGS: &'static [&'static str] =
        &["member", "role", "access", "effective_access", "limit", "used", "held", "opted_out"];

    fn cells(&self) -> Vec<String> {
        Self::HEADINGS.iter().map(|name| self.0.tree.text(name)).collect()
    }
}
