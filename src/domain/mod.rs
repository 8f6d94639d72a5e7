//! The rules of deciding, pure: no clock, no lock, no IO, no serde.

pub mod access;
pub mod credits;
pub mod draws;
pub mod entry;
pub mod features;
pub mod ids;
pub mod team;
pub mod time;

pub use access::{Access, Payer, Role};
pub use credits::{Credits, CreditsError};
pub use draws::{Draws, Set, Tally};
pub use entry::{Drawer, Entry, Fact, Posting};
pub use features::{Features, Whitelist};
pub use ids::{IdError, Model, OperationId, SubscriptionId, TeamId, UserId};
pub use team::{Member, Team};
pub use time::{Timestamp, TimestampError, Window};
