//! Teams: created, renamed, handed over, listed; and the subscription that is a team's pool.

use axum::Json as Answer;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::query::{PAGE_ROWS, Parameters, Question};
use super::refusal::{not_found, unable};
use super::whitelist::WhitelistNow;
use super::{Asking, Changed, change, sight};
use crate::api::ids::InPath;
use crate::api::json::Json;
use crate::api::problem::Problem;
use crate::api::state::App;
use crate::api::wire::{Wire, WireSubscription, WireTeam, WireUser};
use crate::domain::{Team, TeamId};
use crate::root::{Actor, Command, Row};

/// The routes of this file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(put, get)).routes(routes!(list)).routes(routes!(assign, unassign))
}

/// What a team is called and who owns it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PutTeam {
    /// Left out: as it stands; of a new team, its id.
    name: Option<String>,
    /// Left out: as it stands; of a new team, the user who asks.
    owner: Option<WireUser>,
}

/// Which subscription becomes the pool.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Assign {
    /// The id of a subscription that the caller owns.
    subscription: WireSubscription,
}

/// A team as it stands.
#[derive(Serialize, ToSchema)]
pub struct TeamNow {
    /// Its id.
    id: WireTeam,
    /// What people call it.
    name: String,
    /// Who may do everything in it.
    owner: WireUser,
    /// The subscription whose credits are its pool.
    #[schema(required)]
    subscription: Option<WireSubscription>,
    /// The models that its owner allows.
    whitelist: WhitelistNow,
    /// How many members there are.
    members: u32,
    /// How many of them take a seat, opted out or not.
    seats_taken: u32,
}

impl From<Team> for TeamNow {
    fn from(team: Team) -> Self {
        Self {
            id: Wire(team.id),
            name: team.name,
            owner: Wire(team.owner),
            subscription: team.subscription.map(Wire),
            whitelist: WhitelistNow::from(&team.whitelist),
            members: team.members,
            seats_taken: team.seats_taken,
        }
    }
}

/// A page of teams.
#[derive(Serialize, ToSchema)]
struct Teams {
    /// By id.
    teams: Vec<TeamNow>,
    /// Asks for the next page; null on the last one.
    #[schema(required)]
    next_cursor: Option<String>,
}

/// The team that a change left, or that stands where nothing changed.
pub async fn after(app: &App, id: &TeamId, changed: &Changed) -> Result<Team, Problem> {
    let row = changed.rows.iter().find_map(|row| match row {
        Row::Team(team) if team.id == *id => Some(team.clone()),
        _ => None,
    });
    match row {
        Some(team) => Ok(team),
        None => current(app, id).await,
    }
}

/// A team as it was last saved.
pub async fn current(app: &App, id: &TeamId) -> Result<Team, Problem> {
    app.service.team(id).await.map_err(|e| unable(&e))?.ok_or_else(|| not_found("team", id))
}

/// Creates a team, renames it or hands it over.
#[utoipa::path(put, path = "/v1/teams/{team}", tag = "control", request_body = PutTeam,
    params(("team" = WireTeam, Path)),
    responses((status = 200, description = "Changed", body = TeamNow),
        (status = 201, description = "Created", body = TeamNow),
        (status = 403, description = "Only its owner may"),
        (status = 409, description = "`not_a_member`: the new owner is none")))]
async fn put(
    State(app): State<App>,
    Asking(actor): Asking,
    InPath(id): InPath<TeamId>,
    Json(body): Json<PutTeam>,
) -> Result<Response, Problem> {
    let command = Command::PutTeam { id: id.clone(), name: body.name, owner: body.owner.map(|owner| owner.0) };
    let changed = change(&app, actor, command).await?;
    let team = after(&app, &id, &changed).await?;
    Ok(changed.answer(TeamNow::from(team)))
}

/// A team, to its members.
#[utoipa::path(get, path = "/v1/teams/{team}", tag = "control", params(("team" = WireTeam, Path)),
    responses((status = 200, description = "As it stands", body = TeamNow),
        (status = 404, description = "Unknown, or the caller is no member")))]
async fn get(
    State(app): State<App>,
    Asking(actor): Asking,
    InPath(id): InPath<TeamId>,
) -> Result<Answer<TeamNow>, Problem> {
    sight::team(&app, &actor, &id).await?;
    Ok(Answer(current(&app, &id).await?.into()))
}

/// The caller's teams, or all teams for an admin token, by id.
#[utoipa::path(get, path = "/v1/teams", tag = "control",
    params(("cursor" = Option<String>, Query), ("limit" = Option<u32>, Query, minimum = 1, maximum = 500)),
    responses((status = 200, description = "A page", body = Teams)))]
async fn list(
    State(app): State<App>,
    Asking(actor): Asking,
    mut parameters: Parameters,
) -> Result<Answer<Teams>, Problem> {
    let of = match &actor {
        Actor::Service(_) => None,
        Actor::User(user) => Some(user),
    };
    let question = Question::new("teams", of);
    let limit = parameters.limit()?.unwrap_or(PAGE_ROWS);
    let after = parameters.cursor(&question, |text| TeamId::new(text).ok())?;
    parameters.finish()?;
    let mut teams = app.service.teams(of, after.as_ref(), limit + 1).await.map_err(|e| unable(&e))?;
    let next_cursor = question.page(&mut teams, limit, |team| team.id.to_string());
    Ok(Answer(Teams { teams: teams.into_iter().map(TeamNow::from).collect(), next_cursor }))
}

/// Makes a subscription's credits the team's pool. Restores no access.
#[utoipa::path(put, path = "/v1/teams/{team}/subscription", tag = "control", request_body = Assign,
    params(("team" = WireTeam, Path)),
    responses((status = 200, description = "Assigned", body = TeamNow),
        (status = 403, description = "Only the subscription's owner may"),
        (status = 409, description = "`already_assigned`")))]
async fn assign(
    State(app): State<App>,
    Asking(actor): Asking,
    InPath(team): InPath<TeamId>,
    Json(body): Json<Assign>,
) -> Result<Answer<TeamNow>, Problem> {
    let command = Command::Assign { team: team.clone(), subscription: body.subscription.0 };
    let changed = change(&app, actor, command).await?;
    Ok(Answer(after(&app, &team, &changed).await?.into()))
}

/// Takes the subscription from the team; every member's access becomes `personal`.
#[utoipa::path(delete, path = "/v1/teams/{team}/subscription", tag = "control", params(("team" = WireTeam, Path)),
    responses((status = 204, description = "Unassigned"),
        (status = 403, description = "Only the subscription's owner may"),
        (status = 404, description = "No such team, or it has no subscription")))]
async fn unassign(
    State(app): State<App>,
    Asking(actor): Asking,
    InPath(team): InPath<TeamId>,
) -> Result<StatusCode, Problem> {
    change(&app, actor, Command::Unassign { team }).await?;
    Ok(StatusCode::NO_CONTENT)
}
