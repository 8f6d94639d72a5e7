//! For operators: which sidecars there are, giving one up, and whether the books agree. Only an admin's
//! service token may, and for nobody else.

use std::borrow::Cow;
use std::fmt;

use axum::extract::{FromRequestParts, State};
use axum::response::{IntoResponse, Response};
use http::header::RETRY_AFTER;
use http::request::Parts;
use http::{HeaderValue, StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::answers::Answer;
use super::control::refusal;
use crate::api::auth::Caller;
use crate::api::ids::InPath;
use crate::api::json::Body;
use crate::api::problem::{Code, Problem};
use crate::api::state::App;
use crate::api::wire::{Amount, Text, Wire, WireTime};
use crate::domain::Timestamp;
use crate::root::Actor;
use crate::root::sidecar::id_text;
use crate::service::{Forgiven, Progress, SidecarNow};
use crate::store::{Audit, Difference};

/// The routes of this file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(forgive)).routes(routes!(reconcile))
}

/// The service that asks. Taken before the body, so that who may not ask is told so whatever it sent.
struct Operator(Actor);

impl FromRequestParts<App> for Operator {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        match Caller::from_request_parts(parts, app).await?.control_actor()? {
            actor @ Actor::Service(_) => Ok(Self(actor)),
            Actor::User(_) => {
                let detail = "No user looks after sidecars; use an admin's token without Purser-Actor.";
                Err(Problem::new(Code::Forbidden, detail))
            }
        }
    }
}

/// A sidecar's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct SidecarId(u128);

/// A sidecar's id in a struct that is documented.
type WireSidecar = Wire<SidecarId>;

/// Why a text is no [`SidecarId`].
#[derive(Debug, thiserror::Error)]
#[error("is no sidecar's id; those are UUIDs, see /v1/sidecars")]
struct NoSidecarId;

impl fmt::Display for SidecarId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&id_text(self.0))
    }
}

impl Text for SidecarId {
    type Error = NoSidecarId;
    const NAME: &'static str = "SidecarId";
    const WHAT: &'static str = "a sidecar's id";
    const PATTERN: Option<&'static str> = Some("^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$");

    fn read(text: &str) -> Result<Self, NoSidecarId> {
        Uuid::parse_str(text).map(|uuid| Self(uuid.as_u128())).map_err(|_| NoSidecarId)
    }

    fn text(&self) -> Cow<'_, str> {
        id_text(self.0).into()
    }
}

/// One installed purser with its journal.
#[derive(Serialize, ToSchema)]
#[schema(as = Sidecar)]
struct SidecarBody {
    /// Made when its data folder was.
    id: WireSidecar,
    /// The host that it runs on; empty where the store serves one sidecar.
    host: String,
    /// Counts its starts.
    incarnation: u64,
    /// `open`; `closed`: it has stopped and given everything back; `quarantined`: it spent what it was not lent and is
    /// lent nothing more; `written_off`: an operator gave it up. No sidecars: `lender`, which lends blocks at `host`;
    /// `burned`: a lender that was replaced.
    #[schema(value_type = String)]
    state: &'static str,
    /// When it last synced; null where that is not known.
    #[schema(required)]
    last_sync: Option<WireTime>,
    /// Credits that it was lent and has free, as it last said.
    lent: Amount,
    /// Credits of which nobody knows whether it spent them.
    suspense: Amount,
    /// Of members' limits: lent and free.
    limits_lent: Amount,
    /// Of members' limits: of which nobody knows whether they were drawn.
    limits_suspense: Amount,
    /// The last entry of its journal that is in the ledger.
    last_entry: u64,
}

/// All sidecars.
#[derive(Serialize, ToSchema)]
struct Sidecars {
    /// By id.
    sidecars: Vec<SidecarBody>,
}

/// How a sidecar is given up.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Forgive {
    /// Also one that synced within the last minute. It stops at its next sync; until then it spends on.
    #[serde(default)]
    force: bool,
}

/// What came back.
#[derive(Serialize, ToSchema)]
#[schema(as = Forgiven, example = json!({
    "sidecar": "0b8a1f6e-3c55-4d0a-9f0e-5f7a1c2d3e4f", "credits": "120.5", "limits": "20", "accounts": 3
}))]
struct ForgivenBody {
    /// Which was given up.
    sidecar: WireSidecar,
    /// Credits that came back to pools and to users' own credits by this request.
    credits: Amount,
    /// What came back to members' limits by this request.
    limits: Amount,
    /// To how many accounts.
    accounts: u64,
}

/// What came of comparing the ledger with the tables.
#[derive(Serialize, ToSchema)]
#[schema(as = Audit)]
struct AuditBody {
    /// Entries of the ledger that were counted.
    entries: u64,
    /// Sums, holds and grants that were compared.
    compared: u64,
    /// In how many of them the ledger and the tables differ; anything but 0 is a fault.
    differences: u64,
    /// The first 100 of those.
    listed: Vec<DifferenceBody>,
}

/// One thing of which the ledger and the tables say different things.
#[derive(Serialize, ToSchema)]
#[schema(as = Difference)]
struct DifferenceBody {
    /// The sum, the hold or the grant.
    what: String,
    /// What the ledger says.
    ledger: String,
    /// What the tables say.
    tables: String,
}

/// Work that takes longer than a request may.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({"running_since": "2026-11-22T12:00:00Z"}))]
struct Running {
    /// When it, or other work of its kind, was begun.
    running_since: WireTime,
}

/// What came of such work, or that it goes on.
enum Outcome<T> {
    Ended(T),
    Running(Running),
}

impl<T> Outcome<T> {
    fn of<P>(progress: Progress<P>, end: impl FnOnce(P) -> Result<T, Problem>) -> Result<Self, Problem> {
        match progress {
            Progress::Ended(ended) => end(ended).map(Self::Ended),
            Progress::Running { since } => Ok(Self::Running(Running { running_since: Wire(since) })),
        }
    }
}

impl<T: Serialize> IntoResponse for Outcome<T> {
    fn into_response(self) -> Response {
        match self {
            Self::Ended(ended) => Answer(ended).into_response(),
            Self::Running(running) => {
                (StatusCode::ACCEPTED, [(RETRY_AFTER, HeaderValue::from_static("1"))], Answer(running)).into_response()
            }
        }
    }
}

/// List the sidecars
///
/// Every one that ever registered at the store, by id, with what it holds. Reads all accounts.
#[utoipa::path(
    get, path = "/v1/sidecars", tag = "operators",
    responses(
        (status = 200, body = Sidecars, description = "As they last said."),
        (status = 202, body = Running, description = "They are still being read; the same request again waits on.")
    )
)]
async fn list(State(app): State<App>, _: Operator) -> Result<Outcome<Sidecars>, Problem> {
    let sidecars = app.service.sidecars_within(app.patience).await;
    Outcome::of(sidecars, |sidecars| Ok(Sidecars { sidecars: sidecars?.into_iter().map(SidecarBody::from).collect() }))
}

/// Give a sidecar up
///
/// For a sidecar that is gone for ever with its disk. It is written off: should it come back, it is refused. What it was
/// lent and had free as it last said, and what is in suspense of it, is given back, account by account; the ledger records
/// each with its actor and amount. What its open holds set aside stays charged.
///
/// **This breaks the bound that nothing is overspent**: what the sidecar spent after its last sync is in no ledger, and can
/// now be spent a second time, up to what is given back.
///
/// It may be asked for again, as after a failure half-way: what is left is given back then.
#[utoipa::path(
    post, path = "/v1/sidecars/{sidecar}/forgive", tag = "operators", request_body = Option<Forgive>,
    params(("sidecar" = String, Path, description = "Its id.")),
    responses(
        (status = 200, body = ForgivenBody, description = "Written off; what came back."),
        (status = 202, body = Running, description = "It is still being given back, or that of another sidecar is; the same \
         request again waits on."),
        (status = 409, description = "`sidecar_in_use`: it synced within the last minute and is not forced, or the store \
         serves one sidecar only.")
    )
)]
async fn forgive(
    State(app): State<App>,
    Operator(actor): Operator,
    InPath(id): InPath<SidecarId>,
    body: Option<Body>,
) -> Result<Outcome<ForgivenBody>, Problem> {
    let Forgive { force } = body.map(|body| body.read()).transpose()?.unwrap_or_default();
    let forgiven = app.service.forgive_within(id.0, force, actor, app.patience).await;
    Outcome::of(forgiven, |forgiven| {
        let Forgiven { funds, limits, accounts } = forgiven?.map_err(refusal::problem)?;
        Ok(ForgivenBody { sidecar: Wire(id), credits: Amount(funds), limits: Amount(limits), accounts })
    })
}

/// Reconcile the books
///
/// Recomputes every sum, hold and grant from the ledger alone and compares it with the tables. Answers 200 also where they
/// differ. Reads the whole ledger, some seconds for a million entries: one at a time in the background. Where that takes
/// longer than a request may, the answer is 202; the same request again attaches to what runs, and gets what comes of it.
#[utoipa::path(
    post, path = "/v1/reconcile", tag = "operators",
    responses(
        (status = 200, body = AuditBody, description = "What came of it."),
        (status = 202, body = Running, description = "It goes on; the same request again waits on.")
    )
)]
async fn reconcile(State(app): State<App>, _: Operator) -> Result<Outcome<AuditBody>, Problem> {
    Outcome::of(app.service.reconcile_within(app.patience).await, |audit| Ok(audit?.into()))
}

impl From<SidecarNow> for SidecarBody {
    fn from(SidecarNow { sidecar, funds, limits }: SidecarNow) -> Self {
        Self {
            id: Wire(SidecarId(sidecar.id)),
            host: sidecar.host,
            incarnation: sidecar.incarnation,
            state: sidecar.state.as_str(),
            last_sync: (sidecar.synced_at != Timestamp::default()).then_some(Wire(sidecar.synced_at)),
            lent: Amount(funds.lent),
            suspense: Amount(funds.suspense),
            limits_lent: Amount(limits.lent),
            limits_suspense: Amount(limits.suspense),
            last_entry: sidecar.last,
        }
    }
}

impl From<Audit> for AuditBody {
    fn from(Audit { entries, compared, differences, listed }: Audit) -> Self {
        let row = |Difference { what, ledger, tables }| DifferenceBody { what, ledger, tables };
        Self { entries, compared, differences, listed: listed.into_iter().map(row).collect() }
    }
}
