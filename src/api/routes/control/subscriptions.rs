//! Subscriptions: what a user bought, shown with its grants in burn order. Purchases beside it have a file of their own.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::{Json as Answer, http::StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::refusal::{not_found, unable};
use super::words::StatusWord;
use super::{Asking, change, sight};
use crate::api::ids::InPath;
use crate::api::json::Json;
use crate::api::problem::{Code, Problem};
use crate::api::state::App;
use crate::api::wire::{Amount, AskedAmount, Object, Whole, Wire, WireSubscription, WireTeam, WireTime, WireUser};
use crate::domain::{Features, SubscriptionId, Timestamp};
use crate::root::subscription::{ROLLOVER_WINDOWS_MAX, SEATS_MAX};
use crate::root::{Actor, Command, Grant, Outcome, Rollover, Row, Status, Subscription, Terms};

/// The routes of this file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(put, get))
}

type Seats = Whole<0, { SEATS_MAX as u64 }>;
type RolloverWindows = Whole<0, { ROLLOVER_WINDOWS_MAX as u64 }>;
type RolloverObject = Object<PutRollover>;
type FeaturesObject = Object<FeatureSet>;

/// The terms of a subscription; what is left out has its default, whatever stood before.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PutSubscription {
    /// Who bought it. Left out: the user who asks.
    owner: Option<WireUser>,
    /// The plan's name, carried for callers. Left out: none.
    plan: Option<String>,
    /// Left out: `active`.
    status: Option<StatusWord>,
    /// Places it pays for. Left out: 0.
    seats: Option<Seats>,
    /// Monthly credits of one seat. Left out: 0.
    #[schema(value_type = Option<AskedAmount>)]
    credits_per_seat: Option<Amount>,
    /// From where billing months are counted. Left out: as it stands; of a new one, the time of the request.
    billing_anchor: Option<WireTime>,
    /// How unspent monthly credits live on. Left out: one window's grant for one further window.
    rollover: Option<RolloverObject>,
    /// What it unlocks. Left out: nothing.
    features: Option<FeaturesObject>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PutRollover {
    /// The most that rolls from one window. Left out: one window's grant.
    #[schema(value_type = Option<AskedAmount>)]
    cap: Option<Amount>,
    /// For how many further windows. Left out: 1; 0: nothing rolls.
    windows: Option<RolloverWindows>,
}

/// What a subscription unlocks beside its credits.
#[derive(Clone, Copy, Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
struct FeatureSet {
    /// Workflows that only the team sees; carried for callers. Left out: false.
    private_workflows: bool,
    /// History is kept; carried for callers. Left out: false.
    save_history: bool,
    /// The team's owner may restrict the models. Left out: false.
    model_whitelist: bool,
}

impl PutSubscription {
    /// The terms, of a subscription whose anchor is known, or of a new one at `now`.
    fn terms(self, actor: &Actor, known: Option<Timestamp>, now: Timestamp) -> Result<Terms, Problem> {
        let owner = match (self.owner, actor) {
            (Some(Wire(owner)), _) => owner,
            (None, Actor::User(user)) => user.clone(),
            (None, Actor::Service(_)) => {
                let detail = "owner is missing; an admin token must name the subscription's owner.";
                return Err(Problem::new(Code::MissingField, detail).at("/owner"));
            }
        };
        let FeatureSet { private_workflows, save_history, model_whitelist } =
            self.features.map_or(FeatureSet::default(), |features| features.0);
        let rollover = self.rollover.map_or(Rollover::default(), |Object(rollover)| Rollover {
            cap: rollover.cap.map(|cap| cap.0),
            windows: rollover.windows.map_or(Rollover::default().windows, small),
        });
        Ok(Terms {
            owner,
            plan: self.plan.unwrap_or_default(),
            status: self.status.map_or(Status::Active, Status::from),
            seats: self.seats.map_or(0, small),
            credits_per_seat: self.credits_per_seat.map_or_else(Default::default, |credits| credits.0),
            anchor: self.billing_anchor.map(|at| at.0).or(known).unwrap_or(now),
            rollover,
            features: Features { private_workflows, save_history, model_whitelist },
        })
    }
}

fn small<const MAX: u64>(number: Whole<0, MAX>) -> u32 {
    const { assert!(MAX <= u32::MAX as u64, "the range fits") };
    u32::try_from(number.get()).expect("a number of the range fits")
}

/// A subscription as it stands.
#[derive(Serialize, ToSchema)]
pub struct SubscriptionNow {
    /// Its id.
    id: WireSubscription,
    /// Who bought it; stays the same.
    owner: WireUser,
    /// The plan's name.
    plan: String,
    /// Whether it goes on.
    status: StatusWord,
    /// Places that it pays for.
    seats: u32,
    /// What each of them grants in one window.
    credits_per_seat: Amount,
    /// From where its billing months are counted.
    billing_anchor: WireTime,
    /// What is left at the end of a window.
    rollover: RolloverNow,
    /// What it unlocks for members with a seat.
    features: FeatureSet,
    /// The team whose pool it is.
    #[schema(required)]
    team: Option<WireTeam>,
    /// What may still be spent or is in use, in the order in which it burns.
    grants: Vec<GrantNow>,
}

#[derive(Serialize, ToSchema)]
struct RolloverNow {
    /// The most that rolls from one window; null: one window's grant.
    #[schema(required)]
    cap: Option<Amount>,
    /// For how many further windows it may be spent.
    windows: u32,
}

/// Credits that came in.
#[derive(Serialize, ToSchema)]
struct GrantNow {
    /// Its number within the subscription; the ledger names it as `grant`.
    grant: u64,
    /// `rollover`, `monthly` or `purchased`.
    #[schema(value_type = String)]
    kind: &'static str,
    /// How much came in.
    credits: Amount,
    /// How much of it is neither spent nor held.
    remaining: Amount,
    /// The start of the window that it is from, or the time of the purchase.
    from: WireTime,
    /// Null: never.
    #[schema(required)]
    expires_at: Option<WireTime>,
    /// The purchase's id.
    #[schema(required)]
    purchase: Option<String>,
}

impl From<&Grant> for GrantNow {
    fn from(grant: &Grant) -> Self {
        Self {
            grant: grant.number,
            kind: grant.kind.as_str(),
            credits: Amount(grant.credits),
            remaining: Amount(grant.left()),
            from: Wire(grant.origin),
            expires_at: grant.expires_at.map(Wire),
            purchase: (!grant.purchase.is_empty()).then(|| grant.purchase.clone()),
        }
    }
}

impl SubscriptionNow {
    fn new(subscription: Subscription, now: Timestamp) -> Self {
        let Subscription { id, terms, team, grants, .. } = subscription;
        let mut grants: Vec<Grant> = grants.into_iter().filter(|grant| grant.is_alive(now)).collect();
        grants.sort_by_key(Grant::burn_order);
        let Features { private_workflows, save_history, model_whitelist } = terms.features;
        Self {
            id: Wire(id),
            owner: Wire(terms.owner),
            plan: terms.plan,
            status: terms.status.into(),
            seats: terms.seats,
            credits_per_seat: Amount(terms.credits_per_seat),
            billing_anchor: Wire(terms.anchor),
            rollover: RolloverNow { cap: terms.rollover.cap.map(Amount), windows: terms.rollover.windows },
            features: FeatureSet { private_workflows, save_history, model_whitelist },
            team: team.map(Wire),
            grants: grants.iter().map(GrantNow::from).collect(),
        }
    }
}

/// The subscription after a change: with what was spent until now, or, where the store has gone away
/// since, as the change left it.
pub async fn after(app: &App, id: &SubscriptionId, rows: Vec<Row>) -> Result<SubscriptionNow, Problem> {
    let current = app.service.funds_balance(id).await;
    let now = app.service.clock().now();
    let changed = rows.into_iter().find_map(|row| match row {
        Row::Subscription(row) if row.id == *id => Some(*row),
        _ => None,
    });
    match (current, changed) {
        (Ok(Some(funds)), _) => Ok(SubscriptionNow::new(funds.subscription, now)),
        (_, Some(row)) => Ok(SubscriptionNow::new(row, now)),
        (Ok(None), None) => Err(not_found("subscription", id)),
        (Err(error), None) => Err(unable(&error)),
    }
}

/// Creates a subscription or replaces its terms as a whole.
#[utoipa::path(put, path = "/v1/subscriptions/{id}", tag = "control", request_body = PutSubscription,
    params(("id" = WireSubscription, Path)),
    responses((status = 200, description = "Replaced", body = SubscriptionNow),
        (status = 201, description = "Created", body = SubscriptionNow),
        (status = 403, description = "Only its owner may"), (status = 409, description = "`already_subscribed`")))]
async fn put(
    State(app): State<App>,
    Asking(actor): Asking,
    InPath(id): InPath<SubscriptionId>,
    Json(body): Json<PutSubscription>,
) -> Result<Response, Problem> {
    let known = match body.billing_anchor {
        Some(_) => None,
        None => app.service.subscription(&id).await.map_err(|e| unable(&e))?,
    };
    let anchor = known.map(|known| known.terms.anchor);
    let terms = body.terms(&actor, anchor, app.service.clock().now())?;
    let changed = change(&app, actor, Command::PutSubscription { id: id.clone(), terms }).await?;
    let status = if changed.outcome == Outcome::Created { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Answer(after(&app, &id, changed.rows).await?)).into_response())
}

/// A subscription with its grants in burn order.
#[utoipa::path(get, path = "/v1/subscriptions/{id}", tag = "control", params(("id" = WireSubscription, Path)),
    responses((status = 200, description = "As it stands", body = SubscriptionNow),
        (status = 404, description = "Unknown, or not for the caller to see")))]
async fn get(
    State(app): State<App>,
    Asking(actor): Asking,
    InPath(id): InPath<SubscriptionId>,
) -> Result<Answer<SubscriptionNow>, Problem> {
    sight::subscription(&app, &actor, &id).await?;
    let funds = app.service.funds_balance(&id).await.map_err(|e| unable(&e))?;
    let funds = funds.ok_or_else(|| not_found("subscription", &id))?;
    Ok(Answer(SubscriptionNow::new(funds.subscription, app.service.clock().now())))
}
