//! Members' limits as accounts: three tables that are read and saved together. Only what changed is
//! written.

use std::collections::BTreeMap;

use sqlx::AssertSqlSafe;
use sqlx::postgres::{PgConnection, PgRow};

use super::failure::Failure;
use super::holders::{self, holder_columns};
use super::table::Holds::{Int, Text, Time as At};
use super::table::Table;
use super::values::{Reader, Time};
use crate::domain::{TeamId, Timestamp, UserId, Window};
use crate::root::{Holder, MemberAccount, MemberFunds};

const FUNDS: Table =
    Table { name: "member_funds", columns: &[("team", Text), ("member", Text), ("limited_since", Int)], key: 2 };

const ACCOUNTS: Table = Table {
    name: "member_accounts",
    columns: &[("team", Text), ("member", Text), ("window_start", At), ("window_end", At), ("short_at", At)],
    key: 3,
};

const HOLDERS: Table = Table {
    name: "member_holders",
    columns: holder_columns!(("team", Text), ("member", Text), ("window_start", At)),
    key: 4,
};

/// A member of a team.
pub type Person = (TeamId, UserId);

/// What these members' limits are lent; those of whom nothing is known are missing.
pub async fn by_people(conn: &mut PgConnection, people: &[&Person]) -> Result<Vec<MemberFunds>, Failure> {
    let teams: Vec<_> = people.iter().map(|(team, _)| team.as_str()).collect();
    let members: Vec<_> = people.iter().map(|(_, member)| member.as_str()).collect();
    let mut found = Vec::with_capacity(3);
    for table in [&FUNDS, &ACCOUNTS, &HOLDERS] {
        let named = "SELECT * FROM unnest($1::text[], $2::text[])";
        let sql = format!("SELECT {} FROM {} WHERE (team, member) IN ({named})", table.list(), table.name);
        let query = sqlx::query(AssertSqlSafe(sql)).bind(teams.clone()).bind(members.clone());
        found.push(query.fetch_all(&mut *conn).await?);
    }
    assemble(&found[0], &found[1], &found[2])
}

/// The next ones of all teams after a key.
pub async fn page(conn: &mut PgConnection, after: (&str, &str), limit: i64) -> Result<Vec<MemberFunds>, Failure> {
    let next = format!(
        "SELECT {} FROM member_funds WHERE (team, member) > ($1, $2) ORDER BY team, member LIMIT $3",
        FUNDS.list()
    );
    let query = sqlx::query(AssertSqlSafe(next)).bind(after.0).bind(after.1).bind(limit);
    let funds = query.fetch_all(&mut *conn).await?;
    let Some(last) = funds.last() else { return Ok(Vec::new()) };
    let mut last = Reader::new(last);
    let (team, member) = (last.text()?, last.text()?);
    let mut parts = Vec::with_capacity(2);
    for table in [&ACCOUNTS, &HOLDERS] {
        let between = "(team, member) > ($1, $2) AND (team, member) <= ($3, $4)";
        let sql = format!("SELECT {} FROM {} WHERE {between}", table.list(), table.name);
        let query = sqlx::query(AssertSqlSafe(sql)).bind(after.0).bind(after.1).bind(team).bind(member);
        parts.push(query.fetch_all(&mut *conn).await?);
    }
    assemble(&funds, &parts[0], &parts[1])
}

fn assemble(funds: &[PgRow], accounts: &[PgRow], holders: &[PgRow]) -> Result<Vec<MemberFunds>, Failure> {
    let mut found = BTreeMap::new();
    for row in funds {
        let mut row = Reader::new(row);
        let person = person(&mut row)?;
        let limited_since = row.count()?;
        let (team, user) = person.clone();
        found.insert(person, MemberFunds { limited_since, ..MemberFunds::new(team, user) });
    }
    for row in accounts {
        let mut row = Reader::new(row);
        let person = person(&mut row)?;
        let window = Window { start: row.time()?, end: row.time()? };
        let account = MemberAccount { window, holders: Vec::new(), short_at: row.time()? };
        found.get_mut(&person).into_iter().for_each(|funds| funds.accounts.push(account.clone()));
    }
    for row in holders {
        let mut row = Reader::new(row);
        let (person, start) = (person(&mut row)?, row.time()?);
        let holder = holders::read(&mut row)?;
        let accounts = found.get_mut(&person).into_iter().flat_map(|funds| &mut funds.accounts);
        accounts.filter(|account| account.window.start == start).for_each(|account| account.holders.push(holder));
    }
    for funds in found.values_mut() {
        funds.accounts.sort_by_key(|account| account.window.start);
        funds.accounts.iter_mut().for_each(|account| account.holders.sort_by_key(|holder| holder.sidecar));
    }
    Ok(found.into_values().collect())
}

fn person(row: &mut Reader<'_>) -> Result<Person, Failure> {
    Ok((row.id(TeamId::new)?, row.id(UserId::new)?))
}

/// What was loaded, if there was something, and what is to be.
pub type Edit<'a> = (Option<&'a MemberFunds>, &'a MemberFunds);

/// Writes what differs.
pub async fn save(conn: &mut PgConnection, edits: &[Edit<'_>]) -> Result<(), Failure> {
    let is_new = |(before, after): &&Edit<'_>| before.is_none_or(|b| b.limited_since != after.limited_since);
    let own: Vec<_> = edits.iter().filter(is_new).map(|(_, after)| *after).collect();
    let save = FUNDS.save(conn, &own, |arrays| {
        arrays.put(&own, |row| row.team.as_str()).put(&own, |row| row.user.as_str());
        arrays.put_count(&own, |row| row.limited_since);
    });
    save.await?;
    let (gone, put) = accounts(edits);
    forget_accounts(conn, &gone).await?;
    let save = ACCOUNTS.save(conn, &put, |arrays| {
        arrays.put(&put, |(of, _)| of.team.as_str()).put(&put, |(of, _)| of.user.as_str());
        arrays.put(&put, |(_, row)| Time::from(row.window.start)).put(&put, |(_, row)| Time::from(row.window.end));
        arrays.put(&put, |(_, row)| Time::from(row.short_at));
    });
    save.await?;
    let put = held(edits);
    let save = HOLDERS.save(conn, &put, |arrays| {
        arrays.put(&put, |(of, _, _)| of.team.as_str()).put(&put, |(of, _, _)| of.user.as_str());
        arrays.put(&put, |(_, start, _)| Time::from(*start));
        holders::put(arrays, &put, |(_, _, holder)| *holder);
    });
    save.await
}

/// An account, and of whom.
type Part<'a> = (&'a MemberFunds, &'a MemberAccount);

/// Accounts that are to go, and those that are to be written.
fn accounts<'a>(edits: &[Edit<'a>]) -> (Vec<Part<'a>>, Vec<Part<'a>>) {
    let (mut gone, mut put) = (Vec::new(), Vec::new());
    for &(before, after) in edits {
        let old = before.map_or(&[][..], |before| &before.accounts);
        let is_gone = |account: &&MemberAccount| after.of(account.window.start).is_none();
        gone.extend(old.iter().filter(is_gone).map(|account| (after, account)));
        let is_as_before = |account: &MemberAccount| {
            let known = before.and_then(|before| before.of(account.window.start));
            known.is_some_and(|known| (known.window, known.short_at) == (account.window, account.short_at))
        };
        put.extend(after.accounts.iter().filter(|account| !is_as_before(account)).map(|account| (after, account)));
    }
    (gone, put)
}

async fn forget_accounts(conn: &mut PgConnection, gone: &[Part<'_>]) -> Result<(), Failure> {
    let forget = ACCOUNTS.forget(conn, gone, |arrays| {
        arrays.put(gone, |(of, _)| of.team.as_str()).put(gone, |(of, _)| of.user.as_str());
        arrays.put(gone, |(_, row)| Time::from(row.window.start));
    });
    forget.await?;
    let lent: Vec<_> = gone.iter().flat_map(|&(of, row)| row.holders.iter().map(move |h| (of, row, h))).collect();
    let forget = HOLDERS.forget(conn, &lent, |arrays| {
        arrays.put(&lent, |(of, _, _)| of.team.as_str()).put(&lent, |(of, _, _)| of.user.as_str());
        arrays.put(&lent, |(_, row, _)| Time::from(row.window.start));
        arrays.put(&lent, |(_, _, holder)| holders::text(holder.sidecar));
    });
    forget.await
}

/// Holders that are not as they were loaded.
fn held<'a>(edits: &[Edit<'a>]) -> Vec<(&'a MemberFunds, Timestamp, &'a Holder)> {
    let mut put = Vec::new();
    for &(before, after) in edits {
        for account in &after.accounts {
            let start = account.window.start;
            let known = before.and_then(|before| before.of(start)).map_or(&[][..], |known| &known.holders);
            let changed = account.holders.iter().filter(|holder| !known.contains(holder));
            put.extend(changed.map(|holder| (after, start, holder)));
        }
    }
    put
}
