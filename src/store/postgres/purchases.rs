//! Purchases that were made, so that the same id is never granted twice.

use sqlx::AssertSqlSafe;
use sqlx::postgres::PgConnection;

use super::failure::Failure;
use super::table::Holds::{Int, Text, Time as At};
use super::table::Table;
use super::values::{Reader, Time};
use crate::domain::{OperationId, SubscriptionId};
use crate::root::rows::Purchase;

const TABLE: Table = Table {
    name: "purchases",
    columns: &[("subscription", Text), ("id", Text), ("credits", Int), ("expires_at", At)],
    key: 2,
};

/// One purchase.
pub async fn purchase(
    conn: &mut PgConnection,
    subscription: &SubscriptionId,
    id: &OperationId,
) -> Result<Option<Purchase>, Failure> {
    let sql = format!("SELECT {} FROM purchases WHERE subscription = $1 AND id = $2", TABLE.list());
    let query = sqlx::query(AssertSqlSafe(sql)).bind(subscription.as_str()).bind(id.as_str());
    let Some(row) = query.fetch_optional(conn).await? else { return Ok(None) };
    let mut row = Reader::new(&row);
    Ok(Some(Purchase {
        subscription: row.id(SubscriptionId::new)?,
        id: row.id(OperationId::new)?,
        credits: row.credits()?,
        expires_at: row.maybe(Reader::time)?,
    }))
}

/// Adds purchases.
pub async fn add(conn: &mut PgConnection, rows: &[&Purchase]) -> Result<(), Failure> {
    let add = TABLE.add(conn, rows, |arrays| {
        arrays.put(rows, |row| row.subscription.as_str()).put(rows, |row| row.id.as_str());
        arrays.put(rows, |row| row.credits.micros()).put(rows, |row| row.expires_at.map(Time::from));
    });
    add.await
}
