//! Reads whole tables page by page, all as of one instant: for a start, and for an audit.

use sqlx::postgres::PgConnection;

use super::failure::Failure;
use super::member_funds::Person;
use super::{holds, ledger, member_funds, people, sidecars, subscriptions};
use crate::store::audit::Recount;
use crate::store::packed::Pages;
use crate::store::read::{Filter, Loaded, Visitor};

/// Rows that are read at once; bounds the memory of a scan.
const SCAN: usize = 4_096;

/// Subscriptions that are read at once; each has a handful of grants and accounts.
const SCAN_SUBSCRIPTIONS: i64 = 2_048;

/// Visits all rows; holds only of these sidecars.
pub async fn visit(conn: &mut PgConnection, sidecars: &[u128], visit: Visitor<'_>) -> Result<(), Failure> {
    visit(Loaded::Root(sidecars::root(conn).await?.unwrap_or_default()));
    visit_subscriptions(conn, visit).await?;
    let pages = visit_teams(conn, visit).await?;
    visit_members(conn, &pages, visit).await?;
    visit_member_funds(conn, visit).await?;
    for &sidecar in sidecars {
        visit_holds(conn, sidecar, visit).await?;
    }
    Ok(())
}

/// Counts the ledger again.
pub async fn recount(conn: &mut PgConnection) -> Result<Recount, Failure> {
    let (mut recount, mut after) = (Recount::default(), 0);
    loop {
        let entries = ledger::page(conn, &Filter::default(), Some(after), SCAN, None).await?;
        entries.iter().for_each(|entry| recount.take(entry));
        match entries.last() {
            Some(last) => after = last.position,
            None => return Ok(recount),
        }
    }
}

async fn visit_subscriptions(conn: &mut PgConnection, visit: Visitor<'_>) -> Result<(), Failure> {
    let mut after = String::new();
    loop {
        let page = subscriptions::page(conn, &after, SCAN_SUBSCRIPTIONS).await?;
        let Some(last) = page.last() else { return Ok(()) };
        last.id.as_str().clone_into(&mut after);
        page.into_iter().for_each(|row| visit(Loaded::Subscription(Box::new(row))));
    }
}

async fn visit_teams(conn: &mut PgConnection, visit: Visitor<'_>) -> Result<Pages, Failure> {
    let (mut after, mut pages) = (None, Pages::default());
    loop {
        let page = people::team_page(conn, None, after.as_ref(), SCAN).await?;
        let Some(last) = page.last() else { return Ok(pages) };
        after = Some(last.id.clone());
        page.iter().for_each(|team| pages.add(team));
        page.into_iter().for_each(|row| visit(Loaded::Team(row)));
    }
}

async fn visit_members(conn: &mut PgConnection, pages: &Pages, visit: Visitor<'_>) -> Result<(), Failure> {
    let mut ready = Vec::new();
    for range in pages.ranges().map(Some).chain([None]) {
        let next = async {
            match range {
                Some(range) => people::packed_members(conn, range).await,
                None => Ok(Vec::new()),
            }
        };
        // The server packs the next page while this one is read.
        let read = async {
            ready.iter().try_for_each(|row| {
                let (team, members) = people::read_packed(row)?;
                visit(Loaded::Members(team, members));
                Ok::<_, Failure>(())
            })
        };
        let (next, read) = tokio::join!(next, read);
        read?;
        ready = next?;
    }
    Ok(())
}

async fn visit_member_funds(conn: &mut PgConnection, visit: Visitor<'_>) -> Result<(), Failure> {
    let mut after = None::<Person>;
    loop {
        let key = after.as_ref().map_or(("", ""), |(team, user)| (team.as_str(), user.as_str()));
        let page = member_funds::page(conn, key, SCAN as i64).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = Some((last.team.clone(), last.user.clone()));
        page.into_iter().for_each(|row| visit(Loaded::MemberFunds(Box::new(row))));
    }
}

async fn visit_holds(conn: &mut PgConnection, sidecar: u128, visit: Visitor<'_>) -> Result<(), Failure> {
    let mut after = (String::new(), String::new());
    loop {
        let page = holds::page(conn, sidecar, (&after.0, &after.1), SCAN as i64).await?;
        let Some((scope, last)) = page.last() else { return Ok(()) };
        after = (scope.clone(), last.id.as_str().to_owned());
        page.into_iter().for_each(|(_, hold)| visit(Loaded::Hold(Box::new(hold))));
    }
}
