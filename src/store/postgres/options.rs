//! How a PostgreSQL store is reached and used. What a URL may say is checked by the configuration.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use sqlx::ConnectOptions;
use sqlx::postgres::PgConnectOptions;

use crate::store::StoreError;

/// How a PostgreSQL store is reached and used.
#[derive(Clone)]
pub struct Options {
    connect: PgConnectOptions,
    place: String,
    /// Connections at most. A sync holds one for some milliseconds, a page of the ledger too; a load or
    /// an audit holds one throughout.
    pub connections_max: u32,
    /// The most that making a connection takes, TLS and the password included.
    pub connect_timeout: Duration,
    /// The most that one verb takes, waiting for a connection and running again included. The server
    /// gives up a statement after the same time, but never a COMMIT.
    pub verb_timeout: Duration,
    /// The most that a load or an audit takes: they read whole tables.
    pub scan_timeout: Duration,
}

/// Never the password, which the driver's own options would show.
impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("place", &self.place)
            .field("connections_max", &self.connections_max)
            .field("connect_timeout", &self.connect_timeout)
            .field("verb_timeout", &self.verb_timeout)
            .field("scan_timeout", &self.scan_timeout)
            .finish_non_exhaustive()
    }
}

impl Options {
    /// A `postgres://` URL with what suits a sidecar. What it leaves out comes from `PGHOST`,
    /// `PGPASSWORD`, `~/.pgpass` and so on, as with every client.
    ///
    /// # Errors
    /// The URL cannot be read; it is not repeated.
    pub fn new(url: &str) -> Result<Self, StoreError> {
        let unreadable =
            |error: sqlx::Error| StoreError::rejected("reading the store's URL", "postgres://", error.to_string());
        let connect = PgConnectOptions::from_str(url).map_err(unreadable)?;
        let connect = match connect.get_application_name() {
            None => connect.application_name("purser"),
            Some(_) => connect,
        };
        let connect = connect.disable_statement_logging();
        Ok(Self {
            place: place(&connect),
            connect,
            connections_max: 8,
            connect_timeout: Duration::from_secs(3),
            verb_timeout: Duration::from_secs(10),
            scan_timeout: Duration::from_secs(600),
        })
    }

    /// The server and the database, for errors.
    pub fn place(&self) -> &str {
        &self.place
    }

    pub(super) const fn connect(&self) -> &PgConnectOptions {
        &self.connect
    }
}

fn place(options: &PgConnectOptions) -> String {
    let host = match options.get_socket() {
        Some(socket) => socket.display().to_string(),
        None => options.get_host().to_owned(),
    };
    let database = options.get_database().unwrap_or_else(|| options.get_username());
    format!("postgres://{host}:{}/{database}", options.get_port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_password_is_shown() {
        let options = Options::new("postgres://u:s3cret@h:5433/d?sslmode=require").expect("it can be read");
        assert_eq!(options.place(), "postgres://h:5433/d");
        assert!(!format!("{options:?}").contains("s3cret"));
        for bad in ["postgres://u:s3cret@h:99999/d", "postgres://u:s3cret@h/d?sslmode=s3cret_mode", "postgres://"] {
            if let Err(error) = Options::new(bad) {
                assert!(!error.to_string().contains("s3cret@"), "{error}");
            }
        }
    }
}
