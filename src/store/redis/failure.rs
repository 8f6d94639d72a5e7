//! What can fail inside of the Redis store, and which of it is unavailable, rejected or corrupt.

use redis::{ErrorKind, RedisError, ServerErrorKind};

use crate::store::StoreError;

/// A failure that does not yet know what the store was doing.
#[derive(Debug)]
pub enum Failure {
    /// Redis or its driver says so.
    Redis(RedisError),
    /// A value cannot be.
    Value {
        /// The key and the field.
        place: String,
        /// Why not.
        cause: String,
    },
    /// It already says everything.
    Store(StoreError),
}

impl From<RedisError> for Failure {
    fn from(error: RedisError) -> Self {
        Self::Redis(error)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Failure {
    /// A value that cannot be.
    pub fn value(place: &str, cause: impl Into<String>) -> Self {
        Self::Value { place: place.to_owned(), cause: cause.into() }
    }

    /// Not now.
    pub fn away(doing: &'static str, place: &str, cause: impl Into<String>) -> Self {
        Self::Store(StoreError::unavailable(doing, place, cause))
    }

    /// Says what the store was doing, and of which server.
    pub fn at(self, doing: &'static str, server: &str) -> StoreError {
        match self {
            Self::Store(error) => error,
            Self::Value { place, cause } => StoreError::corrupt(doing, format!("{server}, {place}"), cause),
            Self::Redis(error) => of_redis(&error, doing, server),
        }
    }

    /// Whether the library of functions is not there.
    pub fn lacks_library(&self) -> bool {
        matches!(self, Self::Redis(error) if text(error).contains("unction not found"))
    }

    /// Whether another connection may do better: this one is gone, or led to a server that is not, or is
    /// no longer, the one to ask.
    pub fn is_of_connection(&self) -> bool {
        let Self::Redis(error) = self else { return false };
        let is_elsewhere = match error.kind() {
            ErrorKind::Server(kind) => matches!(
                kind,
                ServerErrorKind::Moved
                    | ServerErrorKind::Ask
                    | ServerErrorKind::TryAgain
                    | ServerErrorKind::ClusterDown
                    | ServerErrorKind::MasterDown
                    | ServerErrorKind::ReadOnly
                    | ServerErrorKind::BusyLoading
            ),
            _ => false,
        };
        is_elsewhere || error.is_io_error() || error.is_connection_dropped()
    }
}

fn text(error: &RedisError) -> String {
    error.to_string()
}

fn of_redis(error: &RedisError, doing: &'static str, server: &str) -> StoreError {
    let cause = text(error);
    if cause.contains("WRONGTYPE") {
        return StoreError::corrupt(doing, server, cause);
    }
    // What the server says itself, such as OOM, MISCONF, NOREPLICAS or NOAUTH, ends when somebody sees to it.
    match error.kind() {
        ErrorKind::Parse | ErrorKind::UnexpectedReturnType => StoreError::corrupt(doing, server, cause),
        ErrorKind::Client | ErrorKind::InvalidClientConfig => StoreError::rejected(doing, server, cause),
        _ => StoreError::unavailable(doing, server, cause),
    }
}
