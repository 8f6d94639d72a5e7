//! Handing a team over: the new owner is a member already, the old one stays as an admin. The
//! subscription's owner does not change with the team's.

use super::{Stop, conflict};
use crate::domain::{Member, Role, Team, UserId};
use crate::root::rows::Rows;

/// Makes `owner` the team's owner; answers the two members as they are from then on. Puts nothing.
pub(super) fn hand_over(rows: &Rows, team: &mut Team, owner: &UserId) -> Result<Vec<Member>, Stop> {
    let old = rows.member(&team.id, &team.owner)?.expect("an owner is a member").clone();
    assert!(old.role == Role::Owner && !old.removed, "the team's owner has the role of it");
    let Some(new) = rows.member(&team.id, owner)?.filter(|member| !member.removed).cloned() else {
        let detail = format!("{owner} is no member of team {}; add the new owner as a member first", team.id);
        return Err(conflict("not_a_member", detail).into());
    };
    assert!(new.role != Role::Owner, "a team has one owner");
    team.owner = owner.clone();
    let epoch = team.epoch;
    Ok(vec![Member { role: Role::Admin, epoch, ..old }, Member { role: Role::Owner, epoch, ..new }])
}
