//! Balances as messages.

use super::read::text;
use super::wire::purser::balance_response::Balance;
use super::wire::purser::{self as wire, Access, BalanceRequest, BalanceResponse, Funds, Lent, MemberBalance, Window};
use super::write::{payer, remaining, time};
use crate::api::auth::Caller;
use crate::api::json::Fault;
use crate::api::problem::{Code, Problem};
use crate::api::routes::balances::{of_member, of_pool, of_user};
use crate::api::state::App;
use crate::domain::{self, Credits, Features, TeamId, UserId};
use crate::service::{FundsBalance, LentOut, MemberView};

/// The balance that is asked for.
pub async fn balance(app: &App, caller: &Caller, asked: BalanceRequest) -> Result<BalanceResponse, Problem> {
    let team = text::<TeamId>("team", asked.team.as_deref())?;
    let member = text::<UserId>("member", asked.member.as_deref())?;
    let balance = match (team, member) {
        (Some(team), Some(member)) => {
            Balance::Member(self::member(&team.0, of_member(app, caller, &team.0, &member.0).await?))
        }
        (Some(team), None) => Balance::Pool(of_pool(app, caller, &team.0).await?.map(funds).unwrap_or_default()),
        (None, Some(user)) => Balance::Wallet(of_user(app, caller, &user.0).await?.map(funds).unwrap_or_default()),
        (None, None) => {
            let what = "is missing; name the team, the member, or both";
            return Err(Fault::new(Code::MissingField, what).in_field("team").into());
        }
    };
    Ok(BalanceResponse { balance: Some(balance) })
}

fn member(team: &TeamId, MemberView { balance, lent }: MemberView) -> MemberBalance {
    let Features { private_workflows, save_history, model_whitelist } = balance.features;
    MemberBalance {
        team: team.to_string(),
        member: balance.member.user.to_string(),
        access: access(balance.access).into(),
        features: Some(wire::Features { private_workflows, save_history, model_whitelist }),
        payer: payer(balance.payer).into(),
        limit_micros: balance.member.limit.map(Credits::micros),
        used_micros: balance.used.micros(),
        held_micros: balance.held.micros(),
        remaining: Some(remaining(balance.remaining)),
        window: balance.window.map(window),
        lent: lent.map(self::lent),
    }
}

fn funds(balance: FundsBalance) -> Funds {
    let FundsBalance { subscription, view, used, held, remaining, lent } = balance;
    Funds {
        subscription: Some(subscription.id.to_string()),
        monthly_micros: view.monthly.micros(),
        purchased_micros: view.purchased.micros(),
        rollover_micros: view.rollover.micros(),
        total_micros: view.total.micros(),
        used_micros: used.micros(),
        held_micros: held.micros(),
        remaining_micros: remaining.micros(),
        debt_micros: view.debt.micros(),
        seats: subscription.terms.seats,
        window: Some(window(view.window)),
        lent: lent.map(self::lent),
    }
}

fn access(access: domain::Access) -> Access {
    match access {
        domain::Access::Seat => Access::Seat,
        domain::Access::Credits => Access::Credits,
        domain::Access::Personal => Access::Personal,
    }
}

fn window(window: domain::Window) -> Window {
    Window { start: Some(time(window.start)), end: Some(time(window.end)) }
}

fn lent(lent: LentOut) -> Lent {
    Lent {
        credits_micros: lent.credits.micros(),
        suspense_micros: lent.suspense.micros(),
        as_of: Some(time(lent.as_of)),
    }
}
