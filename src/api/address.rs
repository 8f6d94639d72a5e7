//! Where a sidecar may be reached: a TCP address or a unix socket. Nothing is opened here.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

/// What marks the address of a unix socket.
const UNIX: &str = "unix:";

/// One place to listen at: `127.0.0.1:8080`, `[::1]:0`, `localhost:8080`, `unix:/run/purser.sock`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Address {
    /// An IP address and a port; port 0 takes a free one.
    Tcp(SocketAddr),
    /// The path of a socket file.
    Unix(PathBuf),
}

impl Address {
    /// Whether only this machine can reach it: loopback or a unix socket.
    pub fn is_local(&self) -> bool {
        match self {
            Self::Tcp(address) => address.ip().to_canonical().is_loopback(),
            Self::Unix(_) => true,
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "{UNIX}{}", path.display()),
        }
    }
}

/// Why a text is not an address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an address; write IP:PORT such as 127.0.0.1:8080, localhost:PORT, or unix:PATH")]
pub struct AddressError(String);

/// `localhost` is 127.0.0.1; other host names are refused, as what they stand for may change.
impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let refused = || AddressError(text.to_owned());
        if let Some(path) = text.strip_prefix(UNIX) {
            return if path.is_empty() { Err(refused()) } else { Ok(Self::Unix(path.into())) };
        }
        if let Some(port) = text.strip_prefix("localhost:") {
            let port = port.parse().map_err(|_| refused())?;
            return Ok(Self::Tcp((Ipv4Addr::LOCALHOST, port).into()));
        }
        text.parse().map(Self::Tcp).map_err(|_| refused())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_only_local_ones_are_local() {
        for (text, written, local) in [
            ("127.0.0.1:8080", "127.0.0.1:8080", true),
            ("localhost:0", "127.0.0.1:0", true),
            ("[::1]:80", "[::1]:80", true),
            ("[::ffff:127.0.0.1]:80", "[::ffff:127.0.0.1]:80", true),
            ("0.0.0.0:80", "0.0.0.0:80", false),
            ("[::]:80", "[::]:80", false),
            ("unix:/run/p.sock", "unix:/run/p.sock", true),
        ] {
            let address: Address = text.parse().expect(text);
            assert_eq!((address.to_string().as_str(), address.is_local()), (written, local), "{text}");
        }
        for text in ["", "8080", "127.0.0.1", "unix:", "example.org:80", "localhost:99999"] {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
    }
}
