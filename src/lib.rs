//! Purser: decides in memory whether a member may spend credits, journals what it decided before it
//! answers, and copies it to a store in batches.

pub mod domain;
pub mod root;
pub mod store;
