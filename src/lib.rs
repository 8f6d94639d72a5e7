//! Purser: decides in memory whether a member may spend credits, journals what it decided before it
//! answers, and copies it to a store in batches.

pub mod api;
pub mod domain;
