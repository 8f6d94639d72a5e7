//! What every store promises, on the specification in memory, on SQLite and on PostgreSQL alike.

mod audit;
mod control;
mod cut;
mod file;
mod flush_rate;
#[path = "../support/postgres.rs"]
mod postgres;
#[path = "../support/proxy.rs"]
mod proxy;
mod reads;
mod round_trip;
mod server;
mod serving;
mod support;
mod sync;
