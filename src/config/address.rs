//! Where to listen and where the store is, as texts of the configuration.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use super::{PostgresUrl, RedisUrl};

/// An address to listen on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Listen {
    /// A TCP address; port 0 takes a free one.
    Tcp(SocketAddr),
    /// The path of a unix socket.
    Unix(PathBuf),
}

impl Listen {
    /// Whether only this machine can reach it.
    pub fn is_local(&self) -> bool {
        match self {
            Self::Tcp(address) => address.ip().is_loopback(),
            Self::Unix(_) => true,
        }
    }
}

/// `127.0.0.1:8080`, `[::1]:8080`, `localhost:8080` (127.0.0.1, no name is looked up), `unix:PATH`.
impl FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            return if path.is_empty() {
                Err("names no path after unix:".to_owned())
            } else {
                Ok(Self::Unix(path.into()))
            };
        }
        if let Some(port) = text.strip_prefix("localhost:").and_then(|port| port.parse().ok()) {
            return Ok(Self::Tcp((Ipv4Addr::LOCALHOST, port).into()));
        }
        text.parse().map(Self::Tcp).map_err(|_| {
            format!("is {text:?}; write IP:PORT such as \"127.0.0.1:8080\" or \"[::]:8080\", or \"unix:PATH\"")
        })
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "{address}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Which store keeps the record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreUrl {
    /// The embedded store, as a file in the data folder.
    SqliteInData,
    /// The embedded store in a file of its own.
    Sqlite(PathBuf),
    /// A PostgreSQL database, which many sidecars may share.
    Postgres(PostgresUrl),
    /// A Redis, which many sidecars may share.
    Redis(Box<RedisUrl>),
    /// Nothing outlives the process; for tests and trials.
    Memory,
}

/// `sqlite:`, `sqlite:PATH`, `postgres://...`, `redis://...` and its kin, `memory:`. A refusal repeats no more than the scheme, because the rest
/// may hold a password.
impl FromStr for StoreUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let allowed = "allowed are \"sqlite:\" (a file in the data folder), \"sqlite:PATH\", \"postgres://...\", \"redis://...\" and \"memory:\"";
        let Some((scheme, rest)) = text.split_once(':') else {
            return Err(format!("has no scheme; {allowed}"));
        };
        match (scheme, rest.strip_prefix("//").unwrap_or(rest)) {
            ("sqlite", "") => Ok(Self::SqliteInData),
            ("sqlite", path) => Ok(Self::Sqlite(path.into())),
            ("memory", "") => Ok(Self::Memory),
            ("postgres" | "postgresql", _) => Ok(Self::Postgres(text.parse()?)),
            (_, _) if scheme.starts_with("redis") => {
                text.parse().map(|url| Self::Redis(Box::new(url))).map_err(|why| format!("{why}; {allowed}"))
            }
            ("memory", _) => Err(format!("says more than \"memory:\"; {allowed}")),
            _ => Err(format!("has the unknown scheme {scheme:?}; {allowed}")),
        }
    }
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SqliteInData => write!(f, "sqlite:"),
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::Postgres(url) => write!(f, "{url}"),
            Self::Redis(url) => write!(f, "{url}"),
            Self::Memory => write!(f, "memory:"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_read_back_as_written() {
        for (text, local) in [
            ("127.0.0.1:8080", true),
            ("[::1]:0", true),
            ("0.0.0.0:80", false),
            ("[::]:8080", false),
            ("unix:/run/purser.sock", true),
        ] {
            let listen: Listen = text.parse().expect(text);
            assert_eq!((listen.to_string().as_str(), listen.is_local()), (text, local));
        }
        assert_eq!("localhost:81".parse::<Listen>().map(|l| l.to_string()), Ok("127.0.0.1:81".to_owned()));
        for bad in ["", "8080", ":8080", "unix:", "example.com:80", "127.0.0.1:99999", "127.0.0.1"] {
            assert!(bad.parse::<Listen>().is_err(), "{bad}");
        }
    }

    #[test]
    fn stores_read_back_as_written() {
        for text in [
            "sqlite:",
            "sqlite:/var/lib/purser/p.db",
            "memory:",
            "postgres://u@h/d",
            "redis://h:6379",
            "redis+cluster://a:1,b:2",
        ] {
            assert_eq!(text.parse::<StoreUrl>().expect(text).to_string(), text);
        }
        for bad in ["", "sqlite", "memory:x", "mysql://h", "rediss://:secret@h/x"] {
            let why = bad.parse::<StoreUrl>().expect_err(bad);
            assert!(why.contains("allowed are") && !why.contains("secret"), "{why}");
        }
    }
}
