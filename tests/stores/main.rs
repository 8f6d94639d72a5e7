//! What every store promises, on the specification in memory and on SQLite alike.

mod audit;
mod control;
mod cut;
mod file;
mod flush_rate;
mod reads;
#[path = "../support/redis.rs"]
mod redis;
mod round_trip;
mod support;
mod sync;
