//! A whole world in memory for tests of the rules: the real meter and the real root, a log and a
//! store that keep everything in vectors, and a time that moves only when a test moves it.

// Each test binary uses a part of it.
#![allow(dead_code)]

pub mod log;
pub mod recovery;
pub mod store;
pub mod world;

pub use log::VecLog;
pub use store::Store;
pub use world::World;

use purser::domain::{Credits, Timestamp};

/// An instant that a test writes down.
pub fn at(text: &str) -> Timestamp {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// Credits that a test writes down.
pub fn credits(text: &str) -> Credits {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}
