//! Members: added, changed, removed, listed with what they drew.

use axum::Json as Answer;
use axum::extract::{FromRequestParts, MatchedPath, State};
use axum::response::Response;
use axum::routing;
use http::StatusCode;
use http::request::Parts;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::query::{PAGE_ROWS, Parameters, Question};
use super::refusal::{not_found, unable};
use super::words::{AccessWord, RoleWord};
use super::{Asking, change, sight};
use crate::api::ids::InPath;
use crate::api::json::Json;
use crate::api::problem::Problem;
use crate::api::routes::balances::LentBody;
use crate::api::state::App;
use crate::api::wire::{Amount, AskedAmount, Patch as Field, Wire, WireTeam, WireUser};
use crate::domain::{Credits, Role, TeamId, UserId};
use crate::engine::balance::{MemberBalance, Standing};
use crate::root::{Command, Patch, Settings};
use crate::service::MemberView;

/// The routes of this file.
pub fn routes() -> OpenApiRouter<App> {
    let bulk = routing::put(put).patch(patch).delete(remove);
    OpenApiRouter::new().routes(routes!(put, patch, remove)).routes(routes!(list)).route(BULK_PATH, bulk)
}

/// The member that a path names. The address of bulk changes is also that of a user called `bulk`.
pub struct OfMember(TeamId, UserId);

impl FromRequestParts<App> for OfMember {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let is_bulk = parts.extensions.get::<MatchedPath>().is_some_and(|path| path.as_str() == BULK_PATH);
        if is_bulk {
            let InPath(team) = InPath::<TeamId>::from_request_parts(parts, app).await?;
            return Ok(Self(team, UserId::new("bulk").expect("it has the characters of an id")));
        }
        let InPath((team, user)) = InPath::<(TeamId, UserId)>::from_request_parts(parts, app).await?;
        Ok(Self(team, user))
    }
}

/// Where bulk changes are asked for.
const BULK_PATH: &str = "/v1/teams/{team}/members/bulk";

/// All settings of a member; what is left out has its default, whatever stood before.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PutMember {
    /// Left out: `member`, or `owner` for the team's owner, who changes only by handing over.
    role: Option<RoleWord>,
    /// Left out: `personal`.
    access: Option<AccessWord>,
    /// The most it may draw on the pool in one window. Left out or null: no limit.
    #[schema(value_type = Option<AskedAmount>)]
    limit: Option<Amount>,
    /// Left out: false.
    opted_out: Option<bool>,
}

/// What changes of a member; the rest stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PatchMember {
    /// Left out: stays.
    role: Option<RoleWord>,
    /// Left out: stays.
    access: Option<AccessWord>,
    /// Null takes the limit away.
    #[serde(default)]
    #[schema(value_type = Option<AskedAmount>)]
    limit: Field<Amount>,
    /// Acts as `personal` by own choice, or no longer. Left out: stays.
    opted_out: Option<bool>,
}

/// What `limit` of a patch means: left out keeps, null takes away.
pub fn limit(field: Field<Amount>) -> Option<Option<Credits>> {
    match field {
        Field::Keep => None,
        Field::Clear => Some(None),
        Field::Set(Amount(limit)) => Some(Some(limit)),
    }
}

/// A member as it stands.
#[derive(Serialize, ToSchema)]
pub struct MemberNow {
    /// Who it is.
    member: WireUser,
    /// What it may do in the team.
    role: RoleWord,
    /// As it was given.
    pub access: AccessWord,
    /// Acts as `personal` by own choice.
    opted_out: bool,
    /// What it acts as.
    effective_access: AccessWord,
    /// The most it may draw on the pool in one window; null: no limit.
    #[schema(required)]
    pub limit: Option<Amount>,
    /// What it drew on the pool in this window.
    used: Amount,
    /// What its open holds on the pool set aside.
    held: Amount,
    /// What of the limit is lent to sidecars.
    #[serde(flatten)]
    lent: LentBody,
}

impl From<MemberView> for MemberNow {
    fn from(MemberView { balance, lent }: MemberView) -> Self {
        let MemberBalance { member, used, held, .. } = balance;
        Self {
            role: member.role.into(),
            access: member.access.into(),
            opted_out: member.opted_out,
            effective_access: member.effective_access().into(),
            limit: member.limit.map(Amount),
            used: Amount(used),
            held: Amount(held),
            member: Wire(member.user),
            lent: lent.into(),
        }
    }
}

/// A page of members.
#[derive(Serialize, ToSchema)]
struct Members {
    /// By user id.
    members: Vec<MemberNow>,
    /// Asks for the next page; null on the last one.
    #[schema(required)]
    next_cursor: Option<String>,
}

/// The member after a change, which the engine has followed.
async fn after(app: &App, team: &TeamId, user: &UserId) -> Result<MemberNow, Problem> {
    let changed = app.service.member_changed(team, user).await;
    changed.map(MemberNow::from).ok_or_else(|| not_found("member", user))
}

/// Adds a member or replaces its settings as a whole; what it used stays.
#[utoipa::path(put, path = "/v1/teams/{team}/members/{member}", tag = "control", request_body = PutMember,
    params(("team" = WireTeam, Path), ("member" = WireUser, Path)),
    responses((status = 200, description = "Changed", body = MemberNow),
        (status = 201, description = "Added", body = MemberNow),
        (status = 403, description = "Only the team's owner and admins may"),
        (status = 409, description = "`no_free_seat`, `no_subscription`, `is_owner`, `too_many_members`")))]
async fn put(
    State(app): State<App>,
    Asking(actor): Asking,
    OfMember(team, user): OfMember,
    Json(body): Json<PutMember>,
) -> Result<Response, Problem> {
    let is_owner = app.service.standing(&team, &user) == Standing::Member(Role::Owner);
    let settings = Settings {
        role: body.role.map_or(if is_owner { Role::Owner } else { Role::Member }, Role::from),
        access: body.access.map_or_else(Default::default, Into::into),
        limit: body.limit.map(|limit| limit.0),
        opted_out: body.opted_out.unwrap_or_default(),
    };
    let command = Command::PutMember { team: team.clone(), user: user.clone(), settings };
    let changed = change(&app, actor, command).await?;
    Ok(changed.answer(after(&app, &team, &user).await?))
}

/// Changes some of a member's settings. Everybody may change the own `opted_out`.
#[utoipa::path(patch, path = "/v1/teams/{team}/members/{member}", tag = "control", request_body = PatchMember,
    params(("team" = WireTeam, Path), ("member" = WireUser, Path)),
    responses((status = 200, description = "Changed", body = MemberNow),
        (status = 403, description = "The caller's role does not allow it"),
        (status = 404, description = "No such team or member"),
        (status = 409, description = "`no_free_seat`, `no_subscription`, `is_owner`")))]
async fn patch(
    State(app): State<App>,
    Asking(actor): Asking,
    OfMember(team, user): OfMember,
    Json(body): Json<PatchMember>,
) -> Result<Response, Problem> {
    let patch = Patch {
        role: body.role.map(Into::into),
        access: body.access.map(Into::into),
        limit: limit(body.limit),
        opted_out: body.opted_out,
    };
    let changed = change(&app, actor, Command::PatchMember { team: team.clone(), user: user.clone(), patch }).await?;
    Ok(changed.answer(after(&app, &team, &user).await?))
}

/// Takes a member out of the team; its seat becomes free, what it used is kept.
#[utoipa::path(delete, path = "/v1/teams/{team}/members/{member}", tag = "control",
    params(("team" = WireTeam, Path), ("member" = WireUser, Path)),
    responses((status = 204, description = "Removed"),
        (status = 403, description = "Only the team's owner and admins may"),
        (status = 404, description = "No such team or member"), (status = 409, description = "`is_owner`")))]
async fn remove(
    State(app): State<App>,
    Asking(actor): Asking,
    OfMember(team, user): OfMember,
) -> Result<StatusCode, Problem> {
    change(&app, actor, Command::RemoveMember { team, user }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The team's members by id, to its members.
#[utoipa::path(get, path = "/v1/teams/{team}/members", tag = "control",
    params(("team" = WireTeam, Path), ("cursor" = Option<String>, Query),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 500)),
    responses((status = 200, description = "A page", body = Members),
        (status = 404, description = "Unknown, or the caller is no member")))]
async fn list(
    State(app): State<App>,
    Asking(actor): Asking,
    InPath(team): InPath<TeamId>,
    mut parameters: Parameters,
) -> Result<Answer<Members>, Problem> {
    sight::team(&app, &actor, &team).await?;
    let question = Question::new("members", &team);
    let limit = parameters.limit()?.unwrap_or(PAGE_ROWS);
    let after = parameters.cursor(&question, |text| UserId::new(text).ok())?;
    parameters.finish()?;
    let mut page = app.service.members(&team, after.as_ref(), limit + 1).await.map_err(|e| unable(&e))?;
    let next_cursor = question.page(&mut page, limit, |member| member.user.to_string());
    // The engine has followed every change that the store answers, and may know of later ones.
    let views = app.service.member_views(&team, &page).await.map_err(|e| unable(&e))?;
    Ok(Answer(Members { members: views.into_iter().map(MemberNow::from).collect(), next_cursor }))
}
