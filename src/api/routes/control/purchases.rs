//! Purchases: credits that a subscription's owner buys beside the plan.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::{Json as Answer, http::StatusCode};
use http::HeaderMap;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::subscriptions::{SubscriptionNow, after};
use super::{Asking, change};
use crate::api::ids::{InPath, operation_id};
use crate::api::json::Json;
use crate::api::problem::{Code, Problem};
use crate::api::state::App;
use crate::api::wire::{Amount, AskedAmount, Wire, WireOperation, WireSubscription, WireTime};
use crate::domain::SubscriptionId;
use crate::root::{Command, Outcome};

/// The route of this file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(purchase))
}

/// Credits bought beside the plan.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Purchase {
    /// The purchase's id; granted once. May be sent as `Idempotency-Key` instead.
    id: Option<WireOperation>,
    /// How much.
    #[schema(value_type = AskedAmount)]
    credits: Amount,
    /// Left out: never.
    expires_at: Option<WireTime>,
}

/// A purchase that was made.
#[derive(Serialize, ToSchema)]
struct Purchased {
    /// The purchase's id.
    id: WireOperation,
    /// How much was granted.
    credits: Amount,
    /// Null: never.
    #[schema(required)]
    expires_at: Option<WireTime>,
    /// It was made before, by the same id; nothing was granted now.
    replayed: bool,
    /// As it stands now.
    subscription: SubscriptionNow,
}

/// Adds purchased credits, once per id.
#[utoipa::path(post, path = "/v1/subscriptions/{id}/purchases", tag = "control", request_body = Purchase,
    params(("id" = WireSubscription, Path), ("Idempotency-Key" = Option<WireOperation>, Header)),
    responses((status = 201, description = "Granted", body = Purchased),
        (status = 200, description = "Made before by the same id", body = Purchased),
        (status = 403, description = "Only the subscription's owner may"),
        (status = 409, description = "`too_many_purchases`"), (status = 422, description = "`id_reused` and others")))]
async fn purchase(
    State(app): State<App>,
    Asking(actor): Asking,
    InPath(subscription): InPath<SubscriptionId>,
    headers: HeaderMap,
    Json(body): Json<Purchase>,
) -> Result<Response, Problem> {
    let Some(id) = operation_id(&headers, body.id.map(|id| id.0))? else {
        let detail = "id is missing; name the purchase, so that it is granted once however often it is sent.";
        return Err(Problem::new(Code::MissingField, detail).at("/id"));
    };
    let (credits, expires_at) = (body.credits.0, body.expires_at.map(|at| at.0));
    let command = Command::Purchase { subscription: subscription.clone(), id: id.clone(), credits, expires_at };
    let changed = change(&app, actor, command).await?;
    let replayed = changed.outcome != Outcome::Created;
    let answer = Purchased {
        id: Wire(id),
        credits: body.credits,
        expires_at: body.expires_at,
        replayed,
        subscription: after(&app, &subscription, changed.rows).await?,
    };
    let status = if replayed { StatusCode::OK } else { StatusCode::CREATED };
    Ok((status, Answer(answer)).into_response())
}
