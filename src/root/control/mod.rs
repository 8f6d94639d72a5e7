//! The rules of control: who may change what, and what else changes with it.
//!
//! A rule reads every row that it needs before it puts the first one, so that a run that ends for
//! a [`Missing`] row or in a [`Refusal`] has changed nothing. What a rule puts is complete: grants are
//! brought to `now` and funds are lent. Draws, holds and the sidecar's share are not looked at here.

mod authority;
mod bulk;
mod handover;
mod members;
mod subscriptions;
mod teams;

use super::command::{Actor, Command, Done, Outcome, Refusal};
use super::rows::{Missing, Rows, Sharing};
use super::sidecar::MemberFunds;
use crate::domain::Timestamp;

pub use bulk::BULK_MEMBERS_MAX;
pub use members::MEMBERS_MAX;
pub use subscriptions::{PLAN_CHARACTERS_MAX, PURCHASES_MAX};

/// Runs `command` for `actor`. On a [`Missing`] row nothing has been put: load it and run again. On
/// a refusal nothing has been put either; else the rows that [`Rows::changed`] answers are to be
/// saved in the same transaction as the changes of [`Done`].
pub fn control(
    rows: &mut Rows,
    command: &Command,
    actor: &Actor,
    now: Timestamp,
) -> Result<Result<Done, Refusal>, Missing> {
    if rows.sharing() == Sharing::Many {
        rows.root()?;
    }
    match run(rows, command, actor, now) {
        Ok(done) if rows.sharing() == Sharing::Many && !done.changes.is_empty() => {
            number(rows)?;
            Ok(Ok(done))
        }
        Ok(done) => Ok(Ok(done)),
        Err(Stop::Refused(refusal)) => Ok(Err(refusal)),
        Err(Stop::Missing(missing)) => Err(missing),
    }
}

/// Numbers the change, so that a sidecar can say which ones it has taken over. It matters where a
/// member had no limit before: who does not know lets it draw without.
fn number(rows: &mut Rows) -> Result<(), Missing> {
    let mut root = rows.root()?;
    root.config += 1;
    if rows.puts_subscription() && root.generation > 0 {
        // It may be one that was forgotten: whoever holds something of it tells first.
        (root.evidence, root.put) = (true, root.config);
    }
    let limited: Vec<_> = rows.newly_limited().cloned().collect();
    for (team, user) in limited {
        let known = rows.member_funds(&team, &user)?.cloned();
        let mut funds = known.unwrap_or_else(|| MemberFunds::new(team, user));
        funds.limited_since = root.config;
        root.limited = root.config;
        rows.put_member_funds(funds);
    }
    rows.put_root(root);
    Ok(())
}

fn run(rows: &mut Rows, command: &Command, actor: &Actor, now: Timestamp) -> Result<Done, Stop> {
    match command {
        Command::PutSubscription { id, terms } => subscriptions::put(rows, id, terms, actor, now),
        Command::Purchase { subscription, id, credits, expires_at } => {
            subscriptions::purchase(rows, subscription, id, (*credits, *expires_at), actor, now)
        }
        Command::PutTeam { id, name, owner } => teams::put(rows, id, name.as_deref(), owner.as_ref(), actor),
        Command::Assign { team, subscription } => teams::assign(rows, team, subscription, actor),
        Command::Unassign { team } => teams::unassign(rows, team, actor),
        Command::PutWhitelist { team, enabled, models } => teams::put_whitelist(rows, team, *enabled, models, actor),
        Command::PutMember { team, user, settings } => members::put(rows, team, user, *settings, actor),
        Command::PatchMember { team, user, patch } => members::patch(rows, team, user, *patch, actor),
        Command::RemoveMember { team, user } => members::remove(rows, team, user, actor),
        Command::BulkMembers { team, members, set, atomic } => bulk::change(rows, team, members, *set, *atomic, actor),
    }
}

/// Why a rule ends early.
enum Stop {
    /// A row has to be loaded first.
    Missing(Missing),
    /// The command is refused.
    Refused(Refusal),
}

impl From<Missing> for Stop {
    fn from(missing: Missing) -> Self {
        Self::Missing(missing)
    }
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

fn not_found(what: &'static str, name: impl ToString) -> Refusal {
    Refusal::NotFound { what, name: name.to_string() }
}

fn conflict(code: &'static str, detail: String) -> Refusal {
    Refusal::Conflict { code, detail }
}

fn invalid(pointer: &'static str, detail: impl ToString) -> Refusal {
    Refusal::Invalid { pointer, detail: detail.to_string() }
}

/// What was asked is so already.
fn unchanged() -> Done {
    Done { outcome: Outcome::Changed, changes: Vec::new() }
}
