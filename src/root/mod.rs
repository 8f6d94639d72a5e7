//! The rules by which credits are granted and lent, pure: a store locks rows, loads them, runs a
//! rule of this module and saves what it changed, all in one transaction.

pub mod abandoned;
pub mod across;
pub mod begun;
pub mod blocks;
pub mod burn;
pub mod command;
pub mod control;
mod desk;
#[cfg(feature = "faults")]
pub mod faults;
pub mod funds;
pub mod gather;
pub mod holder;
mod limits;
mod many;
pub mod operate;
pub mod pending;
pub mod rows;
pub mod share;
pub mod shelf;
pub mod sidecar;
pub mod size;
pub mod subscription;
pub mod sync;
pub mod view;
pub mod windows;

pub use across::Across;
pub use begun::{Begun, Sought};
pub use blocks::{Block, Lender, Loan};
pub use command::{Actor, Change, Command, Done, Outcome, Patch, Refusal, Selection, Settings};
pub use control::control;
pub use funds::{Lease, Report};
pub use holder::{Holder, SOLE};
pub use operate::Leased;
pub use pending::{NOBODY, Pending, PendingChanges, PendingKey};
pub use rows::{Key, Missing, Row, Rows, Sharing};
pub use share::{Flags, MemberLease, MemberShare, Position, Shared, Shares};
pub use sidecar::{MemberAccount, MemberFunds, Root, Sidecar};
pub use size::Want;
pub use subscription::{Account, Burn, Grant, GrantKind, Rollover, Status, Subscription, Terms};
