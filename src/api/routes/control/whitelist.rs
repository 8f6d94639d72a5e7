//! The models that a team's owner allows.

use std::collections::BTreeSet;

use axum::Json as Answer;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Asking, change, sight, teams};
use crate::api::ids::InPath;
use crate::api::json::Json;
use crate::api::problem::{Code, Problem};
use crate::api::state::App;
use crate::api::wire::WireTeam;
use crate::domain::ids::Model;
use crate::domain::{TeamId, Whitelist};
use crate::root::Command;

/// The routes of this file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(put, get))
}

/// The whitelist from now on.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PutWhitelist {
    /// Whether it restricts anything; without a model it does not.
    enabled: bool,
    /// By exact name, 1 to 128 visible ASCII characters each; one named twice counts once.
    #[schema(max_items = 1000)]
    models: Vec<String>,
}

/// A whitelist as it stands. It restricts only when it is enabled with at least one model.
#[derive(Serialize, ToSchema)]
pub struct WhitelistNow {
    /// Whether it is switched on.
    enabled: bool,
    /// By name; the only ones where it restricts.
    models: Vec<String>,
}

impl From<&Whitelist> for WhitelistNow {
    fn from(whitelist: &Whitelist) -> Self {
        Self { enabled: whitelist.enabled, models: whitelist.models.iter().map(Model::to_string).collect() }
    }
}

fn models(names: &[String]) -> Result<BTreeSet<Model>, Problem> {
    let read = |(row, name): (usize, &String)| {
        let problem =
            |why| Problem::new(Code::InvalidValue, format!("models[{row}] {why}.")).at(format!("/models/{row}"));
        Model::new(name).map_err(problem)
    };
    names.iter().enumerate().map(read).collect()
}

/// Replaces the whitelist; in effect at once.
#[utoipa::path(put, path = "/v1/teams/{team}/whitelist", tag = "control", request_body = PutWhitelist,
    params(("team" = WireTeam, Path)),
    responses((status = 200, description = "As it stands now", body = WhitelistNow),
        (status = 403, description = "Only the team's owner may"),
        (status = 409, description = "`no_feature`: the subscription does not include it")))]
async fn put(
    State(app): State<App>,
    Asking(actor): Asking,
    InPath(team): InPath<TeamId>,
    Json(body): Json<PutWhitelist>,
) -> Result<Answer<WhitelistNow>, Problem> {
    let models = models(&body.models)?;
    let command = Command::PutWhitelist { team: team.clone(), enabled: body.enabled, models };
    let changed = change(&app, actor, command).await?;
    Ok(Answer(WhitelistNow::from(&teams::after(&app, &team, &changed).await?.whitelist)))
}

/// The whitelist, to the team's members.
#[utoipa::path(get, path = "/v1/teams/{team}/whitelist", tag = "control", params(("team" = WireTeam, Path)),
    responses((status = 200, description = "As it stands", body = WhitelistNow),
        (status = 404, description = "Unknown, or the caller is no member")))]
async fn get(
    State(app): State<App>,
    Asking(actor): Asking,
    InPath(team): InPath<TeamId>,
) -> Result<Answer<WhitelistNow>, Problem> {
    sight::team(&app, &actor, &team).await?;
    Ok(Answer(WhitelistNow::from(&teams::current(&app, &team).await?.whitelist)))
}
