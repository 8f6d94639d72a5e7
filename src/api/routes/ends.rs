//! How draws end or are undone: settle, release, extend, refund.
//!
//! None of them is refused for lack of credits. One that cannot be made durable is a problem
//! (`unavailable`) and no denial: it may be sent again as it is.

use axum::extract::State;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::answers::Answer;
use super::asks::{ExtendBody, Key, Place, RefundBody, ReleaseBody, SettleBody, cost, ttl};
use super::decisions::Turn;
use super::ended::{ExtendedBody, RefundedBody, ReleasedBody, SettledBody};
use super::faults::unpriced;
use crate::api::auth::Caller;
use crate::api::ids::InPath;
use crate::api::json::Body;
use crate::api::problem::Problem;
use crate::api::state::App;
use crate::api::wire::WireOperation;
use crate::domain::OperationId;
use crate::engine::{Ended, Settled};
use crate::service::{EndError, Taken};

/// The routes of this file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(settle_route))
        .routes(routes!(release_route))
        .routes(routes!(extend_route))
        .routes(routes!(refund_route))
}

/// Ends a hold with its real cost.
pub async fn settle(turn: Turn<'_>, id: &OperationId, asked: SettleBody) -> Result<Taken<Settled>, Problem> {
    let place = Place::new(asked.team, asked.member)?;
    let cost = cost(asked.credits, asked.usage)?;
    place.check(turn.caller, turn.app, id)?;
    let model = asked.model.as_ref().map(|model| &model.0);
    let settled = turn.app.service.settle_cost(&place.scope, id, &cost, model, turn.together).await;
    settled.map_err(|error| match error {
        EndError::Unpriced(why) => unpriced(why, model),
        error => error.into(),
    })
}

/// Cancels a hold.
pub async fn release(turn: Turn<'_>, id: &OperationId, asked: ReleaseBody) -> Result<Taken<Ended>, Problem> {
    let place = Place::new(asked.team, asked.member)?;
    place.check(turn.caller, turn.app, id)?;
    Ok(turn.app.service.release(&place.scope, id, turn.together).await?)
}

/// Gives a hold a new expiry.
pub async fn extend(turn: Turn<'_>, id: &OperationId, asked: ExtendBody) -> Result<Taken<Ended>, Problem> {
    let place = Place::new(asked.team, asked.member)?;
    let ttl_millis = ttl(Some(asked.ttl_ms), turn.app)?;
    place.check(turn.caller, turn.app, id)?;
    Ok(turn.app.service.extend(&place.scope, id, ttl_millis, turn.together).await?)
}

/// Gives a debit back; a part of it under the refund's own id.
pub async fn refund(turn: Turn<'_>, debit: &OperationId, key: Key, asked: RefundBody) -> Result<Taken<Ended>, Problem> {
    let place = Place::new(asked.team, asked.member)?;
    let part = match asked.credits {
        Some(credits) => Some((key.needed(asked.id)?, credits.0)),
        None => None,
    };
    place.check(turn.caller, turn.app, debit)?;
    let part = part.as_ref().map(|(id, credits)| (id, *credits));
    Ok(turn.app.service.refund(&place.scope, debit, part, turn.together).await?)
}

/// The answer over HTTP.
pub fn answer<T, B: From<Taken<T>>>(taken: Taken<T>) -> Answer<B> {
    Answer(taken.into())
}

/// Settle a hold
///
/// The real cost is charged in full, also above the hold: what the payer cannot cover becomes debt.
/// Settling again with the same cost gets the first answer again. Where sidecars share a store, any of them takes
/// the end of a draw: one that has not entered it answers `pending: true`, and who has it is told with its next sync.
#[utoipa::path(
    post, path = "/v1/holds/{id}/settle", tag = "decisions", request_body = SettleBody,
    params(("id" = WireOperation, Path, description = "The hold.")),
    responses((status = 200, body = SettledBody, description = "Settled."))
)]
async fn settle_route(
    State(app): State<App>,
    caller: Caller,
    InPath(id): InPath<OperationId>,
    body: Body,
) -> Result<Answer<SettledBody>, Problem> {
    settle(Turn::alone(&app, &caller), &id, body.read()?).await.map(answer)
}

/// Release a hold
///
/// Cancels it; all that was set aside returns.
#[utoipa::path(
    post, path = "/v1/holds/{id}/release", tag = "decisions", request_body = ReleaseBody,
    params(("id" = WireOperation, Path, description = "The hold.")),
    responses((status = 200, body = ReleasedBody, description = "Released."))
)]
async fn release_route(
    State(app): State<App>,
    caller: Caller,
    InPath(id): InPath<OperationId>,
    body: Body,
) -> Result<Answer<ReleasedBody>, Problem> {
    release(Turn::alone(&app, &caller), &id, body.read()?).await.map(answer)
}

/// Extend a hold
///
/// A new expiry, counted from now.
#[utoipa::path(
    post, path = "/v1/holds/{id}/extend", tag = "decisions", request_body = ExtendBody,
    params(("id" = WireOperation, Path, description = "The hold.")),
    responses((status = 200, body = ExtendedBody, description = "Extended."))
)]
async fn extend_route(
    State(app): State<App>,
    caller: Caller,
    InPath(id): InPath<OperationId>,
    body: Body,
) -> Result<Answer<ExtendedBody>, Problem> {
    extend(Turn::alone(&app, &caller), &id, body.read()?).await.map(answer)
}

/// Refund a debit
///
/// Without `credits` gives back all that is left, once. A part needs the refund's own id.
#[utoipa::path(
    post, path = "/v1/debits/{id}/refund", tag = "decisions", request_body = RefundBody,
    params(
        ("id" = WireOperation, Path, description = "The debit."),
        ("Idempotency-Key" = Option<String>, Header, description = "The refund's own id, instead of `id`."),
    ),
    responses((status = 200, body = RefundedBody, description = "Refunded."))
)]
async fn refund_route(
    State(app): State<App>,
    caller: Caller,
    key: Key,
    InPath(debit): InPath<OperationId>,
    body: Body,
) -> Result<Answer<RefundedBody>, Problem> {
    refund(Turn::alone(&app, &caller), &debit, key, body.read()?).await.map(answer)
}
