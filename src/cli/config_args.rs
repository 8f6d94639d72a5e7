//! The flags that say how a server shall run; `serve` and `check-config` take the same.

use std::path::PathBuf;

use clap::Args;

use crate::config::{self, ConfigError, Flags, Loaded};

/// Flags over the environment over the file over the defaults. Values are checked with the rest of
/// the configuration, so that a wrong one is explained the same way wherever it was given.
#[derive(Args, Clone, Debug, Default)]
pub struct ConfigArgs {
    /// Configuration file; every key is explained in config/purser.toml [env: PURSER_CONFIG]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Where to serve HTTP, may be repeated [env: PURSER_HTTP] [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR|unix:PATH")]
    pub http: Vec<String>,

    /// Where to serve gRPC, may be repeated [env: PURSER_GRPC] [default: nowhere]
    #[arg(long, value_name = "ADDR|unix:PATH")]
    pub grpc: Vec<String>,

    /// Where to serve metrics and health alone [env: PURSER_ADMIN] [default: with HTTP]
    #[arg(long, value_name = "ADDR|unix:PATH")]
    pub admin: Option<String>,

    /// Folder of the journal and of the embedded store [env: PURSER_DATA] [default: ./data]
    #[arg(long, value_name = "DIR")]
    pub data: Option<String>,

    /// System of record: sqlite:, sqlite:PATH, postgres://..., redis://... or memory: [env: PURSER_STORE] [default: sqlite:]
    #[arg(long, value_name = "URL")]
    pub store: Option<String>,

    /// What an answer waits for: memory, os, disk or store [env: PURSER_DURABILITY] [default: os]
    #[arg(long, value_name = "LEVEL")]
    pub durability: Option<String>,

    /// File of service tokens, lines of `ROLE NAME SHA256-HEX` [env: PURSER_TOKENS_FILE]
    #[arg(long, value_name = "FILE")]
    pub tokens_file: Option<String>,

    /// The rate card: what calls cost [env: PURSER_RATES]
    #[arg(long, value_name = "FILE")]
    pub rates: Option<String>,

    /// Least severity to log: error, warn, info, debug or trace [env: PURSER_LOG] [default: info]
    #[arg(long, value_name = "LEVEL")]
    pub log: Option<String>,

    /// Look of the log: text or json [env: PURSER_LOG_FORMAT] [default: text]
    #[arg(long, value_name = "FORMAT")]
    pub log_format: Option<String>,
}

impl ConfigArgs {
    /// Loads the configuration from all its sources.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn load(&self) -> Result<Loaded, ConfigError> {
        config::load(&self.flags(), std::env::vars_os())
    }

    fn flags(&self) -> Flags {
        let single = [
            ("--admin", "server.admin", &self.admin),
            ("--data", "data", &self.data),
            ("--store", "store.url", &self.store),
            ("--durability", "journal.durability", &self.durability),
            ("--tokens-file", "auth.tokens_file", &self.tokens_file),
            ("--rates", "rates.file", &self.rates),
            ("--log", "log.level", &self.log),
            ("--log-format", "log.format", &self.log_format),
        ];
        let single = single.into_iter().filter_map(|(flag, key, value)| Some((flag, key, value.clone()?)));
        let http = self.http.iter().map(|address| ("--http", "server.http", address.clone()));
        let grpc = self.grpc.iter().map(|address| ("--grpc", "server.grpc", address.clone()));
        Flags { config: self.config.clone(), values: single.chain(http).chain(grpc).collect() }
    }
}
