//! Opening a store: whether the server will do, and its migrations. They only go forward, and run under
//! a lock of the database, so that many sidecars may start at once.

use sqlx::Connection;
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::postgres::PgConnection;
use sqlx::{Row, SqlSafeStr};

use super::failure::{Failure, of_migration};
use super::months;
use super::pool::Pool;
use crate::store::StoreError;

/// The oldest server that has all that is used here.
const VERSION_MIN: i32 = 150_000;

/// Checks the server and brings the tables to this version's form.
pub async fn open(pool: &Pool) -> Result<(), Failure> {
    let mut conn = pool.connect().await?;
    check(&mut conn, pool.options().place()).await?;
    let migrations = MIGRATIONS.iter().map(|&(version, name, sql)| {
        Migration::new(version, name.into(), MigrationType::Simple, sql.into_sql_str(), false)
    });
    Migrator::with_migrations(migrations.collect()).run(&mut conn).await.map_err(of_migration)?;
    months::make_current(&mut conn).await?;
    // The server notices by itself where this fails.
    drop(conn.close().await);
    Ok(())
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

const MIGRATIONS: &[(i64, &str, &str)] = &[
    (1, "tables", include_str!("migrations/0001_tables.sql")),
    (2, "ledger", include_str!("migrations/0002_ledger.sql")),
];
