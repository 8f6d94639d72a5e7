//! Debits, holds and checks.
//!
//! A handler that is dropped because its caller hung up leaves nothing half done: the engine decides
//! and enters at once, and only the answer waits for durability.

use axum::extract::State;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::answers::{Answer, Decision};
use super::asks::{Asked, DrawBody, Key, only_itself};
use crate::api::auth::Caller;
use crate::api::json::Body;
use crate::api::problem::Problem;
use crate::api::state::App;
use crate::domain::{OperationId, SubscriptionId, Timestamp};
use crate::engine::Drawn;
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
pub async fn draw(turn: Turn<'_>, asked: Asked) -> Result<Decision, Problem> {
    let (drawn, output_tokens) = drawn(turn, &asked).await?;
    Ok(Decision::new(Some(asked.draw.id), drawn, output_tokens))
}

/// Answers what would be answered; `id` is the one that the caller named.
pub async fn look(turn: Turn<'_>, asked: Asked, id: Option<OperationId>) -> Result<Decision, Problem> {
    let (drawn, output_tokens) = looked(turn, &asked).await?;
    Ok(Decision::new(id, drawn, output_tokens))
}

/// What a debit or a hold comes to, and how long the answer may be that a hold pays for which was asked with a usage.
pub async fn drawn(turn: Turn<'_>, asked: &Asked) -> Result<(Drawn, Option<u64>), Problem> {
    only_itself(turn.caller, &asked.draw.member)?;
    let drawn = turn.app.service.draw(&asked.draw, turn.together).await.map_err(|fault| asked.problem(fault))?;
    let output_tokens = output_tokens(turn, asked, &drawn);
    Ok((drawn, output_tokens))
}

/// As [`drawn`], at once and as of `now`, for who decides many: what it has entered must be durable before it is answered.
/// [`Drawn::Short`] is no answer: that one goes on with [`drawn_lent`].
#[inline]
pub fn drawn_now(turn: Turn<'_>, asked: &Asked, now: Timestamp) -> Result<(Drawn, Option<u64>), Problem> {
    only_itself(turn.caller, &asked.draw.member)?;
    let drawn = turn.app.service.draw_now(&asked.draw, now).map_err(|fault| asked.problem(fault))?;
    let output_tokens = output_tokens(turn, asked, &drawn);
    Ok((drawn, output_tokens))
}

/// What a debit or a hold comes to that was short of a lease of `subscription`.
pub async fn drawn_lent(
    turn: Turn<'_>,
    asked: &Asked,
    subscription: SubscriptionId,
) -> Result<(Drawn, Option<u64>), Problem> {
    let drawn = turn.app.service.draw_lent(&asked.draw, subscription).await.map_err(|fault| asked.problem(fault))?;
    let output_tokens = output_tokens(turn, asked, &drawn);
    Ok((drawn, output_tokens))
}

/// What a debit or a hold would come to, as [`drawn`] tells it.
pub async fn looked(turn: Turn<'_>, asked: &Asked) -> Result<(Drawn, Option<u64>), Problem> {
    only_itself(turn.caller, &asked.draw.member)?;
    let drawn = turn.app.service.check(&asked.draw).await.map_err(|fault| asked.problem(fault))?;
    let output_tokens = output_tokens(turn, asked, &drawn);
    Ok((drawn, output_tokens))
}

#[inline]
fn output_tokens(turn: Turn<'_>, asked: &Asked, drawn: &Drawn) -> Option<u64> {
    let (Some(usage), Drawn::Allowed(allowed)) = (&asked.usage, drawn) else { return None };
    turn.app.service.output_tokens(asked.draw.ask.model.as_ref(), usage, allowed)
}

/// Answers a debit.
pub async fn debit(turn: Turn<'_>, key: Key, body: &Body) -> Result<Answer<Decision>, Problem> {
    let asked: DrawBody = body.read()?;
    draw(turn, asked.debit(key, turn.app)?).await.map(Answer)
}

/// Answers a hold.
pub async fn hold(turn: Turn<'_>, key: Key, body: &Body) -> Result<Answer<Decision>, Problem> {
    let asked: DrawBody = body.read()?;
    draw(turn, asked.hold(key, turn.app)?).await.map(Answer)
}

/// Answers a check.
pub async fn check(turn: Turn<'_>, key: Key, body: &Body) -> Result<Answer<Decision>, Problem> {
    let asked: DrawBody = body.read()?;
    let (asked, id) = asked.check(key, turn.app)?;
    look(turn, asked, id).await.map(Answer)
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
