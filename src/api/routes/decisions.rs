//! Debits, holds and checks.
//!
//! A handler that is dropped because its caller hung up leaves nothing half done: the engine decides
//! and enters at once, and only the answer waits for durability.

use axum::extract::State;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::answers::{Answer, Decision};
use super::asks::{DrawBody, Key, only_itself};
use crate::api::auth::Caller;
use crate::api::json::Body;
use crate::api::problem::Problem;
use crate::api::state::App;
use crate::domain::OperationId;
use crate::engine::{Draw, Drawn};
use crate::service::Together;

/// The routes of this file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(debit_route)).routes(routes!(hold_route)).routes(routes!(check_route))
}

/// On whose behalf something is asked, and whether its answer is one of several.
#[derive(Clone, Copy)]
pub struct Turn<'a> {
    /// What answers.
    pub app: &'a App,
    /// Who asks.
    pub caller: &'a Caller,
    /// The answers that are made durable by one wait; `None`: this one waits for itself.
    pub together: Option<&'a Together>,
}

impl<'a> Turn<'a> {
    /// One answer for itself.
    pub fn alone(app: &'a App, caller: &'a Caller) -> Self {
        Self { app, caller, together: None }
    }
}

/// Decides a debit or a hold for a caller.
pub async fn draw(turn: Turn<'_>, draw: Draw) -> Result<Decision, Problem> {
    let drawn = drawn(turn, &draw).await?;
    Ok(Decision::new(Some(draw.id), drawn))
}

/// Answers what would be answered; `id` is the one that the caller named.
pub async fn look(turn: Turn<'_>, draw: &Draw, id: Option<OperationId>) -> Result<Decision, Problem> {
    let drawn = looked(turn, draw).await?;
    Ok(Decision::new(id, drawn))
}

/// What a debit or a hold comes to.
pub async fn drawn(turn: Turn<'_>, draw: &Draw) -> Result<Drawn, Problem> {
    only_itself(turn.caller, &draw.member)?;
    Ok(turn.app.service.draw(draw, turn.together).await?)
}

/// What a debit or a hold would come to.
pub async fn looked(turn: Turn<'_>, draw: &Draw) -> Result<Drawn, Problem> {
    only_itself(turn.caller, &draw.member)?;
    Ok(turn.app.service.check(draw).await?)
}

/// Answers a debit.
pub async fn debit(turn: Turn<'_>, key: Key, body: &Body) -> Result<Answer<Decision>, Problem> {
    let asked: DrawBody = body.read()?;
    draw(turn, asked.debit(key)?).await.map(Answer)
}

/// Answers a hold.
pub async fn hold(turn: Turn<'_>, key: Key, body: &Body) -> Result<Answer<Decision>, Problem> {
    let asked: DrawBody = body.read()?;
    draw(turn, asked.hold(key, turn.app)?).await.map(Answer)
}

/// Answers a check.
pub async fn check(turn: Turn<'_>, key: Key, body: &Body) -> Result<Answer<Decision>, Problem> {
    let asked: DrawBody = body.read()?;
    let (draw, id) = asked.check(key, turn.app)?;
    look(turn, &draw, id).await.map(Answer)
}

/// Charge a known cost
///
/// Checks and charges in one step: it fits the member's limit and the payer's credits, or nothing
/// changes. The same id with the same content gets the first answer again.
#[utoipa::path(
    post, path = "/v1/debits", tag = "decisions", request_body = DrawBody,
    params(("Idempotency-Key" = Option<String>, Header, description = "The operation's id, instead of `id`.")),
    responses((status = 200, body = Decision, description = "Allowed or denied; a denial is data."))
)]
async fn debit_route(
    State(app): State<App>,
    caller: Caller,
    key: Key,
    body: Body,
) -> Result<Answer<Decision>, Problem> {
    debit(Turn::alone(&app, &caller), key, &body).await
}

/// Set an estimated cost aside
///
/// Stays until it is settled or released, or until `ttl_ms` have passed.
#[utoipa::path(
    post, path = "/v1/holds", tag = "decisions", request_body = DrawBody,
    params(("Idempotency-Key" = Option<String>, Header, description = "The operation's id, instead of `id`.")),
    responses((status = 200, body = Decision, description = "Allowed or denied; a denial is data."))
)]
async fn hold_route(State(app): State<App>, caller: Caller, key: Key, body: Body) -> Result<Answer<Decision>, Problem> {
    hold(Turn::alone(&app, &caller), key, &body).await
}

/// Ask what would be answered
///
/// What a debit would answer at this moment, `remaining` included; with `ttl_ms` or `min_credits`, what
/// a hold would.
/// Changes nothing, needs no id and remembers none.
#[utoipa::path(
    post, path = "/v1/checks", tag = "decisions", request_body = DrawBody,
    responses((status = 200, body = Decision, description = "Would be allowed or denied."))
)]
async fn check_route(
    State(app): State<App>,
    caller: Caller,
    key: Key,
    body: Body,
) -> Result<Answer<Decision>, Problem> {
    check(Turn::alone(&app, &caller), key, &body).await
}
