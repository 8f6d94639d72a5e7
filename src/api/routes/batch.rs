//! Many decisions and ends in one request, decided one by one in their order.
//!
//! A row is answered with the body that its own route would answer; where that would be a problem,
//! with the problem, whose pointer begins with the row's place. So one bad row costs the others
//! nothing. Only what is wrong with the body as a whole is a problem of the whole request.
//!
//! All rows are made durable by one wait, after the last: where that fails the whole request is
//! `unavailable`, and the same rows with the same ids may be sent again.

use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::answers::{Decision, written};
use super::asks::DrawBody;
use super::decisions::Turn;
use super::ended::{ExtendedBody, RefundedBody, ReleasedBody, SettledBody};
use super::openapi::ProblemBody;
use super::rows::{ExtendRow, RefundRow, ReleaseRow, Rows, SettleRow};
use crate::api::auth::Caller;
use crate::api::json::{Body, Fault};
use crate::api::problem::Problem;
use crate::api::state::App;
use crate::service::Together;

/// The routes of this file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(batch))
}

/// Rows of operations.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Batch, example = json!({"ops": [
    {"op": "hold", "id": "req-81", "team": "acme", "member": "ana", "credits": "1.25"},
    {"op": "settle", "id": "req-81", "team": "acme", "credits": "0.75"},
    {"op": "refund", "debit": "req-80", "team": "acme"}
]}))]
struct BatchBody<'a> {
    /// At most 1000, or what the configuration says.
    #[serde(borrow)]
    #[schema(value_type = Vec<BatchOp>)]
    ops: Vec<&'a RawValue>,
}

/// One row: what its own route takes, and the id of the path where that has one.
#[derive(ToSchema)]
#[serde(tag = "op", rename_all = "snake_case")]
#[expect(dead_code, reason = "rows are read one by one; this documents them")]
enum BatchOp {
    /// As `POST /v1/debits`.
    Debit(DrawBody),
    /// As `POST /v1/holds`.
    Hold(DrawBody),
    /// As `POST /v1/checks`.
    Check(DrawBody),
    /// As `POST /v1/holds/{id}/settle`.
    Settle(SettleRow),
    /// As `POST /v1/holds/{id}/release`.
    Release(ReleaseRow),
    /// As `POST /v1/holds/{id}/extend`.
    Extend(ExtendRow),
    /// As `POST /v1/debits/{id}/refund`.
    Refund(RefundRow),
}

/// An answer for each row, in their order.
#[derive(ToSchema)]
#[schema(as = BatchAnswer, example = json!({"results": [
    {"decision": "allow", "id": "req-81", "credits": "1.25", "payer": "pool", "subscription": "sub_1",
     "expires_at": "2026-11-22T12:01:00Z", "remaining": {"member": "48.75", "payer": "948.75"}},
    {"charged": "0.75", "returned": "0.5", "debt": "0", "late": false, "remaining": {"member": "49.25", "payer": "949.25"}},
    {"type": "urn:purser:problem:not_found", "title": "Not found", "status": 404, "code": "not_found",
     "detail": "There is no such hold or debit in this team, or of this member; ids are kept for a time.",
     "pointer": "/ops/2"}
]}))]
#[expect(dead_code, reason = "answers are written one by one; this documents them")]
struct BatchAnswer {
    /// As many as rows were sent.
    results: Vec<RowAnswer>,
}

/// What the row's own route would answer; a problem has a `code`, nothing else has.
#[derive(ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "answers are written one by one; this documents them")]
enum RowAnswer {
    /// A debit, a hold or a check.
    Decision(Box<Decision>),
    /// A settle.
    Settled(SettledBody),
    /// A release.
    Released(ReleasedBody),
    /// An extend.
    Extended(ExtendedBody),
    /// A refund.
    Refunded(RefundedBody),
    /// A row that could not be answered otherwise.
    Problem(ProblemBody),
}

/// Decide many at once
///
/// Rows are decided one by one in their order, each as if it came alone: a later row sees what an
/// earlier one has changed, and a row that fails does not undo or stop others.
#[utoipa::path(
    post, path = "/v1/batch", tag = "decisions", request_body = BatchBody<'static>,
    responses((status = 200, body = BatchAnswer, description = "An answer for each row, in their order."))
)]
async fn batch(State(app): State<App>, caller: Caller, body: Body<true>) -> Result<Response, Problem> {
    let BatchBody { ops } = body.read_rows(|body: &BatchBody<'_>| &body.ops)?;
    if ops.len() > app.batch_ops_max {
        let what = format!("has {} rows, more than {}; send several batches", ops.len(), app.batch_ops_max);
        return Err(Fault::invalid(what).in_field("ops").into());
    }
    let together = Together::default();
    let turn = Turn { app: &app, caller: &caller, together: Some(&together) };
    let (start, mut rows) = (app.service.clock().instant(), Rows::new(turn, ops.len()));
    for (at, op) in ops.into_iter().enumerate() {
        if let Some(later) = rows.begin(at, op.get()) {
            rows.go_on(at, op.get(), later).await;
        }
    }
    let (answers, draws) = rows.end();
    app.service.durable_together(together).await?;
    app.service.took(start, draws);
    Ok(written(answers))
}
