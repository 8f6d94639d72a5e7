//! Opening a store: whether the server will do, and its migrations. They only go forward, and run under
//! a lock of the database, so that many sidecars may start at once.

use sqlx::Connection;
use sqlx::Row;
use sqlx::postgres::PgConnection;

use super::failure::Failure;
use super::months;
use super::pool::{Pool, run};
use crate::store::StoreError;

/// The oldest server that has all that is used here.
const VERSION_MIN: i32 = 150_000;

/// Checks the server and brings the tables to this version's form.
pub async fn open(pool: &Pool) -> Result<(), Failure> {
    let mut conn = pool.connect().await?;
    check(&mut conn, pool.options().place()).await?;
    migrate(&mut conn, pool.options().place()).await?;
    months::make_current(&mut conn, pool.options().place()).await?;
    // The server notices by itself where this fails.
    drop(conn.close().await);
    Ok(())
}

/// All in one transaction: whoever comes second waits, and then finds everything done.
async fn migrate(conn: &mut PgConnection, place: &str) -> Result<(), Failure> {
    run(conn, BEGIN).await?;
    let known = sqlx::query("SELECT coalesce(max(version), 0) FROM migrations").fetch_one(&mut *conn).await?;
    let known: i64 = known.try_get(0)?;
    let newest = MIGRATIONS.len() as i64;
    if known > newest {
        let cause = format!("the tables are of version {known}, this purser knows {newest}: run a newer purser");
        return Err(StoreError::rejected("bringing the tables up to date", place, cause).into());
    }
    for (version, sql) in (1..).zip(MIGRATIONS).skip(known.unsigned_abs() as usize) {
        run(conn, sql).await?;
        let note = sqlx::query("INSERT INTO migrations (version) VALUES ($1)").bind(version);
        note.execute(&mut *conn).await?;
        tracing::info!(version, place, "tables brought up to date");
    }
    run(conn, "COMMIT").await
}

async fn check(conn: &mut PgConnection, place: &str) -> Result<(), Failure> {
    let sql = "SELECT current_setting('server_version_num')::int, pg_is_in_recovery(), \
               current_setting('server_encoding'), current_setting('fsync')::bool";
    let row = sqlx::query(sql).fetch_one(conn).await?;
    let (version, is_standby): (i32, bool) = (row.try_get(0)?, row.try_get(1)?);
    let (encoding, syncs): (String, bool) = (row.try_get(2)?, row.try_get(3)?);
    const DOING: &str = "opening the store";
    if version < VERSION_MIN {
        let cause = format!("the server is PostgreSQL {}; 15 or newer is needed", version / 10_000);
        return Err(StoreError::unavailable(DOING, place, cause).into());
    }
    if is_standby {
        return Err(StoreError::unavailable(DOING, place, "the server is a standby; name the primary").into());
    }
    if encoding != "UTF8" {
        let cause = format!("the database's encoding is {encoding}; make one with ENCODING 'UTF8'");
        return Err(StoreError::unavailable(DOING, place, cause).into());
    }
    if !syncs {
        tracing::warn!(place, "the server runs with fsync = off: after a crash credits may be spent twice");
    }
    Ok(())
}

/// The lock comes first, also before the table of migrations is looked for.
const BEGIN: &str = "BEGIN; SELECT pg_advisory_xact_lock(1886745203, 0); CREATE TABLE IF NOT EXISTS migrations \
                     (version bigint PRIMARY KEY, made_at timestamptz NOT NULL DEFAULT now())";

/// Each is run once, in this order. What has been released is never changed, only added to.
const MIGRATIONS: &[&str] = &[
    include_str!("migrations/0001_tables.sql"),
    include_str!("migrations/0002_ledger.sql"),
    include_str!("migrations/0003_pending.sql"),
    include_str!("migrations/0004_blocks.sql"),
    include_str!("migrations/0005_rates.sql"),
    include_str!("migrations/0006_heard.sql"),
    include_str!("migrations/0007_pending_rates.sql"),
    include_str!("migrations/0008_runs.sql"),
];
