//! The rules of deciding, pure: no clock, no lock, no IO, no serde.

pub mod credits;
pub mod ids;
pub mod time;

pub use credits::{Credits, CreditsError};
pub use ids::{IdError, OperationId, SubscriptionId, TeamId, UserId};
pub use time::{Timestamp, TimestampError, Window};
