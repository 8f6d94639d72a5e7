//! Deciding under concurrency: look-up, one short lock per team and per book, first answers by id.
//!
//! The rules are in `domain`; this module finds what they need, locks it (team before book), hands
//! the entry to the log and remembers the answer. It knows no clock, no store and no wire.

pub mod balance;
pub mod borrow;
pub mod cells;
pub mod draw;
pub mod drawn;
pub mod elsewhere;
pub mod ends;
pub mod enter;
mod expiries;
pub mod fetch;
pub mod follow;
mod holds;
pub mod home;
pub mod keys;
pub mod known;
mod lack;
mod line;
pub mod lock;
pub mod log;
pub mod members;
pub mod meter;
pub mod numbered;
mod obey;
pub mod operations;
pub mod pace;
pub mod paced;
mod places;
mod record;
pub mod recover;
mod span;
pub mod tell;
pub mod terms;

mod work;

pub use drawn::{Allowed, Draw, DrawFault, Drawn, Pricing, Remaining};
pub use elsewhere::Asked;
pub use ends::{EndFault, Ended, Settled};
pub use known::{End, Horizon};
pub use log::{JournalLog, Log, NoRoom};
pub use meter::{Meter, Options, Scope};
pub use terms::{HoldTerms, Terms};
