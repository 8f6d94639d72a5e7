//! The sidecars that have registered, and which store this is.

use sqlx::AssertSqlSafe;
use sqlx::postgres::{PgConnection, PgRow};

use super::failure::Failure;
use super::holders::{text, uuid};
use super::table::Holds::{Flag, Int, Text, Time as At, Uuid as Id};
use super::table::Table;
use super::values::{Reader, Time, kept};
use crate::root::{Root, Sidecar};

const SIDECARS: Table = Table {
    name: "sidecars",
    columns: &[
        ("id", Id),
        ("incarnation", Int),
        ("nonce", Id),
        ("before", Id),
        ("last", Int),
        ("host", Text),
        ("state", Text),
        ("generation", Int),
        ("beat", Int),
        ("config", Int),
        ("synced_at", At),
        ("unknown", Int),
    ],
    key: 1,
};

const ROOT: Table = Table {
    name: "root",
    columns: &[
        ("one", Flag),
        ("generation", Int),
        ("identity", Text),
        ("evidence", Flag),
        ("config", Int),
        ("limited", Int),
        ("lender", Id),
        ("hears_until", At),
        ("put", Int),
    ],
    key: 1,
};

fn read(row: &PgRow) -> Result<Sidecar, Failure> {
    let mut row = Reader::new(row);
    Ok(Sidecar {
        id: row.word_by(uuid)?,
        incarnation: row.count()?,
        nonce: row.word_by(uuid)?,
        before: row.word_by(uuid)?,
        last: row.count()?,
        host: row.any_text()?,
        state: row.word()?,
        generation: row.count()?,
        beat: row.count()?,
        config: row.count()?,
        synced_at: row.time()?,
        unknown: row.count()?,
    })
}

/// One sidecar.
pub async fn sidecar(conn: &mut PgConnection, id: u128) -> Result<Option<Sidecar>, Failure> {
    let sql = format!("SELECT {} FROM sidecars WHERE id = $1::text::uuid", SIDECARS.list());
    let row = sqlx::query(AssertSqlSafe(sql)).bind(text(id)).fetch_optional(conn).await?;
    row.as_ref().map(read).transpose()
}

/// All sidecars, by id.
pub async fn all(conn: &mut PgConnection) -> Result<Vec<Sidecar>, Failure> {
    let sql = format!("SELECT {} FROM sidecars ORDER BY id", SIDECARS.list());
    sqlx::query(AssertSqlSafe(sql)).fetch_all(conn).await?.iter().map(read).collect()
}

/// Which store this is.
pub async fn root(conn: &mut PgConnection) -> Result<Option<Root>, Failure> {
    let sql = format!("SELECT {} FROM root", ROOT.list());
    let Some(row) = sqlx::query(AssertSqlSafe(sql)).fetch_optional(conn).await? else { return Ok(None) };
    let mut row = Reader::new(&row);
    row.flag()?;
    Ok(Some(Root {
        generation: row.count()?,
        identity: row.any_text()?,
        evidence: row.flag()?,
        config: row.count()?,
        limited: row.count()?,
        lender: row.word_by(uuid)?,
        hears_until: row.time()?,
        put: row.count()?,
    }))
}

/// Writes sidecars.
pub async fn save(conn: &mut PgConnection, rows: &[&Sidecar]) -> Result<(), Failure> {
    let save = SIDECARS.save(conn, rows, |arrays| {
        arrays.put(rows, |row| text(row.id)).put_count(rows, |row| row.incarnation);
        arrays.put(rows, |row| text(row.nonce)).put(rows, |row| text(row.before));
        arrays.put_count(rows, |row| row.last);
        arrays.put(rows, |row| kept(&row.host)).put(rows, |row| row.state.as_str());
        arrays.put_count(rows, |row| row.generation).put_count(rows, |row| row.beat);
        arrays.put_count(rows, |row| row.config).put(rows, |row| Time::from(row.synced_at));
        arrays.put_count(rows, |row| row.unknown);
    });
    save.await
}

/// Writes which store this is.
pub async fn save_root(conn: &mut PgConnection, rows: &[&Root]) -> Result<(), Failure> {
    let save = ROOT.save(conn, rows, |arrays| {
        arrays.put(rows, |_| true).put_count(rows, |row| row.generation);
        arrays.put(rows, |row| kept(&row.identity)).put(rows, |row| row.evidence);
        arrays.put_count(rows, |row| row.config).put_count(rows, |row| row.limited);
        arrays.put(rows, |row| text(row.lender)).put(rows, |row| Time::from(row.hears_until));
        arrays.put_count(rows, |row| row.put);
    });
    save.await
}
