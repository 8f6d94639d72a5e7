//! Opening a store's file: who may read it, how it is written, and its migrations.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::PathBuf;
use std::time::Duration;

use rustix::fs::FlockOperation;
use rustix::io::Errno;
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, SqlSafeStr, SqlitePool};

use super::failure::{Failure, of_migration};
use crate::store::StoreError;

/// How a store's file is opened and used.
#[derive(Clone, Debug)]
pub struct Options {
    /// The file; made when it is missing, its folder is not.
    pub file: PathBuf,
    /// How long a write waits for another process to finish writing.
    pub busy_timeout: Duration,
    /// The most that one verb takes.
    pub verb_timeout: Duration,
    /// The most that opening, a load or an audit takes: they read whole tables.
    pub scan_timeout: Duration,
    /// Connections for reading beside the one for writing.
    pub readers: u32,
    /// The largest file in bytes; past it every write is unavailable, as if the disk were full.
    pub bytes_max: u64,
}

impl Options {
    /// The file, with what suits a sidecar.
    pub fn new(file: impl Into<PathBuf>) -> Self {
        Self {
            file: file.into(),
            busy_timeout: Duration::from_secs(2),
            verb_timeout: Duration::from_secs(10),
            scan_timeout: Duration::from_secs(600),
            readers: 4,
            // SQLite's own bound is 281 TB; no disk beside a gateway is larger than this.
            bytes_max: 1 << 40,
        }
    }

    /// The file's name, for errors.
    pub fn place(&self) -> String {
        self.file.display().to_string()
    }

    fn connect_options(&self) -> SqliteConnectOptions {
        SqliteConnectOptions::new()
            .filename(&self.file)
            .busy_timeout(self.busy_timeout)
            .foreign_keys(true)
            .row_buffer_size(ROW_BUFFER)
            .disable_statement_logging()
    }

    /// Opens the one connection for writing.
    pub async fn writer(&self) -> Result<SqliteConnection, Failure> {
        let options = self
            .connect_options()
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .pragma("cache_size", CACHE_KIBIBYTES)
            .pragma("wal_autocheckpoint", LOG_PAGES)
            .pragma("journal_size_limit", LOG_BYTES)
            .pragma("max_page_count", (self.bytes_max / PAGE_BYTES).max(1).to_string());
        Ok(options.connect().await?)
    }

    /// Makes the pool for reading; it connects when it is used.
    pub fn readers(&self) -> SqlitePool {
        let pool = SqlitePoolOptions::new().max_connections(self.readers.max(1)).acquire_timeout(self.verb_timeout);
        pool.connect_lazy_with(self.connect_options().read_only(true))
    }

    /// Makes the file when it is missing; only its owner may read it.
    pub fn create_file(&self) -> Result<(), StoreError> {
        let fail =
            |error: std::io::Error| StoreError::unavailable("opening the store", self.place(), error.to_string());
        let made = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(MODE).open(&self.file);
        let file = made.map_err(fail)?;
        let mut permissions = file.metadata().map_err(fail)?.permissions();
        if permissions.mode() & 0o077 != 0 {
            permissions.set_mode(MODE);
            file.set_permissions(permissions).map_err(fail)?;
        }
        Ok(())
    }

    /// Keeps the file for this process for as long as the answer lives, or its process: two sidecars on one file
    /// would each spend all of it.
    pub fn claim(&self) -> Result<File, StoreError> {
        let busy = "another purser uses it; stop that one, or give this one a store of its own, or one that many share";
        let fail = |cause: String| StoreError::unavailable("claiming the store", self.place(), cause);
        let io = |error: std::io::Error| fail(error.to_string());
        // One name for the file, however it was reached.
        let mut lock = std::fs::canonicalize(&self.file).map_err(io)?.into_os_string();
        lock.push(".lock");
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(MODE).open(lock);
        let file = file.map_err(io)?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(file),
            Err(Errno::WOULDBLOCK) => Err(fail(busy.to_owned())),
            Err(errno) => Err(io(errno.into())),
        }
    }

    /// Brings the tables to this version's form.
    pub async fn migrate(&self, conn: &mut SqliteConnection) -> Result<(), StoreError> {
        let migrations = MIGRATIONS.iter().map(|&(version, name, sql)| {
            Migration::new(version, name.into(), MigrationType::Simple, sql.into_sql_str(), false)
        });
        let migrator = Migrator::with_migrations(migrations.collect());
        migrator.run(conn).await.map_err(|error| of_migration(&error, "bringing the tables up to date", &self.place()))
    }
}

/// Only the owner reads and writes: the ledger says who used what.
const MODE: u32 = 0o600;

/// SQLite's page size, which nothing here changes.
const PAGE_BYTES: u64 = 4_096;

/// Pages that the writer keeps in memory, as SQLite wants them: negative, in KiB. The upper levels of
/// the ledger's indexes fit.
const CACHE_KIBIBYTES: &str = "-65536";

/// Pages that the write-ahead log has before it is folded in: some ten of the largest reports, so that the file is synced as seldom.
const LOG_PAGES: &str = "4000";

/// What is kept of the write-ahead log's file once a burst is folded in.
const LOG_BYTES: &str = "67108864";

/// Rows that a connection's thread may be ahead of who reads them.
const ROW_BUFFER: usize = 1_024;

const MIGRATIONS: &[(i64, &str, &str)] = &[
    (1, "tables", include_str!("migrations/0001_tables.sql")),
    (2, "rates", include_str!("migrations/0002_rates.sql")),
    (3, "stretches", include_str!("migrations/0003_stretches.sql")),
    (4, "prints", include_str!("migrations/0004_prints.sql")),
];
