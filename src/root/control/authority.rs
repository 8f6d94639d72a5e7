//! Who may do what (rule 8). A service token may do everything, so it acts as every team's owner.
//!
//! To a user who is no member, a team answers as if it did not exist, so that ids cannot be probed.

use super::{Stop, not_found};
use crate::domain::{Role, Team, TeamId};
use crate::root::command::{Actor, Refusal};
use crate::root::rows::Rows;
use crate::root::subscription::Subscription;

/// The team, and the role in which the actor meets it.
///
/// Refuses with `NotFound` where there is no such team or the actor is no member of it.
pub(super) fn team_as(rows: &Rows, id: &TeamId, actor: &Actor) -> Result<(Team, Role), Stop> {
    let Some(team) = rows.team(id)?.cloned() else { return Err(not_found("team", id).into()) };
    match role(rows, id, actor)? {
        Some(role) => Ok((team, role)),
        None => Err(not_found("team", id).into()),
    }
}

/// The role of the actor in a team; `None` where it is no member.
pub(super) fn role(rows: &Rows, team: &TeamId, actor: &Actor) -> Result<Option<Role>, Stop> {
    match actor {
        Actor::Service(_) => Ok(Some(Role::Owner)),
        Actor::User(user) => Ok(rows.member(team, user)?.filter(|member| !member.removed).map(|member| member.role)),
    }
}

/// Whether the actor may assign, unassign, change and top up the subscription.
pub(super) fn owns(subscription: &Subscription, actor: &Actor) -> bool {
    match actor {
        Actor::Service(_) => true,
        Actor::User(user) => *user == subscription.terms.owner,
    }
}

/// Refuses who does not own the subscription.
pub(super) fn require_owner_of(subscription: &Subscription, actor: &Actor) -> Result<(), Refusal> {
    if owns(subscription, actor) {
        return Ok(());
    }
    Err(Refusal::Forbidden("only the subscription's owner may change, top up, assign or unassign it"))
}

/// Refuses who manages no members.
pub(super) fn require_manager(role: Role) -> Result<(), Refusal> {
    if role.manages() {
        return Ok(());
    }
    Err(Refusal::Forbidden("only the team's owner and admins may change members; a member may opt itself out and in"))
}

/// Refuses who is not the team's owner.
pub(super) fn require_team_owner(role: Role) -> Result<(), Refusal> {
    if role == Role::Owner {
        return Ok(());
    }
    Err(Refusal::Forbidden("only the team's owner may rename it, hand it over or change its whitelist"))
}
