//! Debits, holds and checks.
//!
//! A handler that is dropped because its caller hung up leaves nothing half done: the engine decides
//! and enters at once, and only the answer waits for durability.

use axum::extract::State;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::answers::{Answer, Decision};
use super::asks::{DebitBody, HoldBody, Key, only_itself};
use crate::api::auth::Caller;
use crate::api::json::Body;
use crate::api::problem::Problem;
use crate::api::state::App;
use crate::domain::OperationId;
use crate::engine::Draw;

/// The routes of this file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(debit)).routes(routes!(hold)).routes(routes!(check))
}

/// Decides a debit or a hold for a caller.
pub async fn draw(app: &App, caller: &Caller, draw: &Draw) -> Result<Decision, Problem> {
    only_itself(caller, &draw.member)?;
    let drawn = app.service.draw(draw).await?;
    Ok(Decision::new(Some(draw.id.clone()), drawn))
}

/// Answers what would be answered; `id` is the one that the caller named.
pub async fn look(app: &App, caller: &Caller, draw: &Draw, id: Option<OperationId>) -> Result<Decision, Problem> {
    only_itself(caller, &draw.member)?;
    let drawn = app.service.check(draw).await?;
    Ok(Decision::new(id, drawn))
}

/// Charge a known cost
///
/// Checks and charges in one step: it fits the member's limit and the payer's credits, or nothing
/// changes. The same id with the same content gets the first answer again.
#[utoipa::path(
    post, path = "/v1/debits", tag = "decisions", request_body = DebitBody,
    params(("Idempotency-Key" = Option<String>, Header, description = "The operation's id, instead of `id`.")),
    responses((status = 200, body = Decision, description = "Allowed or denied; a denial is data."))
)]
async fn debit(State(app): State<App>, caller: Caller, key: Key, body: Body) -> Result<Answer<Decision>, Problem> {
    let asked: DebitBody = body.read()?;
    draw(&app, &caller, &asked.draw(key)?).await.map(Answer)
}

/// Set an estimated cost aside
///
/// Stays until it is settled or released, or until `ttl_ms` have passed.
#[utoipa::path(
    post, path = "/v1/holds", tag = "decisions", request_body = HoldBody,
    params(("Idempotency-Key" = Option<String>, Header, description = "The operation's id, instead of `id`.")),
    responses((status = 200, body = Decision, description = "Allowed or denied; a denial is data."))
)]
async fn hold(State(app): State<App>, caller: Caller, key: Key, body: Body) -> Result<Answer<Decision>, Problem> {
    let asked: HoldBody = body.read()?;
    draw(&app, &caller, &asked.hold(key, &app)?).await.map(Answer)
}

/// Ask what would be answered
///
/// What a debit would answer at this moment; with `ttl_ms` or `min_credits`, what a hold would.
/// Changes nothing, needs no id and remembers none.
#[utoipa::path(
    post, path = "/v1/checks", tag = "decisions", request_body = HoldBody,
    responses((status = 200, body = Decision, description = "Would be allowed or denied."))
)]
async fn check(State(app): State<App>, caller: Caller, key: Key, body: Body) -> Result<Answer<Decision>, Problem> {
    let asked: HoldBody = body.read()?;
    let (draw, id) = asked.check(key, &app)?;
    look(&app, &caller, &draw, id).await.map(Answer)
}
