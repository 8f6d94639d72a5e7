//! The rules by which credits are granted and lent, pure: a store locks rows, loads them, runs a
//! rule of this module and saves what it changed, all in one transaction.

pub mod burn;
pub mod command;
pub mod control;
pub mod funds;
pub mod rows;
pub mod subscription;
pub mod sync;
pub mod view;
pub mod windows;

pub use command::{Actor, Change, Command, Done, Outcome, Patch, Refusal, Selection, Settings};
pub use control::control;
pub use funds::{Lease, Report};
pub use rows::{Key, Missing, Row, Rows, Sidecar};
pub use subscription::{Account, Burn, Grant, GrantKind, Rollover, Status, Subscription, Terms};
