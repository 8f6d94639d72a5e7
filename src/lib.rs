//! Purser: decides in memory whether a member may spend credits, journals what it decided before it
//! answers, and copies it to a store in batches.

pub mod api;
pub mod cli;
pub mod clock;
pub mod config;
pub mod domain;
pub mod engine;
pub mod journal;
pub mod metrics;
pub mod root;
pub mod telemetry;
