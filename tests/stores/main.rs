//! What every store promises, on the specification in memory, on SQLite and on PostgreSQL alike.

mod audit;
mod certificates;
mod control;
mod cut;
mod file;
mod flush_rate;
mod lender;
mod operations;
mod peer;
#[path = "../support/postgres.rs"]
mod postgres;
mod postgres_tls;
#[path = "../support/proxy.rs"]
mod proxy;
mod reads;
#[path = "../support/redis.rs"]
mod redis;
mod redis_access;
mod redis_life;
mod round_trip;
mod server;
mod serving;
mod support;
mod sync;
