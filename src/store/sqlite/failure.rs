//! What can fail inside of the SQLite store, and which of it is unavailable, rejected or corrupt.

use sqlx::migrate::MigrateError;

use crate::store::StoreError;

/// A failure that does not yet know what the store was doing, and in which file.
#[derive(Debug)]
pub enum Failure {
    /// SQLite or its driver says so.
    Sql(sqlx::Error),
    /// A value in the tables cannot be.
    Value {
        /// The column.
        column: String,
        /// Why not.
        cause: String,
    },
    /// It already says everything.
    Store(StoreError),
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Failure {
    /// Says what the store was doing, and in which file.
    pub fn at(self, doing: &'static str, file: &str) -> StoreError {
        match self {
            Self::Store(error) => error,
            Self::Value { column, cause } => StoreError::corrupt(doing, format!("{file}, column {column}"), cause),
            Self::Sql(error) => of_sql(&error, doing, file),
        }
    }
}

/// What a failed migration means.
pub fn of_migration(error: &MigrateError, doing: &'static str, file: &str) -> StoreError {
    match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => of_sql(error, doing, file),
        MigrateError::VersionMissing(_) | MigrateError::VersionMismatch(_) => {
            let cause = format!("{error}: another version of purser wrote this file; run that version");
            StoreError::rejected(doing, file, cause)
        }
        error => StoreError::rejected(doing, file, error.to_string()),
    }
}

fn of_sql(error: &sqlx::Error, doing: &'static str, file: &str) -> StoreError {
    let cause = error.to_string();
    match error {
        sqlx::Error::Database(database) => {
            let code = database.code().and_then(|code| code.parse().ok()).unwrap_or_default();
            of_code(code, doing, file, cause)
        }
        sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed => {
            StoreError::unavailable(doing, file, cause)
        }
        sqlx::Error::Decode(_) | sqlx::Error::ColumnDecode { .. } => StoreError::corrupt(doing, file, cause),
        _ => StoreError::rejected(doing, file, cause),
    }
}

/// SQLite's result codes; the low byte is the kind. See <https://sqlite.org/rescode.html>.
fn of_code(code: u32, doing: &'static str, file: &str, cause: String) -> StoreError {
    const PERM: u32 = 3;
    const CANTOPEN: u32 = 14;
    const PROTOCOL: u32 = 15;
    const NOLFS: u32 = 22;
    const CORRUPT: u32 = 11;
    const FORMAT: u32 = 24;
    const NOTADB: u32 = 26;
    match code & 0xff {
        // From PERM: ABORT, BUSY, LOCKED, NOMEM, READONLY, INTERRUPT, IOERR; from CORRUPT: NOTFOUND, FULL.
        CORRUPT | FORMAT | NOTADB => StoreError::corrupt(doing, file, cause),
        PERM..=CANTOPEN | PROTOCOL | NOLFS => StoreError::unavailable(doing, file, cause),
        _ => StoreError::rejected(doing, file, cause),
    }
}
