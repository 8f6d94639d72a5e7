//! The rules of deciding, pure: no clock, no lock, no IO, no serde.

pub mod access;
pub mod book;
pub mod credits;
pub mod decide;
pub mod denial;
pub mod draws;
pub mod entry;
pub mod features;
pub mod hold;
pub mod ids;
pub mod lapses;
pub mod member_draws;
pub mod rate_version;
pub mod scope;
pub mod share;
pub mod team;
pub mod time;

pub use access::{Access, Payer, Role};
pub use book::{Book, Funds};
pub use credits::{Credits, CreditsError};
pub use decide::{Ask, Asker, Granted, Refused, Rights};
pub use denial::{Denial, NextStep, Numbers, Reason};
pub use draws::{Draws, DrawsView, Set, Tally};
pub use entry::{AskedEnd, Drawer, DrawerView, Entry, EntryView, Fact, Posting, Priced};
pub use features::{Features, Whitelist};
pub use hold::{Heading, Hold, OutOfRange, Scopes};
pub use ids::{
    ID_CHARACTERS_MAX, IdError, Model, NAME_BYTES_MAX, NAME_WORDS_MAX, OperationId, SubscriptionId, TeamId, UserId,
};
pub use member_draws::MemberDraws;
pub use rate_version::{RateVersion, RateVersionError};
pub use scope::{Operation, Scope};
pub use share::{Reach, Share};
pub use team::{Member, Membership, Team};
pub use time::{Timestamp, TimestampError, Window};
