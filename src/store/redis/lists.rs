//! Pages: of teams, of members, and of what control has changed.

use std::collections::BTreeMap;

use redis::{Cmd, Value};

use super::failure::Failure;
use super::fetch::{loose, of_value};
use super::keys::{Keys, Slot, changed};
use super::link::Link;
use super::rows::{Json, hold_of};
use crate::domain::{Member, SubscriptionId, Team, TeamId, UserId};
use crate::root::{Key, MemberFunds, Pending, Root, Row, Sidecar, Subscription};
use crate::store::Hold;
use crate::store::read::{Changes, page};

/// Changed rows of one page, about: the rows of one change stay together.
const CHANGES: usize = 1_000;

/// One row where it is, or nothing.
pub async fn row<T: Json>(link: &Link, slot: &Slot) -> Result<Option<T>, Failure> {
    let mut ask = redis::pipe();
    ask.cmd("HGET").arg(&slot.key).arg(&slot.field);
    let found: Option<String> = of_value(link.read(&ask).await?.remove(0))?;
    found.map(|value| loose(&value, &format!("{} {}", slot.key, slot.field))).transpose()
}

/// Rows of one hash, in the order of the fields; those that are not there are left out.
pub async fn rows<T: Json>(link: &Link, key: &str, fields: &[String]) -> Result<Vec<T>, Failure> {
    if fields.is_empty() {
        return Ok(Vec::new());
    }
    let found: Vec<Option<String>> = ask(link, redis::cmd("HMGET").arg(key).arg(fields)).await?;
    let there = fields.iter().zip(found).filter_map(|(field, value)| Some((field, value?)));
    there.map(|(field, value)| loose(&value, &format!("{key} {field}"))).collect()
}

/// One command that only reads.
pub async fn ask<T: redis::FromRedisValue>(link: &Link, command: &Cmd) -> Result<T, Failure> {
    let mut commands = redis::pipe();
    commands.add_command(command.clone());
    of_value(link.read(&commands).await?.remove(0))
}

/// Names of a sorted set after the cursor, in the order of their bytes.
async fn names(link: &Link, set: &str, after: Option<&str>, limit: usize) -> Result<Vec<String>, Failure> {
    let from = after.map_or_else(|| "-".to_owned(), |after| format!("({after}"));
    let mut command = redis::cmd("ZRANGE");
    command.arg(set).arg(from).arg("+").arg("BYLEX").arg("LIMIT").arg(0).arg(limit);
    ask(link, &command).await
}

/// The open holds of a sidecar, and what it has yet to enter.
pub async fn abandoned(link: &Link, keys: &Keys, sidecar: u128) -> Result<(Vec<Hold>, Vec<Pending>), Failure> {
    let (holds, pending) = (keys.holds(sidecar), keys.pending(sidecar));
    let found: BTreeMap<String, String> = ask(link, redis::cmd("HGETALL").arg(&holds)).await?;
    let hold = |(field, value): (String, String)| hold_of(&value, &format!("{holds} {field}"));
    let open = found.into_iter().map(hold).collect::<Result<_, _>>()?;
    let found: BTreeMap<String, String> = ask(link, redis::cmd("HGETALL").arg(&pending)).await?;
    let row = |(field, value): (String, String)| loose(&value, &format!("{pending} {field}"));
    Ok((open, found.into_iter().map(row).collect::<Result<_, _>>()?))
}

/// All sidecars, by id.
pub async fn sidecars(link: &Link, keys: &Keys) -> Result<Vec<Sidecar>, Failure> {
    let key = keys.sidecars();
    let found: BTreeMap<String, String> = ask(link, redis::cmd("HGETALL").arg(&key)).await?;
    let rows = found.iter().map(|(field, value)| loose(value, &format!("{key} {field}")));
    let mut rows = rows.collect::<Result<Vec<Sidecar>, _>>()?;
    rows.sort_by_key(|row| row.id);
    Ok(rows)
}

/// What these members' limits are lent; none of who drew nothing.
pub async fn member_funds(
    link: &Link,
    keys: &Keys,
    team: &TeamId,
    users: &[UserId],
) -> Result<Vec<MemberFunds>, Failure> {
    let slots = users.iter().filter_map(|user| keys.slot(&Key::MemberFunds(team.clone(), user.clone())));
    let slots: Vec<_> = slots.collect();
    let Some(first) = slots.first() else { return Ok(Vec::new()) };
    let key = first.key.clone();
    let fields: Vec<_> = slots.into_iter().map(|slot| slot.field).collect();
    rows(link, &key, &fields).await
}

/// Members of a team that have not been removed.
pub async fn members(
    link: &Link,
    keys: &Keys,
    team: &TeamId,
    after: Option<&UserId>,
    limit: usize,
) -> Result<Vec<Member>, Failure> {
    let users = names(link, &keys.member_names(team), after.map(UserId::as_str), page(limit)).await?;
    rows(link, &keys.members(team), &users).await
}

/// Teams, or those of a user.
pub async fn teams(
    link: &Link,
    keys: &Keys,
    of: Option<&UserId>,
    after: Option<&TeamId>,
    limit: usize,
) -> Result<Vec<Team>, Failure> {
    let set = of.map_or_else(|| keys.team_names(), |user| keys.teams_of(user));
    let ids = names(link, &set, after.map(TeamId::as_str), page(limit)).await?;
    rows(link, &keys.teams(), &ids).await
}

/// What control changed after `since`.
pub async fn changes(link: &Link, keys: &Keys, since: u64) -> Result<Changes, Failure> {
    let set = keys.changed();
    let root = keys.slot(&Key::Root).expect("it is one row");
    let mut commands = redis::pipe();
    // The root's row first: all changes up to its number were there before it.
    commands.cmd("HGET").arg(&root.key).arg(&root.field);
    commands.cmd("ZRANGE").arg(&set).arg(format!("({since}")).arg("+inf").arg("BYSCORE");
    commands.arg("LIMIT").arg(0).arg(CHANGES).arg("WITHSCORES");
    let mut answers = link.read(&commands).await?.into_iter();
    let found: Option<String> = of_value(answers.next().unwrap_or(Value::Nil))?;
    let root: Option<Root> = found.map(|value| loose(&value, "the root's row")).transpose()?;
    let listed: Vec<(String, f64)> = of_value(answers.next().unwrap_or(Value::Nil))?;
    let more = listed.len() >= CHANGES;
    let mut upto = root.map_or(0, |root| root.config);
    let mut found: Vec<String> = listed.iter().map(|(name, _)| name.clone()).collect();
    if let (true, Some((_, last))) = (more, listed.last()) {
        // The rest of the last change that is on the page.
        upto = *last as u64;
        let mut command = redis::cmd("ZRANGE");
        command.arg(&set).arg(upto).arg(upto).arg("BYSCORE");
        let rest: Vec<String> = ask(link, &command).await?;
        found.extend(rest);
        found.sort_unstable();
        found.dedup();
    }
    let keys_of = found.iter().map(|name| changed(name).ok_or_else(|| Failure::value(&set, format!("has {name:?}"))));
    let rows = followed(link, keys, keys_of.collect::<Result<_, _>>()?).await?;
    Ok(Changes { rows, upto, more })
}

async fn followed(link: &Link, keys: &Keys, asked: Vec<Key>) -> Result<Vec<Row>, Failure> {
    if asked.is_empty() {
        return Ok(Vec::new());
    }
    let mut commands = redis::pipe();
    for key in &asked {
        let slot = keys.slot(key).expect("one row has one place");
        commands.cmd("HGET").arg(slot.key).arg(slot.field);
    }
    let mut found = Vec::new();
    for (key, answer) in asked.into_iter().zip(link.read(&commands).await?) {
        let Some(value) = of_value::<Option<String>>(answer)? else { continue };
        found.push(match key {
            Key::Subscription(id) => Row::Subscription(Box::new(loose::<Subscription>(&value, id.as_str())?)),
            Key::Team(id) => Row::Team(loose(&value, id.as_str())?),
            Key::Member(team, user) => Row::Member(team, loose(&value, user.as_str())?),
            key => return Err(Failure::value("changed", format!("has {key:?}"))),
        });
    }
    Ok(found)
}

/// A subscription as it was last saved.
pub async fn subscription(link: &Link, keys: &Keys, id: &SubscriptionId) -> Result<Option<Subscription>, Failure> {
    row(link, &keys.slot(&Key::Subscription(id.clone())).expect("one row has one place")).await
}

/// A team as it was last saved.
pub async fn team(link: &Link, keys: &Keys, id: &TeamId) -> Result<Option<Team>, Failure> {
    row(link, &keys.slot(&Key::Team(id.clone())).expect("one row has one place")).await
}
