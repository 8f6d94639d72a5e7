//! The ledger's partitions: one per month, made ahead. An entry that falls outside goes to `ledger_rest`,
//! so making one is never urgent and never in the way of a report.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use sqlx::postgres::PgConnection;

use super::failure::Failure;
use super::pool::{Pool, run};
use super::values::{Reader, Time};
use crate::domain::Timestamp;

/// How long before its month a partition is made at the latest.
const AHEAD_MILLIS: i64 = 7 * 24 * 3_600_000;

/// The pause after a failure, in the time of the verbs.
const PAUSE_MILLIS: i64 = 60_000;

/// Others are not kept waiting for long: they are while the partition of the rest is locked.
const BEGIN: &str = "BEGIN; SET LOCAL lock_timeout = '1s'; SET LOCAL statement_timeout = '10s'";

/// How far partitions have been made.
#[derive(Debug, Default)]
pub struct Months {
    /// Between these two times all is done, or has just failed.
    from: AtomicI64,
    until: AtomicI64,
}

/// How long a verb waits for a partition to be made.
const LIMIT: Duration = Duration::from_secs(2);

impl Months {
    /// Makes partitions where `now` comes close to the end of those that there are. What fails is tried
    /// again later.
    pub async fn follow(&self, pool: &Pool, now: Timestamp) {
        let now = now.millis();
        if (self.from.load(Ordering::Relaxed)..self.until.load(Ordering::Relaxed)).contains(&now) {
            return;
        }
        let made = tokio::time::timeout(LIMIT, make(pool, now)).await;
        let until = match made {
            Ok(Ok(until)) => until - AHEAD_MILLIS,
            Ok(Err(failure)) => {
                let error = failure.at("making the ledger's next partition", pool.options().place());
                tracing::warn!(%error, "entries go to the partition ledger_rest until it is there");
                now + PAUSE_MILLIS
            }
            Err(_) => now + PAUSE_MILLIS,
        };
        self.from.store(now, Ordering::Relaxed);
        self.until.store(until, Ordering::Relaxed);
    }
}

/// Makes the partitions around a time; answers when the last one ends.
async fn make(pool: &Pool, now: i64) -> Result<i64, Failure> {
    let mut conn = pool.begin(BEGIN).await?;
    let row = sqlx::query("SELECT ledger_months($1)").bind(Time(now)).fetch_one(&mut *conn).await?;
    let until = Reader::new(&row).time()?.millis();
    conn.end("COMMIT").await?;
    Ok(until)
}

/// Makes the partitions around the server's own time. Where somebody is in the way, a later verb does it.
pub async fn make_current(conn: &mut PgConnection, place: &str) -> Result<(), Failure> {
    run(conn, BEGIN).await?;
    match sqlx::query("SELECT ledger_months(now())").execute(&mut *conn).await.map_err(Failure::from) {
        Ok(_) => run(conn, "COMMIT").await,
        Err(failure) if failure.is_answer() => {
            let error = failure.at("making the ledger's partitions", place);
            tracing::warn!(%error, "entries go to the partition ledger_rest until they are there");
            run(conn, "ROLLBACK").await
        }
        Err(failure) => Err(failure),
    }
}
