//! A few connections, each either idle between two transactions or in use by one. A connection that
//! has failed, or whose user has gone away in the middle, is closed and never used again: what it was
//! doing is then rolled back by the server, or has been committed.

use std::ops::{Deref, DerefMut};
use std::time::Duration;

use parking_lot::Mutex;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, ConnectOptions};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use super::failure::Failure;
use super::options::Options;

/// How long the first statement on an idle connection may take. Where a firewall has forgotten the
/// connection there is no answer at all; a new connection then gets the rest of the verb's time.
const REUSE_TIMEOUT: Duration = Duration::from_secs(1);

/// What holds for a session. A commit is on the server's disk, and where there is a synchronous standby on
/// that one's, whatever the server's default. A client that has gone is noticed while a statement waits.
const SESSION: &str = "SET synchronous_commit = on; SET client_connection_check_interval = '1s'; SET TimeZone = 'UTC'";

/// The connections of a store.
#[derive(Debug)]
pub struct Pool {
    options: Options,
    permits: Semaphore,
    idle: Mutex<Vec<PgConnection>>,
}

/// A connection in use. It is closed when it is dropped: give it back when its transaction has ended.
#[derive(Debug)]
pub struct Used<'p> {
    conn: PgConnection,
    pool: &'p Pool,
    _permit: SemaphorePermit<'p>,
}

impl Pool {
    /// Without a connection yet.
    pub fn new(options: Options) -> Self {
        let permits = Semaphore::new(options.connections_max.max(1) as usize);
        Self { options, permits, idle: Mutex::default() }
    }

    /// How they are made.
    pub const fn options(&self) -> &Options {
        &self.options
    }

    /// A connection on which `begin` has been run. Nothing was asked of it before, so where an idle one
    /// has broken meanwhile the next one is tried.
    pub async fn begin(&self, begin: &str) -> Result<Used<'_>, Failure> {
        let permit = self.permits.acquire().await.expect("the semaphore is never closed");
        loop {
            let idle = self.idle.lock().pop();
            let Some(mut conn) = idle else { break };
            match timeout(REUSE_TIMEOUT, run(&mut conn, begin)).await {
                Ok(Ok(())) => return Ok(Used { conn, pool: self, _permit: permit }),
                Ok(Err(failure)) if !failure.is_gone() => return Err(failure),
                Ok(Err(_)) | Err(_) => {}
            }
        }
        let mut conn = self.connect().await?;
        run(&mut conn, begin).await?;
        Ok(Used { conn, pool: self, _permit: permit })
    }

    /// A connection of its own, which is not given back.
    pub async fn connect(&self) -> Result<PgConnection, Failure> {
        let limit = self.options.connect_timeout;
        let connect = async {
            let mut conn = self.options.connect().connect().await?;
            run(&mut conn, SESSION).await?;
            Ok(conn)
        };
        let late = |_| std::io::Error::new(std::io::ErrorKind::TimedOut, format!("no connection within {limit:?}"));
        timeout(limit, Box::pin(connect)).await.map_err(|elapsed| sqlx::Error::Io(late(elapsed)))?
    }

    /// Closes the idle connections.
    pub fn close(&self) {
        self.idle.lock().clear();
    }
}

/// Runs statements that answer nothing, in one message.
pub async fn run(conn: &mut PgConnection, sql: &str) -> Result<(), Failure> {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(conn).await?;
    Ok(())
}

impl Used<'_> {
    /// Ends the transaction by `end` and makes the connection idle.
    pub async fn end(mut self, end: &str) -> Result<(), Failure> {
        run(&mut self.conn, end).await?;
        let Self { conn, pool, _permit } = self;
        pool.idle.lock().push(conn);
        Ok(())
    }
}

impl Deref for Used<'_> {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.conn
    }
}

impl DerefMut for Used<'_> {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.conn
    }
}
