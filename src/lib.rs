//! Purser: decides in memory whether a member may spend credits, journals what it decided before it
//! answers, and copies it to a store in batches.
//!
//! In reading order: [`domain`] decides, [`rates`] prices, [`root`] grants and lends, [`lease`] asks it, [`engine`] does it under locks,
//! [`journal`] keeps it, [`store`] is the record, [`service`] puts them together for [`api`] and
//! [`cli`], [`tasks`] run beside.

pub mod api;
pub mod cli;
pub mod clock;
pub mod config;
pub mod domain;
pub mod engine;
pub mod journal;
pub mod lease;
pub mod metrics;
pub mod rates;
pub mod root;
pub mod server;
pub mod service;
pub mod store;
pub mod tasks;
pub mod telemetry;
