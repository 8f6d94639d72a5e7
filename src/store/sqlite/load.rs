//! Reads whole tables page by page within one read transaction: for a start, and for an audit.

use std::fmt::{Debug, Display};

use serde::Deserialize;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::failure::Failure;
use super::values::Reader;
use super::{pages, people, subscriptions};
use crate::domain::ids::Model;
use crate::domain::{Credits, Drawer, Member, OperationId, Payer, SubscriptionId, Tally, TeamId, UserId};
use crate::root::SOLE;
use crate::store::Hold;
use crate::store::audit::Recount;
use crate::store::read::{Filter, Loaded, Visitor};

/// Rows that are read at once; bounds the memory of a scan.
const SCAN: usize = 4_096;

/// Visits all rows; draws only of windows from `since` on, or with open holds.
pub async fn visit(conn: &mut SqliteConnection, since: i64, visit: Visitor<'_>) -> Result<(), Failure> {
    visit_subscriptions(conn, visit).await?;
    visit_teams(conn, visit).await?;
    visit_members(conn, visit).await?;
    let older = sqlx::query("SELECT DISTINCT window_start FROM holds WHERE window_start < ?").bind(since);
    for row in older.fetch_all(&mut *conn).await? {
        let window = Reader::new(&row).int()?;
        visit_draws(conn, (window, window), visit).await?;
    }
    visit_draws(conn, (since, i64::MAX), visit).await?;
    visit_holds(conn, visit).await
}

/// Counts the ledger again.
pub async fn recount(conn: &mut SqliteConnection) -> Result<Recount, Failure> {
    let (mut recount, mut after) = (Recount::default(), 0);
    loop {
        let entries = pages::page(conn, &Filter::default(), Some(after), SCAN).await?;
        entries.iter().for_each(|entry| recount.take(entry));
        match entries.last() {
            Some(last) => after = last.position,
            None => return Ok(recount),
        }
    }
}

async fn visit_subscriptions(conn: &mut SqliteConnection, visit: Visitor<'_>) -> Result<(), Failure> {
    let mut after = String::new();
    loop {
        let page = subscriptions::page(conn, &after).await?;
        let Some(last) = page.last() else { return Ok(()) };
        last.id.as_str().clone_into(&mut after);
        page.into_iter().for_each(|row| visit(Loaded::Subscription(Box::new(row))));
    }
}

async fn visit_teams(conn: &mut SqliteConnection, visit: Visitor<'_>) -> Result<(), Failure> {
    let mut after = None;
    loop {
        let page = people::team_page(conn, None, after.as_ref(), SCAN).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = Some(last.id.clone());
        page.into_iter().for_each(|row| visit(Loaded::Team(row)));
    }
}

/// A page of members, packed by SQLite into one row: each row crosses over from the driver's thread by itself, which costs
/// far more than to read it.
const MEMBERS: &str = "SELECT json_group_array(json_array(\
     team, user, role, access, opted_out, draw_limit, removed, epoch)) \
     FROM (SELECT * FROM members WHERE (team, user) > (?, ?) ORDER BY team, user LIMIT 4096)";

/// A member as [`MEMBERS`] packs it. A valid id has nothing that JSON escapes, so texts can be borrowed.
type PackedMember<'a> = (&'a str, &'a str, &'a str, &'a str, i64, Option<i64>, i64, u64);

async fn visit_members(conn: &mut SqliteConnection, visit: Visitor<'_>) -> Result<(), Failure> {
    let mut after = Place::default();
    let mut page = member_page(conn, &after).await?;
    while let Some(last) = last_of(&page, &after)? {
        // SQLite's thread packs the next page while this one is read.
        let read = async { read_members(&page, &after, visit) };
        let (next, read) = tokio::join!(member_page(conn, &last), read);
        read?;
        (page, after) = (next?, last);
    }
    Ok(())
}

/// A team and a user of it, in the order of which members come.
type Place = (String, String);

async fn member_page(conn: &mut SqliteConnection, (team, user): &Place) -> Result<String, Failure> {
    Ok(sqlx::query_scalar(MEMBERS).bind(team).bind(user).fetch_one(conn).await?)
}

/// Where a page ends, unless it is empty. No text of it has brackets.
fn last_of(page: &str, after: &Place) -> Result<Option<Place>, Failure> {
    let Some(at) = page.rfind('[').filter(|at| *at > 0) else { return Ok(None) };
    let (team, user, ..): PackedMember<'_> = unpack(&page[at..page.len() - 1], after)?;
    Ok(Some((team.to_owned(), user.to_owned())))
}

fn read_members(page: &str, after: &Place, visit: Visitor<'_>) -> Result<(), Failure> {
    let mut team = None;
    for packed in unpack::<Vec<PackedMember<'_>>>(page, after)? {
        let (team, member) = unpack_member(&packed, &mut team)?;
        visit(Loaded::Member(team, member));
    }
    Ok(())
}

fn unpack<'a, T: Deserialize<'a>>(text: &'a str, (team, user): &Place) -> Result<T, Failure> {
    let cause = |error| format!("{error}, of the members after {user:?} of team {team:?}");
    serde_json::from_str(text).map_err(|error| Failure::Value { column: "members".to_owned(), cause: cause(error) })
}

fn unpack_member(packed: &PackedMember<'_>, known: &mut Option<TeamId>) -> Result<(TeamId, Member), Failure> {
    let &(team, user, role, access, opted_out, limit, removed, epoch) = packed;
    let credits = |micros| Credits::from_micros(micros).ok_or("is not an amount of micro-credits");
    let member = Member {
        user: valid("user", user, UserId::new(user))?,
        role: valid("role", role, role.parse().map_err(|()| UNKNOWN))?,
        access: valid("access", access, access.parse().map_err(|()| UNKNOWN))?,
        opted_out: opted_out != 0,
        limit: limit.map(|micros| valid("draw_limit", micros, credits(micros))).transpose()?,
        removed: removed != 0,
        epoch,
    };
    Ok((same_or_new(known, team)?, member))
}

const UNKNOWN: &str = "is none of the words known here";

/// What was made of a column's value, or what is wrong with it.
fn valid<T>(column: &str, value: impl Debug, made: Result<T, impl Display>) -> Result<T, Failure> {
    made.map_err(|error| Failure::Value { column: column.to_owned(), cause: format!("{value:?} {error}") })
}

/// The team's id; members that follow each other share one text.
fn same_or_new(known: &mut Option<TeamId>, text: &str) -> Result<TeamId, Failure> {
    if let Some(known) = known
        && known.as_str() == text
    {
        return Ok(known.clone());
    }
    let team = valid("team", text, TeamId::new(text))?;
    *known = Some(team.clone());
    Ok(team)
}

async fn visit_draws(
    conn: &mut SqliteConnection,
    (first, last): (i64, i64),
    visit: Visitor<'_>,
) -> Result<(), Failure> {
    let sql = "SELECT window_start, team, member, spent, refunded, held FROM draws \
               WHERE (window_start, team, member) > (?, ?, ?) AND window_start <= ? \
               ORDER BY window_start, team, member LIMIT 4096";
    let (mut window, mut team, mut user) = (first, None::<TeamId>, String::new());
    loop {
        let query = sqlx::query(sql).bind(window).bind(team.as_ref().map_or("", TeamId::as_str));
        let page = query.bind(user.as_str()).bind(last).fetch_all(&mut *conn).await?;
        for row in &page {
            let mut row = Reader::new(row);
            let start = row.time()?;
            let of = same_or_new(&mut team, row.text()?)?;
            let member = row.id(UserId::new)?;
            let tally = Tally { spent: row.credits()?, refunded: row.credits()?, held: row.credits()? };
            window = start.millis();
            member.as_str().clone_into(&mut user);
            visit(Loaded::Draws { team: of, member, window: start, tally });
        }
        if page.len() < SCAN {
            return Ok(());
        }
    }
}

async fn visit_holds(conn: &mut SqliteConnection, visit: Visitor<'_>) -> Result<(), Failure> {
    let sql = "SELECT scope, id, team, member, payer, subscription, window_start, credits, expires_at, model, \
               content, held_at, rates FROM holds WHERE (scope, id) > (?, ?) ORDER BY scope, id LIMIT 4096";
    let (mut scope, mut id) = (String::new(), String::new());
    loop {
        let page = sqlx::query(sql).bind(scope.as_str()).bind(id.as_str()).fetch_all(&mut *conn).await?;
        for row in &page {
            let hold = read_hold(row, &mut scope)?;
            hold.id.as_str().clone_into(&mut id);
            visit(Loaded::Hold(Box::new(hold)));
        }
        if page.len() < SCAN {
            return Ok(());
        }
    }
}

fn read_hold(row: &SqliteRow, scope: &mut String) -> Result<Hold, Failure> {
    let mut row = Reader::new(row);
    row.text()?.clone_into(scope);
    let id = row.id(OperationId::new)?;
    let drawer = Drawer {
        team: row.maybe(|row| row.id(TeamId::new))?,
        member: row.id(UserId::new)?,
        payer: row.word_by(|text| [Payer::Pool, Payer::Wallet].into_iter().find(|payer| payer.as_str() == text))?,
        subscription: row.id(SubscriptionId::new)?,
    };
    Ok(Hold {
        sidecar: SOLE,
        id,
        drawer,
        window: row.time()?,
        credits: row.credits()?,
        expires_at: row.time()?,
        model: row.maybe(|row| row.id(Model::new))?,
        content: row.int()?.cast_unsigned(),
        held_at: row.time()?,
        rates: row.maybe(Reader::word)?,
    })
}
