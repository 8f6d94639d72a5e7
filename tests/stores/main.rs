//! What every store promises, on the specification in memory and on SQLite alike.

mod audit;
mod control;
mod cut;
mod file;
mod flush_rate;
mod peer;
#[path = "../support/proxy.rs"]
mod proxy;
mod reads;
#[path = "../support/redis.rs"]
mod redis;
mod redis_access;
mod redis_life;
mod round_trip;
mod support;
mod sync;
