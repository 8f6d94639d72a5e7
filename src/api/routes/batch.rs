//! Many decisions and ends in one request, decided one by one in their order.
//!
//! A row is answered with the body that its own route would answer; where that would be a problem,
//! with the problem, whose pointer begins with the row's place. So one bad row costs the others
//! nothing. Only what is wrong with the body as a whole is a problem of the whole request.
//!
//! All rows are made durable by one wait, after the last: where that fails the whole request is
//! `unavailable`, and the same rows with the same ids may be sent again.

use std::str::FromStr;

use axum::extract::State;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::answers::{ANSWER_BYTES, Decision, write, written};
use super::asks::{DrawBody, ExtendBody, Key, RefundBody, ReleaseBody, SettleBody, TtlMillis, UsageField};
use super::decisions::{self, Turn, drawn_lent, drawn_now};
use super::ended::{ExtendedBody, RefundedBody, ReleasedBody, SettledBody};
use super::ends;
use super::openapi::ProblemBody;
use crate::api::auth::Caller;
use crate::api::json::{Body, Fault, read};
use crate::api::problem::Problem;
use crate::api::state::App;
use crate::api::wire::{Amount, AskedAmount, KnownOp, Op, WireModel, WireOperation, WireTeam, WireUser};
use crate::domain::Timestamp;
use crate::engine::Drawn;
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

/// Settles a hold.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SettleRow {
    /// The hold.
    id: WireOperation,
    /// The team that the hold named.
    team: Option<WireTeam>,
    /// Who held; needed where no team was named.
    member: Option<WireUser>,
    /// The real cost; `usage` may be there instead.
    #[schema(value_type = Option<AskedAmount>)]
    credits: Option<Amount>,
    /// What the rate card prices, as it stood when the hold was given.
    usage: Option<UsageField>,
    /// For which model usage is priced where the hold named none, or is not known here; else the hold's counts.
    model: Option<WireModel>,
}

/// Releases a hold.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ReleaseRow {
    /// The hold.
    id: WireOperation,
    /// The team that the hold named.
    team: Option<WireTeam>,
    /// Who held; needed where no team was named.
    member: Option<WireUser>,
}

/// Extends a hold.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ExtendRow {
    /// The hold.
    id: WireOperation,
    /// The team that the hold named.
    team: Option<WireTeam>,
    /// Who held; needed where no team was named.
    member: Option<WireUser>,
    /// How long it stays open from now.
    ttl_ms: TtlMillis,
}

/// Refunds a debit.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RefundRow {
    /// The debit.
    debit: WireOperation,
    /// The refund's own id, needed with `credits`.
    id: Option<WireOperation>,
    /// The team that the debit named.
    team: Option<WireTeam>,
    /// Who drew; needed where no team was named.
    member: Option<WireUser>,
    /// How much; all that is left when left out.
    #[schema(value_type = Option<AskedAmount>)]
    credits: Option<Amount>,
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
    let (start, mut answers) = (app.service.clock().instant(), Answers::new(ops.len()));
    let mut at_once = AtOnce { now: app.service.clock().now(), draws: 0 };
    for (at, op) in ops.into_iter().enumerate() {
        if let Err(problem) = row(turn, &mut at_once, op.get(), &mut answers).await {
            answers.put(&in_row(at, problem));
        }
    }
    app.service.durable_together(together).await?;
    app.service.took(start, at_once.draws);
    Ok(written(answers.whole()))
}

/// The bodies of answers, one for each row.
struct Answers(Vec<u8>);

impl Answers {
    fn new(rows: usize) -> Self {
        let mut bytes = Vec::with_capacity(ANSWER_BYTES + rows * ANSWER_BYTES);
        bytes.extend_from_slice(br#"{"results":["#);
        Self(bytes)
    }

    fn put(&mut self, answer: &impl Serialize) {
        if self.0.last() != Some(&b'[') {
            self.0.push(b',');
        }
        write(&mut self.0, answer);
    }

    fn whole(mut self) -> Vec<u8> {
        self.0.extend_from_slice(b"]}");
        self.0
    }
}

/// What is decided at once: as of when, and how much so far.
struct AtOnce {
    now: Timestamp,
    draws: usize,
}

/// A row that draws, or asks what that would be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DrawOp {
    Debit,
    Hold,
    Check,
}

impl FromStr for DrawOp {
    type Err = ();

    fn from_str(op: &str) -> Result<Self, ()> {
        match op {
            "debit" => Ok(Self::Debit),
            "hold" => Ok(Self::Hold),
            "check" => Ok(Self::Check),
            _ => Err(()),
        }
    }
}

/// Answers a row. One that draws is mostly plain, and then is read once and decided without waiting.
async fn row(turn: Turn<'_>, at_once: &mut AtOnce, text: &str, answers: &mut Answers) -> Result<(), Problem> {
    match serde_json::from_str(text) {
        Ok(KnownOp { op, body }) => draw(turn, at_once, (op, body), answers).await,
        Err(_) => other(turn, at_once, text, answers).await,
    }
}

async fn draw(
    turn: Turn<'_>,
    at_once: &mut AtOnce,
    (op, body): (DrawOp, DrawBody),
    answers: &mut Answers,
) -> Result<(), Problem> {
    let asked = match op {
        DrawOp::Debit => body.debit(Key::default(), turn.app)?,
        DrawOp::Hold => body.hold(Key::default(), turn.app)?,
        DrawOp::Check => {
            let (asked, id) = body.check(Key::default(), turn.app)?;
            answers.put(&decisions::look(turn, asked, id).await?);
            return Ok(());
        }
    };
    let (drawn, output_tokens) = match drawn_now(turn, &asked, at_once.now)? {
        (Drawn::Short(subscription), _) => {
            let drawn = drawn_lent(turn, &asked, subscription).await;
            at_once.now = turn.app.service.clock().now();
            drawn?
        }
        drawn => {
            at_once.draws += 1;
            drawn
        }
    };
    turn.together.into_iter().for_each(|together| together.join(&Together::of(&drawn)));
    answers.put(&Decision::new(Some(asked.draw.id), drawn, output_tokens));
    Ok(())
}

/// Answers a row that ends or undoes a draw, or says what is wrong with it.
async fn other(turn: Turn<'_>, at_once: &mut AtOnce, text: &str, answers: &mut Answers) -> Result<(), Problem> {
    match &*Op::kind(text)? {
        op @ ("debit" | "hold" | "check") => {
            let op = op.parse().expect("it is one of those");
            let Op(body) = read::<Op<DrawBody>>(text)?;
            draw(turn, at_once, (op, body), answers).await?;
        }
        "settle" => {
            let Op(SettleRow { id, team, member, credits, usage, model }) = read(text)?;
            let asked = SettleBody { team, member, credits, usage, model };
            answers.put(&SettledBody::from(ends::settle(turn, &id.0, asked).await?));
        }
        "release" => {
            let Op(ReleaseRow { id, team, member }) = read(text)?;
            answers.put(&ReleasedBody::from(ends::release(turn, &id.0, ReleaseBody { team, member }).await?));
        }
        "extend" => {
            let Op(ExtendRow { id, team, member, ttl_ms }) = read(text)?;
            let asked = ExtendBody { team, member, ttl_ms };
            answers.put(&ExtendedBody::from(ends::extend(turn, &id.0, asked).await?));
        }
        "refund" => {
            let Op(RefundRow { debit, id, team, member, credits }) = read(text)?;
            let asked = RefundBody { id, team, member, credits };
            answers.put(&RefundedBody::from(ends::refund(turn, &debit.0, Key::default(), asked).await?));
        }
        _ => {
            let what = "must be one of debit, hold, check, settle, release, extend, refund";
            return Err(Fault::invalid(what).in_field("op").into());
        }
    }
    Ok(())
}

/// A problem of a row, with its field seen from the whole body.
fn in_row(at: usize, problem: Problem) -> ProblemBody {
    let pointer = format!("/ops/{at}{}", problem.pointer.as_deref().unwrap_or_default());
    (&problem.at(pointer)).into()
}
