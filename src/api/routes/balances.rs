//! Balances of members, pools and users. Who may see which is decided here; nothing is computed.

use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::answers::{Answer, Left};
use crate::api::auth::Caller;
use crate::api::ids::InPath;
use crate::api::problem::{Code, Problem};
use crate::api::state::App;
use crate::api::wire::{Amount, Wire, WireSubscription, WireTeam, WireTime, WireUser};
use crate::domain::{Features, TeamId, UserId, Window};
use crate::engine::balance::Standing;
use crate::service::{FundsBalance, LentOut, MemberView};

/// The routes of this file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(member_balance)).routes(routes!(pool_balance)).routes(routes!(user_balance))
}

/// What a member may still do.
#[derive(Serialize, ToSchema)]
#[schema(as = MemberBalance, example = json!({
    "team": "acme", "member": "ana", "access": "seat",
    "features": {"private_workflows": true, "save_history": true, "model_whitelist": false},
    "payer": "pool", "limit": "100", "used": "50", "held": "1.25", "remaining": {"member": "48.75", "payer": "948.75"},
    "window": {"start": "2026-11-01T00:00:00Z", "end": "2026-12-01T00:00:00Z"}
}))]
struct MemberBalanceBody {
    /// The team.
    team: WireTeam,
    /// Who it is about.
    member: WireUser,
    /// The access in effect: `seat`, `credits` or `personal`.
    access: &'static str,
    /// The features in effect.
    features: FeaturesBody,
    /// Whose credits pay: `pool` or `wallet`.
    payer: &'static str,
    /// The most that may be drawn on the pool in one window; null: no limit.
    #[schema(required)]
    limit: Option<Amount>,
    /// Drawn on the pool in this window.
    used: Amount,
    /// Set aside on the pool by open holds.
    held: Amount,
    /// What is left.
    remaining: Left,
    /// The payer's window; null where there is no payer.
    #[schema(required)]
    window: Option<WindowBody>,
    /// What of the limit is lent to sidecars.
    #[serde(flatten)]
    lent: LentBody,
}

/// What a subscription unlocks.
#[derive(Serialize, ToSchema)]
#[schema(as = Features)]
struct FeaturesBody {
    /// Workflows that only the team sees; carried for callers.
    private_workflows: bool,
    /// History is kept; carried for callers.
    save_history: bool,
    /// The team's owner may restrict the models.
    model_whitelist: bool,
}

/// A billing month.
#[derive(Serialize, ToSchema)]
#[schema(as = Window)]
struct WindowBody {
    /// Its first instant.
    start: WireTime,
    /// The first instant after it.
    end: WireTime,
}

/// What many sidecars hold of an account. All is left out where the store serves one sidecar.
#[derive(Default, Serialize, ToSchema)]
#[schema(as = LentOut)]
pub struct LentBody {
    /// Part of what remains: lent to sidecars and free, so that only they may spend it.
    #[serde(skip_serializing_if = "Option::is_none")]
    lent: Option<Amount>,
    /// Not part of what remains: a crash or a lost disk took the knowledge whether it was spent.
    #[serde(skip_serializing_if = "Option::is_none")]
    suspense: Option<Amount>,
    /// All that sidecars did until then is counted: the oldest last sync of those that hold something.
    #[serde(skip_serializing_if = "Option::is_none")]
    as_of: Option<WireTime>,
}

impl From<Option<LentOut>> for LentBody {
    fn from(lent: Option<LentOut>) -> Self {
        Self {
            lent: lent.map(|lent| Amount(lent.credits)),
            suspense: lent.map(|lent| Amount(lent.suspense)),
            as_of: lent.map(|lent| Wire(lent.as_of)),
        }
    }
}

/// Credits that pay: a team's pool, or a user's own.
#[derive(Default, Serialize, ToSchema)]
#[schema(as = Funds, example = json!({
    "subscription": "sub_1", "monthly": "900", "purchased": "100", "rollover": "0", "total": "1000", "used": "50",
    "held": "1.25", "remaining": "948.75", "debt": "0", "seats": 3,
    "window": {"start": "2026-11-01T00:00:00Z", "end": "2026-12-01T00:00:00Z"}
}))]
struct FundsBody {
    /// Whose credits these are; null: none, and all is 0.
    #[schema(required)]
    subscription: Option<WireSubscription>,
    /// This window's grant.
    monthly: Amount,
    /// Bought.
    purchased: Amount,
    /// Left over from earlier windows.
    rollover: Amount,
    /// The sum of the three.
    total: Amount,
    /// Charged less refunds, debt included.
    used: Amount,
    /// Set aside by open holds.
    held: Amount,
    /// What may still be drawn.
    remaining: Amount,
    /// Charged above what there was.
    debt: Amount,
    /// Places that the subscription pays for.
    seats: u32,
    /// The current window; null without a subscription.
    #[schema(required)]
    window: Option<WindowBody>,
    /// What of it is lent to sidecars.
    #[serde(flatten)]
    lent: LentBody,
}

/// A member's balance
///
/// Of every member for the team's owner and admins, of itself for a member.
#[utoipa::path(
    get, path = "/v1/teams/{team}/members/{member}/balance", tag = "balances",
    params(("team" = WireTeam, Path, description = "The team."), ("member" = WireUser, Path, description = "The user.")),
    responses((status = 200, body = MemberBalanceBody, description = "As it stands."))
)]
async fn member_balance(
    State(app): State<App>,
    caller: Caller,
    InPath((team, member)): InPath<(TeamId, UserId)>,
) -> Result<Answer<MemberBalanceBody>, Problem> {
    let balance = of_member(&app, &caller, &team, &member).await?;
    Ok(Answer(MemberBalanceBody::new(team, balance)))
}

/// A member's balance, for who may see it.
pub async fn of_member(app: &App, caller: &Caller, team: &TeamId, member: &UserId) -> Result<MemberView, Problem> {
    if let Some(actor) = &caller.actor {
        let manages = matches!(standing(app, team, actor)?, Standing::Member(role) if role.manages());
        if !manages && actor != member {
            let detail = format!("Only the owner and admins of team {team} see the balance of another member.");
            return Err(Problem::new(Code::Forbidden, detail));
        }
    }
    let balance = app.service.member_balance(team, member).await?;
    let unknown = || Problem::new(Code::NotFound, format!("There is no team {team}, or {member} is not in it."));
    balance.ok_or_else(unknown)
}

/// A team's pool
///
/// For every member of the team. A team without a subscription has an empty one.
#[utoipa::path(
    get, path = "/v1/teams/{team}/pool", tag = "balances",
    params(("team" = WireTeam, Path, description = "The team.")),
    responses((status = 200, body = FundsBody, description = "As it stands."))
)]
async fn pool_balance(
    State(app): State<App>,
    caller: Caller,
    InPath(team): InPath<TeamId>,
) -> Result<Answer<FundsBody>, Problem> {
    let balance = of_pool(&app, &caller, &team).await?;
    Ok(Answer(balance.map(FundsBody::from).unwrap_or_default()))
}

/// A team's pool, for who may see it; `None` without a subscription.
pub async fn of_pool(app: &App, caller: &Caller, team: &TeamId) -> Result<Option<FundsBalance>, Problem> {
    if let Some(actor) = &caller.actor {
        standing(app, team, actor)?;
    }
    if !app.service.has_team(team) {
        return Err(no_team(team));
    }
    Ok(app.service.pool_balance(team).await?)
}

/// A user's own credits
///
/// For that user. Nothing while its subscription is a team's pool, or without one.
#[utoipa::path(
    get, path = "/v1/users/{user}/balance", tag = "balances",
    params(("user" = WireUser, Path, description = "The user.")),
    responses((status = 200, body = FundsBody, description = "As it stands."))
)]
async fn user_balance(
    State(app): State<App>,
    caller: Caller,
    InPath(user): InPath<UserId>,
) -> Result<Answer<FundsBody>, Problem> {
    let balance = of_user(&app, &caller, &user).await?;
    Ok(Answer(balance.map(FundsBody::from).unwrap_or_default()))
}

/// A user's own credits, for who may see them; `None` without any.
pub async fn of_user(app: &App, caller: &Caller, user: &UserId) -> Result<Option<FundsBalance>, Problem> {
    if caller.actor.as_ref().is_some_and(|actor| actor != user) {
        return Err(Problem::new(Code::Forbidden, format!("Only {user} sees the balance of {user}.")));
    }
    Ok(app.service.wallet_balance(user).await?)
}

/// Where a user stands in a team that it may know of: to a stranger there is none.
fn standing(app: &App, team: &TeamId, actor: &UserId) -> Result<Standing, Problem> {
    match app.service.standing(team, actor) {
        Standing::NoTeam | Standing::Stranger => Err(no_team(team)),
        standing => Ok(standing),
    }
}

fn no_team(team: &TeamId) -> Problem {
    Problem::new(Code::NotFound, format!("There is no team {team}."))
}

impl MemberBalanceBody {
    fn new(team: TeamId, MemberView { balance, lent }: MemberView) -> Self {
        Self {
            team: Wire(team),
            member: Wire(balance.member.user),
            access: balance.access.as_str(),
            features: balance.features.into(),
            payer: balance.payer.as_str(),
            limit: balance.member.limit.map(Amount),
            used: Amount(balance.used),
            held: Amount(balance.held),
            remaining: balance.remaining.into(),
            window: balance.window.map(WindowBody::from),
            lent: lent.into(),
        }
    }
}

impl From<Features> for FeaturesBody {
    fn from(features: Features) -> Self {
        let Features { private_workflows, save_history, model_whitelist } = features;
        Self { private_workflows, save_history, model_whitelist }
    }
}

impl From<Window> for WindowBody {
    fn from(window: Window) -> Self {
        Self { start: Wire(window.start), end: Wire(window.end) }
    }
}

impl From<FundsBalance> for FundsBody {
    fn from(balance: FundsBalance) -> Self {
        let FundsBalance { subscription, view, used, held, remaining, lent } = balance;
        Self {
            subscription: Some(Wire(subscription.id)),
            monthly: Amount(view.monthly),
            purchased: Amount(view.purchased),
            rollover: Amount(view.rollover),
            total: Amount(view.total),
            used: Amount(used),
            held: Amount(held),
            remaining: Amount(remaining),
            debt: Amount(view.debt),
            seats: subscription.terms.seats,
            window: Some(view.window.into()),
            lent: lent.into(),
        }
    }
}
