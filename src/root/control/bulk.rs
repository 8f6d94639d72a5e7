//! Access or limit of many members at once: row by row, or all or none. Seats are counted as they go.

use std::collections::BTreeSet;

use super::authority::{require_manager, team_as};
use super::members::{Seats, check, count, patched, present};
use super::{Stop, invalid};
use crate::domain::{Member, TeamId, UserId};
use crate::root::command::{Actor, Change, Done, Outcome, Patch, Refusal, Selection};
use crate::root::rows::Rows;

/// The most members that one bulk change may name; a megabyte of body has room for no more of usual
/// length.
pub const BULK_MEMBERS_MAX: usize = 10_000;

/// Changes the members of `selection`. Where one is refused: with `atomic` nothing changes, else
/// the others do.
pub(super) fn change(
    rows: &mut Rows,
    team: &TeamId,
    selection: &Selection,
    set: Patch,
    atomic: bool,
    actor: &Actor,
) -> Result<Done, Stop> {
    let (mut team, role) = team_as(rows, team, actor)?;
    require_manager(role)?;
    if set.role.is_some() || set.opted_out.is_some() {
        return Err(invalid("/set", "may change access and limit; change role and opting out one by one").into());
    }
    let users = users(rows, &team.id, team.members, selection)?;
    let seats = Seats::of(rows, &team)?;
    let epoch = team.epoch + 1;
    let (mut results, mut changed) = (Vec::with_capacity(users.len()), Vec::new());
    for user in users {
        let result = match present(rows, &team.id, &user) {
            Ok(before) => {
                let after = patched(&before, set);
                let checked = check(&team, seats.as_ref(), &before, &after);
                if checked.is_ok() && after != before {
                    count(&mut team, &before, &after);
                    changed.push(Member { epoch, ..after });
                }
                checked
            }
            Err(Stop::Refused(refusal)) => Err(refusal),
            Err(stop) => return Err(stop),
        };
        results.push((user, result));
    }
    if atomic && results.iter().any(|(_, result)| result.is_err()) {
        return Err(Refusal::Bulk(results).into());
    }
    let mut changes = Vec::with_capacity(changed.len());
    for member in changed {
        team.epoch = epoch;
        changes.push(Change::MemberPut { team: team.id.clone(), member: member.clone() });
        rows.put_member(&team.id, member);
    }
    if team.epoch == epoch {
        rows.put_team(team);
    }
    Ok(Done { outcome: Outcome::Bulk(results), changes })
}

/// The users that are selected, each once.
fn users(rows: &Rows, team: &TeamId, members: u32, selection: &Selection) -> Result<Vec<UserId>, Stop> {
    let named = match selection {
        Selection::All => {
            let all = rows.members(team)?;
            let users: Vec<_> = all.iter().filter(|m| !m.removed).map(|m| m.user.clone()).collect();
            assert_eq!(users.len(), members as usize, "the team counts its members");
            return Ok(users);
        }
        Selection::Named(named) => named,
    };
    if named.len() > BULK_MEMBERS_MAX {
        return Err(invalid("/members", format!("names {}; at most {BULK_MEMBERS_MAX} at once", named.len())).into());
    }
    let mut seen = BTreeSet::new();
    if let Some(twice) = named.iter().find(|user| !seen.insert(*user)) {
        return Err(invalid("/members", format!("names {twice} twice")).into());
    }
    // A rule starts over for each row that is missing, so naming many costs the square of them.
    if named.len() * named.len() > 4 * members as usize {
        rows.members(team)?;
    }
    Ok(named.clone())
}
