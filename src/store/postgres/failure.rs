//! What can fail inside of the PostgreSQL store, and which of it passes by itself, is unavailable,
//! rejected or corrupt. No password comes into a message: none is handed to what makes them.

use crate::store::StoreError;

/// A failure that does not yet know what the store was doing, and where.
#[derive(Debug)]
pub enum Failure {
    /// PostgreSQL or its driver says so.
    Sql(sqlx::Error),
    /// Somebody else has a row that comes earlier in the order of locks: all is to be locked anew.
    OutOfOrder,
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

/// Codes after which the same transaction may well go through: `serialization_failure`,
/// `deadlock_detected`, `lock_not_available`.
const PASSING: [&str; 3] = ["40001", "40P01", "55P03"];

impl Failure {
    /// Whether the transaction has certainly been rolled back and may go through when it is run again.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::OutOfOrder => true,
            Self::Sql(error) => code(error).is_some_and(|code| PASSING.contains(&code.as_str())),
            Self::Value { .. } | Self::Store(_) => false,
        }
    }

    /// Whether the server has answered, so that the connection is as good as before.
    pub fn is_answer(&self) -> bool {
        match self {
            Self::Sql(error) => code(error).is_some_and(|code| !ends_session(&code)),
            Self::OutOfOrder | Self::Value { .. } | Self::Store(_) => true,
        }
    }

    /// Whether the connection is gone.
    pub fn is_gone(&self) -> bool {
        match self {
            Self::Sql(sqlx::Error::Io(_)) => true,
            Self::Sql(error) => code(error).is_some_and(|code| ends_session(&code)),
            _ => false,
        }
    }

    /// Says what the store was doing, and where.
    pub fn at(self, doing: &'static str, place: &str) -> StoreError {
        match self {
            Self::Store(error) => error,
            Self::Value { column, cause } => StoreError::corrupt(doing, format!("{place}, column {column}"), cause),
            Self::OutOfOrder => StoreError::unavailable(doing, place, "others keep changing the same rows"),
            Self::Sql(error) => of_sql(&error, doing, place),
        }
    }
}

fn code(error: &sqlx::Error) -> Option<String> {
    error.as_database_error().and_then(|error| error.code()).map(|code| code.into_owned())
}

/// Connection exceptions, and the server shutting down or cutting an idle transaction.
fn ends_session(code: &str) -> bool {
    code.starts_with("08") || code.starts_with("57P") || code == "25P03"
}

fn of_sql(error: &sqlx::Error, doing: &'static str, place: &str) -> StoreError {
    match error {
        sqlx::Error::Database(database) => {
            let code = database.code().unwrap_or_default().into_owned();
            let detail =
                database.try_downcast_ref::<sqlx::postgres::PgDatabaseError>().and_then(|error| error.detail());
            let detail = detail.map_or_else(String::new, |detail| format!(" ({detail})"));
            let cause = format!("{}{detail}, SQLSTATE {code}", database.message());
            of_code(&code, doing, place, cause)
        }
        sqlx::Error::Decode(_) | sqlx::Error::ColumnDecode { .. } => {
            StoreError::corrupt(doing, place, error.to_string())
        }
        sqlx::Error::ColumnNotFound(_)
        | sqlx::Error::ColumnIndexOutOfBounds { .. }
        | sqlx::Error::TypeNotFound { .. } => StoreError::rejected(doing, place, error.to_string()),
        // All others are of the connection: refused, cut, TLS, garbled.
        _ => StoreError::unavailable(doing, place, error.to_string()),
    }
}

/// SQLSTATE; the first two characters are the class.
/// See <https://www.postgresql.org/docs/15/errcodes-appendix.html>.
fn of_code(code: &str, doing: &'static str, place: &str, cause: String) -> StoreError {
    match (code, code.get(..2).unwrap_or_default()) {
        ("XX001" | "XX002", _) => StoreError::corrupt(doing, place, cause),
        // Read only: a standby, or the operator has said so. Not allowed: the operator may allow it.
        ("25006" | "25P03" | "42501" | "3D000" | "55P03" | "XX000", _) => StoreError::unavailable(doing, place, cause),
        // Connection, rolled back, authorization, resources, operator, system, configuration file.
        (_, "08" | "40" | "28" | "53" | "57" | "58" | "F0") => StoreError::unavailable(doing, place, cause),
        _ => StoreError::rejected(doing, place, cause),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_say_what_to_do_next() {
        let of = |code| of_code(code, "d", "p", String::new());
        for code in ["08006", "28P01", "40P01", "53300", "57014", "57P03", "25006", "42501"] {
            assert!(matches!(of(code), StoreError::Unavailable(_)), "{code}");
        }
        for code in ["23505", "22021", "42P01", "23514"] {
            assert!(matches!(of(code), StoreError::Rejected(_)), "{code}");
        }
        assert!(matches!(of("XX001"), StoreError::Corrupt(_)));
    }
}
