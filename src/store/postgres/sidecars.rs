//! The sidecar that holds the leases. The key is its id; the rules know one sidecar, so another one
//! replaces it.

use sqlx::postgres::PgConnection;
use uuid::Uuid;

use super::failure::Failure;
use super::table::Holds::{Int, Uuid as Id};
use super::table::Table;
use super::values::Reader;
use crate::root::Sidecar;

const TABLE: Table =
    Table { name: "sidecars", columns: &[("id", Id), ("incarnation", Int), ("nonce", Id), ("last", Int)], key: 1 };

/// The sidecar.
pub async fn sidecar(conn: &mut PgConnection) -> Result<Option<Sidecar>, Failure> {
    let row = sqlx::query("SELECT id::text, incarnation, nonce::text, last FROM sidecars").fetch_optional(conn).await?;
    let Some(row) = row else { return Ok(None) };
    let mut row = Reader::new(&row);
    let uuid = |text: &str| Uuid::parse_str(text).ok().map(|uuid| uuid.as_u128());
    let (id, incarnation) = (row.word_by(uuid)?, row.count()?);
    Ok(Some(Sidecar { id, incarnation, nonce: row.word_by(uuid)?, last: row.count()? }))
}

/// Writes the sidecar.
pub async fn save(conn: &mut PgConnection, row: &Sidecar) -> Result<(), Failure> {
    let text = |id: u128| Uuid::from_u128(id).to_string();
    let others = sqlx::query("DELETE FROM sidecars WHERE id <> $1::text::uuid").bind(text(row.id));
    others.execute(&mut *conn).await?;
    let rows = [*row];
    let save = TABLE.save(conn, &rows, |arrays| {
        arrays.put(&rows, |row| text(row.id)).put_count(&rows, |row| row.incarnation);
        arrays.put(&rows, |row| text(row.nonce)).put_count(&rows, |row| row.last);
    });
    save.await
}
