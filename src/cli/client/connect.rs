//! Where a purser listens, and connections to it over TCP or a unix socket. Not here: HTTP.

use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::str::FromStr;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::uri::Authority;
use http::{HeaderValue, Uri};
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tower::Service;

/// Where a purser listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// `http://HOST:PORT`.
    Tcp(Authority),
    /// `unix:PATH`.
    Unix(PathBuf),
}

/// The port of a URL that names none.
const HTTP_PORT: u16 = 80;

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |why: &str| format!("{text:?} {why}; write http://HOST:PORT or unix:PATH");
        if let Some(path) = text.strip_prefix("unix:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            return if path.is_empty() { Err(wrong("names no path")) } else { Ok(Self::Unix(path.into())) };
        }
        let uri: Uri = text.parse().map_err(|_| wrong("is not an address"))?;
        match (uri.scheme_str(), uri.authority(), uri.path()) {
            (Some("http"), Some(authority), "" | "/") if uri.query().is_none() => Ok(Self::Tcp(authority.clone())),
            (Some("https"), ..) => Err(wrong("is encrypted, which this client cannot do")),
            (Some("http"), ..) => Err(wrong("goes on after the port")),
            _ => Err(wrong("is not an address")),
        }
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp(authority) => write!(f, "http://{authority}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl Target {
    /// What a request's URI begins with.
    pub(in crate::cli) fn base(&self) -> String {
        match self {
            Self::Tcp(authority) => format!("http://{authority}"),
            Self::Unix(_) => "http://localhost".to_owned(),
        }
    }

    /// The header `host` of a request.
    pub(in crate::cli) fn host(&self) -> HeaderValue {
        let host = match self {
            Self::Tcp(authority) => HeaderValue::from_str(authority.as_str()),
            Self::Unix(_) => Ok(HeaderValue::from_static("localhost")),
        };
        host.expect("an authority has visible characters")
    }

    /// Opens a connection.
    ///
    /// # Errors
    /// When nobody listens there.
    pub(in crate::cli) async fn connect(&self) -> io::Result<Stream> {
        match self {
            Self::Tcp(authority) => {
                let host = authority.host().trim_start_matches('[').trim_end_matches(']');
                let stream = TcpStream::connect((host, authority.port_u16().unwrap_or(HTTP_PORT))).await?;
                stream.set_nodelay(true)?;
                Ok(Stream::Tcp(stream))
            }
            Self::Unix(path) => Ok(Stream::Unix(UnixStream::connect(path).await?)),
        }
    }
}

/// Opens connections to one target, whatever host a request's URI names.
#[derive(Clone, Debug)]
pub(super) struct Connector(pub(super) Arc<Target>);

impl Service<Uri> for Connector {
    type Response = TokioIo<Stream>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let target = self.0.clone();
        Box::pin(async move { target.connect().await.map(TokioIo::new) })
    }
}

/// A connection.
#[derive(Debug)]
pub(in crate::cli) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Connection for Stream {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Self::Unix(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_urls_or_paths_of_sockets() {
        for text in ["http://127.0.0.1:8080", "http://[::1]:8080", "http://purser.local:80", "unix:/run/purser.sock"] {
            assert_eq!(text.parse::<Target>().expect(text).to_string(), text);
        }
        for text in ["", "127.0.0.1:8080", "unix:", "https://a:1", "http://a:1/v1", "http://a:1/?x=1", "ftp://a"] {
            let refused = text.parse::<Target>().expect_err(text);
            assert!(refused.contains("write http://HOST:PORT or unix:PATH"), "{refused}");
        }
    }
}
