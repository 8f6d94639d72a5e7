//! Opens the store that the configuration names.

use std::sync::Arc;
use std::time::Duration;

use crate::config::{self, Config, PostgresUrl, RedisKind, RedisUrl, StoreUrl};
use crate::store::redis::{Discovery, Lender, Target};
use crate::store::{self, Blocks, Memory, Postgres, Redis, Sqlite, Store, StoreError};

/// Opens the store, with a lender beside it where there is one.
pub async fn open(config: &Config) -> Result<Arc<dyn Store>, StoreError> {
    let settings = &config.store;
    let file = match &settings.url {
        StoreUrl::Memory => return Ok(Arc::new(Memory::default())),
        StoreUrl::Redis(url) => return Ok(Arc::new(Redis::open(redis_options(url, settings.timeout)).await?)),
        StoreUrl::Postgres(url) => return open_postgres(url, settings).await,
        StoreUrl::SqliteInData => config.data.join("purser.db"),
        StoreUrl::Sqlite(file) => file.clone(),
    };
    let mut options = store::sqlite::Options::new(file);
    options.verb_timeout = settings.timeout;
    Ok(Arc::new(Sqlite::open(options).await?))
}

async fn open_postgres(url: &PostgresUrl, settings: &config::Store) -> Result<Arc<dyn Store>, StoreError> {
    let mut options = store::postgres::Options::new(url.secret())?;
    options.connections_max = settings.connections_max;
    options.verb_timeout = settings.timeout;
    options.connect_timeout = options.connect_timeout.min(settings.timeout);
    let store = Postgres::open(options).await?;
    Ok(match &settings.leases {
        None => Arc::new(store),
        Some(url) => Arc::new(Blocks::new(store, Lender::new(redis_options(url, settings.timeout)))),
    })
}

fn redis_options(url: &RedisUrl, verb_timeout: Duration) -> store::redis::Options {
    let discovery = match url.kind {
        RedisKind::Single => Discovery::Direct,
        RedisKind::Cluster => Discovery::Cluster,
        RedisKind::Sentinel => Discovery::Sentinel {
            master: url.master.clone(),
            user: url.sentinel_user.clone(),
            password: url.sentinel_password.clone(),
        },
    };
    let target = Target {
        nodes: url.nodes.clone(),
        discovery,
        user: url.user.clone(),
        password: url.password.clone(),
        database: i64::from(url.database),
        tls: url.tls,
        ca: url.ca.clone(),
    };
    let mut options = store::redis::Options { verb_timeout, ..store::redis::Options::new(target) };
    options.prefix = url.prefix.clone().unwrap_or(options.prefix);
    options
}
