//! The whole configuration: where it comes from, what it may say, and the checked result.
//!
//! Defaults, then the file, then the environment, then the flags; the later wins. Every key of the
//! file is listed with its default and its reason in `config/purser.toml`. Nothing is guessed: an
//! unknown key, a value out of range or keys that contradict each other refuse the whole
//! configuration, all faults at once, each with its place and what would be allowed.
//!
//! [`Config`] and its sections are the checked result, so the rest of the program checks nothing
//! again. Not here: opening any of the files that it names.

mod address;
mod check;
mod choices;
mod descriptors;
mod envoy;
mod error;
mod live;
mod names;
mod postgres_url;
mod read;
mod reader;
mod redis_url;
mod sections;
mod show;
mod sources;
mod value;

pub use address::{Listen, StoreUrl};
pub use choices::{Durability, LogFormat, LogLevel};
pub use descriptors::{Descriptor, Part, Unit};
pub use envoy::{Envoy, Source};
pub use error::{ConfigError, Fault, Place};
pub use live::Live;
pub(crate) use names::nearest;
pub use postgres_url::PostgresUrl;
pub use redis_url::{RedisKind, RedisUrl};
pub use sections::{
    Audit, Auth, Holds, Idempotency, Journal, Jwt, JwtKeys, Lease, Log, Rates, Server, Store, Whitelist,
};
pub use sources::{Flags, Loaded, load};

use std::path::PathBuf;

/// Exit code for a configuration or arguments that cannot be used (EX_USAGE).
pub const EXIT_CONFIG: u8 = 64;

/// Everything that can be configured, checked.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Config {
    /// The folder of the journal and of the embedded store; created when missing.
    #[serde(serialize_with = "show::path")]
    pub data: PathBuf,
    /// Addresses, time-outs and sizes of the HTTP interface.
    pub server: Server,
    /// Who may call.
    pub auth: Auth,
    /// The local file of entries.
    pub journal: Journal,
    /// The system of record and the flush to it.
    pub store: Store,
    /// How long the first answer to an operation id is remembered.
    pub idempotency: Idempotency,
    /// Credits set aside.
    pub holds: Holds,
    /// Waiting for credits to be lent.
    pub lease: Lease,
    /// Where the model whitelist applies.
    pub whitelist: Whitelist,
    /// Where in what Envoy asks a draw is found.
    pub envoy: Envoy,
    /// What calls cost.
    pub rates: Rates,
    /// The check of every balance against the ledger.
    pub audit: Audit,
    /// What is written to standard error.
    pub log: Log,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data: PathBuf::from("./data"),
            server: Server::default(),
            auth: Auth::default(),
            journal: Journal::default(),
            store: Store::default(),
            idempotency: Idempotency::default(),
            holds: Holds::default(),
            lease: Lease::default(),
            whitelist: Whitelist::default(),
            envoy: Envoy::default(),
            rates: Rates::default(),
            audit: Audit::default(),
            log: Log::default(),
        }
    }
}

impl Config {
    /// The configuration as a file that would lead to it, every key written out; a password is hidden.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("numbers, texts and tables are all that a configuration holds")
    }

    /// What a reload makes of this configuration: every [`Live`] value of `new`, everything else as
    /// it is. The second value names the keys that differ but take a restart.
    ///
    /// # Errors
    /// When the live values do not fit the addresses that are already listened on.
    pub fn reloaded(&self, new: &Self) -> Result<(Self, Vec<String>), ConfigError> {
        let mut next = self.clone();
        next.auth.tokens_file = new.auth.tokens_file.clone();
        next.auth.jwt = new.auth.jwt.clone();
        next.whitelist.on_pool_spend = new.whitelist.on_pool_spend;
        next.rates.file = new.rates.file.clone();
        next.log.level = new.log.level;
        let contradictions = check::contradictions(&next).into_iter();
        let faults: Vec<Fault> = contradictions.map(|wrong| wrong.at(Place::Running)).collect();
        if !faults.is_empty() {
            return Err(ConfigError { faults });
        }
        let restart = show::differing_keys(&next, new);
        Ok((next, restart))
    }
}

#[cfg(test)]
mod tests;
