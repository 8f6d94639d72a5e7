//! Teams: created, renamed, given a pool and a whitelist. Handing over is in `handover`.

use std::collections::BTreeSet;

use super::authority::{owns, require_owner_of, require_team_owner, role, team_as};
use super::handover::hand_over;
use super::members::count;
use super::{Stop, conflict, invalid, not_found, unchanged};
use crate::domain::features::WHITELIST_MODELS_MAX;
use crate::domain::ids::Model;
use crate::domain::team::TEAM_NAME_CHARACTERS_MAX;
use crate::domain::{Access, Member, Role, SubscriptionId, Team, TeamId, UserId, Whitelist};
use crate::root::command::{Actor, Change, Done, Outcome, Refusal};
use crate::root::rows::Rows;

/// Creates a team, or renames it or hands it over.
pub(super) fn put(
    rows: &mut Rows,
    id: &TeamId,
    name: Option<&str>,
    owner: Option<&UserId>,
    actor: &Actor,
) -> Result<Done, Stop> {
    name.map_or(Ok(()), check_name)?;
    match rows.team(id)?.cloned() {
        None => create(rows, id, name, new_owner(owner, actor)?),
        Some(team) => change(rows, team, name, owner, actor),
    }
}

fn check_name(name: &str) -> Result<(), Refusal> {
    let length = name.chars().count();
    if length == 0 || length > TEAM_NAME_CHARACTERS_MAX || name.contains(char::is_control) {
        let detail = format!("must have 1 to {TEAM_NAME_CHARACTERS_MAX} characters, none of them control");
        return Err(invalid("/name", detail));
    }
    Ok(())
}

/// The owner of a team that is created: the user who creates it, or whom an admin token names.
fn new_owner(owner: Option<&UserId>, actor: &Actor) -> Result<UserId, Refusal> {
    match (actor, owner) {
        (Actor::Service(_), Some(owner)) => Ok(owner.clone()),
        (Actor::Service(_), None) => Err(invalid("/owner", "is missing; an admin token must name a new team's owner")),
        (Actor::User(user), Some(owner)) if owner != user => {
            Err(Refusal::Forbidden("the user who creates a team is its owner; create it, then hand it over"))
        }
        (Actor::User(user), _) => Ok(user.clone()),
    }
}

/// Creates a team with its owner as its one member. The owner's subscription becomes its pool where
/// it is no other's, and the owner takes a seat of it where there is one.
fn create(rows: &mut Rows, id: &TeamId, name: Option<&str>, owner: UserId) -> Result<Done, Stop> {
    let mut pool = None;
    if let Some(owned) = rows.owned(&owner)?.cloned() {
        let subscription = rows.subscription(&owned)?.expect("an owned subscription is there");
        assert_eq!(subscription.terms.owner, owner, "a subscription is owned by whom its terms name");
        pool = subscription.team.is_none().then(|| subscription.clone());
    }
    let mut team = Team {
        id: id.clone(),
        name: name.unwrap_or(id.as_str()).to_owned(),
        owner: owner.clone(),
        subscription: pool.as_ref().map(|subscription| subscription.id.clone()),
        whitelist: Whitelist::default(),
        seats_taken: 0,
        members: 0,
        epoch: 1,
    };
    let absent = Member { removed: true, ..Member::new(owner.clone()) };
    let has_seat = pool.as_ref().is_some_and(|subscription| subscription.terms.seats > 0);
    let access = if has_seat { Access::Seat } else { Access::Personal };
    let member = Member { role: Role::Owner, access, epoch: 1, ..Member::new(owner) };
    count(&mut team, &absent, &member);
    let mut changes = vec![team_put(&team)];
    if let Some(mut subscription) = pool {
        changes.push(Change::Assigned { team: id.clone(), subscription: subscription.id.clone() });
        subscription.team = Some(id.clone());
        subscription.epoch += 1;
        rows.put_subscription(subscription);
    }
    changes.push(Change::MemberPut { team: id.clone(), member: member.clone() });
    rows.put_member(id, member);
    rows.put_team(team);
    Ok(Done { outcome: Outcome::Created, changes })
}

/// Renames a team, hands it over, or both.
fn change(
    rows: &mut Rows,
    mut team: Team,
    name: Option<&str>,
    owner: Option<&UserId>,
    actor: &Actor,
) -> Result<Done, Stop> {
    // A team's id is taken even for who may not see it, so this tells an outsider no more.
    require_team_owner(role(rows, &team.id, actor)?.unwrap_or_default())?;
    let name = name.unwrap_or(&team.name).to_owned();
    let new_owner = owner.filter(|owner| **owner != team.owner);
    if name == team.name && new_owner.is_none() {
        return Ok(unchanged());
    }
    team.epoch += 1;
    team.name = name;
    let members = new_owner.map_or(Ok(Vec::new()), |owner| hand_over(rows, &mut team, owner))?;
    let mut changes = vec![team_put(&team)];
    for member in members {
        changes.push(Change::MemberPut { team: team.id.clone(), member: member.clone() });
        rows.put_member(&team.id, member);
    }
    rows.put_team(team);
    Ok(Done { outcome: Outcome::Changed, changes })
}

fn team_put(team: &Team) -> Change {
    Change::TeamPut { team: team.id.clone(), name: team.name.clone(), owner: team.owner.clone() }
}

/// Makes a subscription's credits the team's pool. Restores no access. Its owner must be a member,
/// so that nobody can put a pool into somebody else's team.
pub(super) fn assign(
    rows: &mut Rows,
    team: &TeamId,
    subscription: &SubscriptionId,
    actor: &Actor,
) -> Result<Done, Stop> {
    let (mut team, _) = team_as(rows, team, actor)?;
    let Some(mut pool) = rows.subscription(subscription)?.cloned() else {
        return Err(not_found("subscription", subscription).into());
    };
    require_owner_of(&pool, actor)?;
    if let Some(other) = pool.team.as_ref().filter(|other| **other != team.id) {
        let detail = format!("subscription {subscription} is the pool of team {other}; unassign it there first");
        return Err(conflict("already_assigned", detail).into());
    }
    if let Some(other) = team.subscription.as_ref().filter(|other| *other != subscription) {
        let detail = format!("subscription {other} is the pool of team {}; unassign it first", team.id);
        return Err(conflict("already_assigned", detail).into());
    }
    assert_eq!(pool.team.is_some(), team.subscription.is_some(), "team and subscription name each other");
    if pool.team.is_some() {
        return Ok(unchanged());
    }
    assert_eq!(team.seats_taken, 0, "nobody has a seat without a pool");
    (pool.team, team.subscription) = (Some(team.id.clone()), Some(subscription.clone()));
    pool.epoch += 1;
    team.epoch += 1;
    let change = Change::Assigned { team: team.id.clone(), subscription: subscription.clone() };
    rows.put_subscription(pool);
    rows.put_team(team);
    Ok(Done { outcome: Outcome::Changed, changes: vec![change] })
}

/// Takes the pool from the team: every member's access becomes personal, limits stay. The
/// subscription's owner may do so even after leaving the team.
pub(super) fn unassign(rows: &mut Rows, id: &TeamId, actor: &Actor) -> Result<Done, Stop> {
    let Some(mut team) = rows.team(id)?.cloned() else { return Err(not_found("team", id).into()) };
    let subscription = match &team.subscription {
        Some(subscription) => rows.subscription(subscription)?.cloned(),
        None => None,
    };
    if !subscription.as_ref().is_some_and(|subscription| owns(subscription, actor)) {
        team_as(rows, id, actor)?;
    }
    let Some(mut subscription) = subscription else {
        return Err(not_found("subscription", format!("of team {id}")).into());
    };
    require_owner_of(&subscription, actor)?;
    assert_eq!(subscription.team.as_ref(), Some(id), "team and subscription name each other");
    let members: Vec<Member> = rows.members(id)?.into_iter().cloned().collect();
    team.epoch += 1;
    for before in members.into_iter().filter(|member| member.access != Access::Personal) {
        let after = Member { access: Access::Personal, epoch: team.epoch, ..before.clone() };
        count(&mut team, &before, &after);
        rows.put_member(id, after);
    }
    assert_eq!(team.seats_taken, 0, "nobody has a seat without a pool");
    let change = Change::Unassigned { team: id.clone(), subscription: subscription.id.clone() };
    (subscription.team, team.subscription) = (None, None);
    subscription.epoch += 1;
    rows.put_subscription(subscription);
    rows.put_team(team);
    Ok(Done { outcome: Outcome::Deleted, changes: vec![change] })
}

/// Replaces the whitelist of models.
pub(super) fn put_whitelist(
    rows: &mut Rows,
    id: &TeamId,
    enabled: bool,
    models: &BTreeSet<Model>,
    actor: &Actor,
) -> Result<Done, Stop> {
    let (mut team, role) = team_as(rows, id, actor)?;
    require_team_owner(role)?;
    if models.len() > WHITELIST_MODELS_MAX {
        let detail = format!("names {}; at most {WHITELIST_MODELS_MAX} models are allowed", models.len());
        return Err(invalid("/models", detail).into());
    }
    let pool = team.subscription.as_ref().map_or(Ok(None), |subscription| rows.subscription(subscription))?;
    if !pool.is_some_and(|pool| pool.features().model_whitelist) {
        let detail = format!("the subscription of team {id} does not include a whitelist of models");
        return Err(conflict("no_feature", detail).into());
    }
    let whitelist = Whitelist { enabled, models: models.clone() };
    if whitelist == team.whitelist {
        return Ok(unchanged());
    }
    team.whitelist = whitelist;
    team.epoch += 1;
    rows.put_team(team);
    let change = Change::WhitelistPut { team: id.clone(), enabled, models: models.clone() };
    Ok(Done { outcome: Outcome::Changed, changes: vec![change] })
}
