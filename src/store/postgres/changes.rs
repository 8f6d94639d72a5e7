//! What control has changed, in the order of its changes, for sidecars that follow.

use sqlx::Row as _;
use sqlx::postgres::PgConnection;

use super::failure::Failure;
use super::{people, sidecars, subscriptions};
use crate::root::Row;
use crate::store::read::Changes;

/// Changed rows that are read at once, but for those of the last change among them.
const ROWS_MAX: i64 = 10_000;

/// The rows that were changed after the change `since`, or as many of them as are read at once.
pub async fn after(conn: &mut PgConnection, since: u64) -> Result<Changes, Failure> {
    let newest = sidecars::root(conn).await?.unwrap_or_default().config;
    let since = i64::try_from(since).unwrap_or(i64::MAX);
    let sql = "SELECT changed_by FROM (SELECT changed_by FROM subscriptions WHERE changed_by > $1 \
               UNION ALL SELECT changed_by FROM teams WHERE changed_by > $1 \
               UNION ALL SELECT changed_by FROM members WHERE changed_by > $1) AS changed \
               ORDER BY changed_by OFFSET $2 LIMIT 1";
    let cut = sqlx::query(sql).bind(since).bind(ROWS_MAX).fetch_optional(&mut *conn).await?;
    let cut: Option<i64> = cut.map(|row| row.try_get(0)).transpose()?;
    let upto = cut.unwrap_or_else(|| i64::try_from(newest).unwrap_or(i64::MAX));
    let span = (since, upto);
    let mut rows: Vec<Row> = Vec::new();
    let changed = subscriptions::changed(conn, span).await?;
    rows.extend(changed.into_iter().map(|row| Row::Subscription(Box::new(row))));
    rows.extend(people::teams_changed(conn, span).await?.into_iter().map(Row::Team));
    rows.extend(people::members_changed(conn, span).await?.into_iter().map(|(team, row)| Row::Member(team, row)));
    let upto = upto.max(since).unsigned_abs();
    Ok(Changes { rows, upto, more: upto < newest })
}
