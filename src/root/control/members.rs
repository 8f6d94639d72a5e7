//! Members: added, changed, removed; and the counts of them that the team keeps.
//!
//! What a member drew is kept elsewhere, so that no change here resets what was used (rule 4).

use super::authority::{require_manager, team_as};
use super::{Stop, conflict, invalid, not_found, unchanged};
use crate::domain::{Access, Member, Role, SubscriptionId, Team, TeamId, UserId};
use crate::root::command::{Actor, Change, Done, Outcome, Patch, Refusal, Settings};
use crate::root::rows::Rows;

/// The most members of one team, so that a change of all of them stays one transaction.
pub const MEMBERS_MAX: u32 = 1_000_000;

/// Adds a member or replaces its settings as a whole.
pub(super) fn put(
    rows: &mut Rows,
    team: &TeamId,
    user: &UserId,
    settings: Settings,
    actor: &Actor,
) -> Result<Done, Stop> {
    let (team, role) = team_as(rows, team, actor)?;
    require_manager(role)?;
    let known = rows.member(&team.id, user)?.cloned();
    let Settings { role, access, limit, opted_out } = settings;
    let after = Member { role, access, limit, opted_out, ..Member::new(user.clone()) };
    let is_new = known.as_ref().is_none_or(|member| member.removed);
    if is_new && team.members >= MEMBERS_MAX {
        let detail = format!("team {} has {} members, the most there may be", team.id, team.members);
        return Err(conflict("too_many_members", detail).into());
    }
    let before = known.unwrap_or_else(|| Member { removed: true, ..Member::new(user.clone()) });
    check(&team, Seats::of(rows, &team)?.as_ref(), &before, &after)?;
    Ok(save(rows, team, &before, after, if is_new { Outcome::Created } else { Outcome::Changed }))
}

/// Changes some of a member's settings.
pub(super) fn patch(rows: &mut Rows, team: &TeamId, user: &UserId, patch: Patch, actor: &Actor) -> Result<Done, Stop> {
    let (team, role) = team_as(rows, team, actor)?;
    let opts_only = patch.role.is_none() && patch.access.is_none() && patch.limit.is_none();
    let is_self = *actor == Actor::User(user.clone());
    if !(is_self && opts_only) {
        require_manager(role)?;
    }
    let before = present(rows, &team.id, user)?;
    let after = patched(&before, patch);
    check(&team, Seats::of(rows, &team)?.as_ref(), &before, &after)?;
    Ok(save(rows, team, &before, after, Outcome::Changed))
}

/// Takes a member out of the team. The row stays, marked as removed; its seat becomes free.
pub(super) fn remove(rows: &mut Rows, team: &TeamId, user: &UserId, actor: &Actor) -> Result<Done, Stop> {
    let (team, role) = team_as(rows, team, actor)?;
    require_manager(role)?;
    let before = present(rows, &team.id, user)?;
    if team.owner == *user {
        let detail = format!("{user} is the owner of team {}; hand the team over first", team.id);
        return Err(conflict("is_owner", detail).into());
    }
    let after = Member { removed: true, access: Access::Personal, role: Role::Member, ..before.clone() };
    Ok(save(rows, team, &before, after, Outcome::Deleted))
}

/// The member as it is in the team; `NotFound` where it is not.
pub(super) fn present(rows: &Rows, team: &TeamId, user: &UserId) -> Result<Member, Stop> {
    let member = rows.member(team, user)?.filter(|member| !member.removed);
    member.cloned().ok_or_else(|| not_found("member", user).into())
}

/// `member` with the settings that the patch names.
pub(super) fn patched(member: &Member, patch: Patch) -> Member {
    Member {
        role: patch.role.unwrap_or(member.role),
        access: patch.access.unwrap_or(member.access),
        limit: patch.limit.unwrap_or(member.limit),
        opted_out: patch.opted_out.unwrap_or(member.opted_out),
        ..member.clone()
    }
}

/// The subscription that is a team's pool, and its seats.
pub(super) struct Seats {
    subscription: SubscriptionId,
    seats: u32,
}

impl Seats {
    /// Those of the team's subscription; `None` where it has none.
    pub(super) fn of(rows: &Rows, team: &Team) -> Result<Option<Self>, Stop> {
        let Some(id) = &team.subscription else { return Ok(None) };
        let subscription = rows.subscription(id)?.expect("an assigned subscription is there");
        assert!(subscription.team.as_ref() == Some(&team.id), "team and subscription name each other");
        Ok(Some(Self { subscription: id.clone(), seats: subscription.terms.seats }))
    }
}

/// Whether a member of the team may change from `before` to `after`: one owner, by hand-over only;
/// the pool is there to be drawn on; a seat is free for who has none.
pub(super) fn check(team: &Team, seats: Option<&Seats>, before: &Member, after: &Member) -> Result<(), Refusal> {
    match (team.owner == after.user, after.role == Role::Owner) {
        (true, false) => {
            let detail = format!("{} is the owner of team {}; hand the team over first", after.user, team.id);
            return Err(conflict("is_owner", detail));
        }
        (false, true) => {
            let detail = format!("is owner, which {} is; hand the team over by changing its owner", team.owner);
            return Err(invalid("/role", detail));
        }
        _ => {}
    }
    match (after.access, seats) {
        (Access::Personal, _) => Ok(()),
        (_, None) => {
            let detail = format!("team {} has no subscription; assign one before giving access to it", team.id);
            Err(conflict("no_subscription", detail))
        }
        (Access::Seat, Some(seats)) if !before.takes_seat() && team.seats_taken >= seats.seats => {
            let Seats { subscription, seats } = seats;
            let taken = team.seats_taken;
            let detail = format!("subscription {subscription} has {seats} seats, {taken} are taken; add or free one");
            Err(conflict("no_free_seat", detail))
        }
        _ => Ok(()),
    }
}

/// Keeps the team's counts in step with a member that changes from `before` to `after`.
pub(super) fn count(team: &mut Team, before: &Member, after: &Member) {
    assert!(before.user == after.user, "one member is counted at a time");
    let (seat, member) = (|m: &Member| u32::from(m.takes_seat()), |m: &Member| u32::from(!m.removed));
    team.seats_taken = (team.seats_taken + seat(after)).checked_sub(seat(before)).expect("a seat taken is counted");
    team.members = (team.members + member(after)).checked_sub(member(before)).expect("a member is counted");
    assert!(team.seats_taken <= team.members, "only members take seats");
}

/// Puts team and member where the member changes; else nothing.
fn save(rows: &mut Rows, mut team: Team, before: &Member, after: Member, outcome: Outcome) -> Done {
    if after == (Member { epoch: after.epoch, ..before.clone() }) {
        return unchanged();
    }
    count(&mut team, before, &after);
    team.epoch += 1;
    let (id, user) = (team.id.clone(), after.user.clone());
    let after = Member { epoch: team.epoch, ..after };
    let change = if outcome == Outcome::Deleted {
        Change::MemberRemoved { team: id.clone(), user }
    } else {
        Change::MemberPut { team: id.clone(), member: after.clone() }
    };
    rows.put_member(&id, after);
    rows.put_team(team);
    Done { outcome, changes: vec![change] }
}
