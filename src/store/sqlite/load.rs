//! Reads whole tables page by page within one read transaction: for a start, and for an audit.

use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::failure::Failure;
use super::values::Reader;
use super::{pages, people, subscriptions};
use crate::domain::ids::Model;
use crate::domain::{Drawer, OperationId, Payer, SubscriptionId, Tally, TeamId, UserId};
use crate::root::SOLE;
use crate::store::Hold;
use crate::store::audit::Recount;
use crate::store::packed::{Packed, Pages, Wrong};
use crate::store::read::{Filter, Loaded, Visitor};

/// Rows that are read at once; bounds the memory of a scan.
const SCAN: usize = 4_096;

/// Visits all rows; draws only of windows from `since` on, or with open holds.
pub async fn visit(conn: &mut SqliteConnection, since: i64, visit: Visitor<'_>) -> Result<(), Failure> {
    visit_subscriptions(conn, visit).await?;
    let pages = visit_teams(conn, visit).await?;
    visit_members(conn, &pages, visit).await?;
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

async fn visit_teams(conn: &mut SqliteConnection, visit: Visitor<'_>) -> Result<Pages, Failure> {
    let (mut after, mut pages) = (None, Pages::default());
    loop {
        let page = people::team_page(conn, None, after.as_ref(), SCAN).await?;
        let Some(last) = page.last() else { return Ok(pages) };
        after = Some(last.id.clone());
        page.iter().for_each(|team| pages.add(team));
        page.into_iter().for_each(|row| visit(Loaded::Team(row)));
    }
}

/// Members of the teams after one, up to another, packed, and the teams packed once more into one row: each row crosses over
/// from the driver's thread by itself and wakes who waits for it. No id has a slash.
const MEMBERS: &str = "SELECT group_concat(team, '/'), group_concat(users, '/'), group_concat(roles, '/'), \
     group_concat(accesses, '/'), group_concat(opted_out, '/'), group_concat(limits, '/'), \
     group_concat(removed, '/'), group_concat(epochs, '/') FROM (SELECT team, \
     group_concat(user, ' ') AS users, group_concat(role, ' ') AS roles, group_concat(access, ' ') AS accesses, \
     group_concat(iif(opted_out, '1', '0'), '') AS opted_out, \
     group_concat(ifnull(draw_limit, '-'), ' ') AS limits, group_concat(iif(removed, '1', '0'), '') AS removed, \
     group_concat(epoch, ' ') AS epochs FROM members WHERE team > ? AND team <= ? GROUP BY team)";

async fn visit_members(conn: &mut SqliteConnection, pages: &Pages, visit: Visitor<'_>) -> Result<(), Failure> {
    let mut ready = None;
    for range in pages.ranges().map(Some).chain([None]) {
        let next = async {
            let Some((after, last)) = range else { return Ok(None) };
            sqlx::query(MEMBERS).bind(after).bind(last).fetch_optional(&mut *conn).await
        };
        // SQLite's thread packs the next page while this one is read.
        let read = async { ready.iter().try_for_each(|row| read_members(row, visit)) };
        let (next, read) = tokio::join!(next, read);
        read?;
        ready = next?;
    }
    Ok(())
}

fn read_members(row: &SqliteRow, visit: Visitor<'_>) -> Result<(), Failure> {
    let mut row = Reader::new(row);
    let Some(teams) = row.maybe(Reader::text)? else { return Ok(()) };
    let mut columns = [""; 7];
    for column in &mut columns {
        *column = row.text()?;
    }
    let mut columns = columns.map(|column| column.split('/'));
    for team in teams.split('/') {
        let [users, roles, accesses, opted_out, limits, removed, epochs] =
            columns.each_mut().map(|column| column.next().unwrap_or_default());
        let packed = Packed { users, roles, accesses, opted_out, limits, removed, epochs };
        let wrong = |Wrong { column, cause }| {
            let cause = format!("{cause}, of a member of team {team}");
            Failure::Value { column: column.to_owned(), cause }
        };
        let members = packed.members("user").map_err(wrong)?;
        visit(Loaded::Members(same_or_new(&mut None, team)?, members));
    }
    Ok(())
}

/// The team's id; members that follow each other share one text.
fn same_or_new(known: &mut Option<TeamId>, text: &str) -> Result<TeamId, Failure> {
    if let Some(known) = known
        && known.as_str() == text
    {
        return Ok(known.clone());
    }
    let wrong = |error| Failure::Value { column: "team".to_owned(), cause: format!("{text:?} {error}") };
    let team = TeamId::new(text).map_err(wrong)?;
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
