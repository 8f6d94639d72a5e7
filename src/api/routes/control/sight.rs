//! Who may see what. To a user who is no member, a team answers as if it did not exist, so that ids
//! cannot be probed; the same goes for subscriptions.

use super::refusal::{not_found, unable};
use crate::api::problem::{Code, Problem};
use crate::api::state::App;
use crate::domain::{Role, SubscriptionId, TeamId, UserId};
use crate::engine::balance::Standing;
use crate::root::{Actor, Subscription};

/// How much of a team's records an actor sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sight {
    /// Everything: an admin token, the owner and admins.
    Whole,
    /// Only what concerns this user itself.
    Own(UserId),
}

/// How the actor sees a team that it may see.
///
/// # Errors
/// `not_found` where there is no such team or the actor is no member of it.
pub async fn team(app: &App, actor: &Actor, id: &TeamId) -> Result<Sight, Problem> {
    let standing = match actor {
        Actor::Service(_) => match app.service.team(id).await.map_err(|e| unable(&e))? {
            Some(_) => return Ok(Sight::Whole),
            None => Standing::NoTeam,
        },
        Actor::User(user) => app.service.standing(id, user),
    };
    match (standing, actor) {
        (Standing::Member(Role::Member), Actor::User(user)) => Ok(Sight::Own(user.clone())),
        (Standing::Member(_), _) => Ok(Sight::Whole),
        (Standing::NoTeam | Standing::Stranger, _) => Err(not_found("team", id)),
    }
}

/// A subscription that the actor may see: its owner, and the owner and admins of its team.
///
/// # Errors
/// `not_found` where there is none or the actor has nothing to do with it; `forbidden` to the other
/// members of its team.
pub async fn subscription(app: &App, actor: &Actor, id: &SubscriptionId) -> Result<Subscription, Problem> {
    let found = app.service.subscription(id).await.map_err(|e| unable(&e))?;
    let Some(found) = found else { return Err(not_found("subscription", id)) };
    if owns(&found, actor) {
        return Ok(found);
    }
    let (Actor::User(user), Some(team)) = (actor, &found.team) else { return Err(not_found("subscription", id)) };
    match app.service.standing(team, user) {
        Standing::Member(role) if role.manages() => Ok(found),
        Standing::Member(_) => {
            Err(Problem::new(Code::Forbidden, "Only the subscription's owner and the admins of its team may see it."))
        }
        Standing::NoTeam | Standing::Stranger => Err(not_found("subscription", id)),
    }
}

/// Whether the actor owns the subscription, or is an admin token.
pub fn owns(subscription: &Subscription, actor: &Actor) -> bool {
    match actor {
        Actor::Service(_) => true,
        Actor::User(user) => *user == subscription.terms.owner,
    }
}
