//! Opening sockets: TCP addresses and unix sockets, and taking connections from them.

use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tokio::net::{TcpListener, TcpSocket, TcpStream, UnixListener, UnixStream};

use crate::config::Listen;

/// Connections that the kernel holds until they are taken.
const BACKLOG: u32 = 1024;

/// Rights of a unix socket: its user and group may connect, and nobody else.
const SOCKET_MODE: u32 = 0o660;

/// Why an address cannot be listened on.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The system refused.
    #[error("cannot listen on {address}: {error}")]
    Refused {
        /// Where.
        address: Listen,
        /// What the system said; part of this error's text, so no source to be told again.
        error: io::Error,
    },
    /// Another process answers on this unix socket.
    #[error("cannot listen on {0}: another process listens there; stop it or choose another path")]
    InUse(Listen),
    /// There is a file of another kind at the socket's path.
    #[error("cannot listen on {0}: the file there is not a socket; remove it or choose another path")]
    NotASocket(Listen),
}

/// An open address that nobody takes connections from yet; callers already wait in its backlog.
#[derive(Debug)]
pub struct Bound {
    address: Listen,
    socket: Socket,
}

#[derive(Debug)]
enum Socket {
    Tcp(TcpListener),
    Unix { listener: UnixListener, _file: SocketFile },
}

/// One accepted connection.
pub(super) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Bound {
    /// Opens an address. Must be called within a tokio runtime.
    ///
    /// A socket file that nobody listens on is replaced; a unix socket's file goes when this is
    /// dropped.
    ///
    /// # Errors
    /// The address is taken, not ours to open, or its path holds another kind of file.
    pub fn open(address: &Listen) -> Result<Self, BindError> {
        let refused = |error| BindError::Refused { address: address.clone(), error };
        match address {
            Listen::Tcp(wanted) => {
                let listener = open_tcp(*wanted).map_err(refused)?;
                let address = Listen::Tcp(listener.local_addr().map_err(refused)?);
                Ok(Self { address, socket: Socket::Tcp(listener) })
            }
            Listen::Unix(path) => {
                check_path(address, path)?;
                let (listener, file) = open_unix(path).map_err(refused)?;
                Ok(Self { address: address.clone(), socket: Socket::Unix { listener, _file: file } })
            }
        }
    }

    /// The address in fact: with the port that was taken for port 0.
    pub fn address(&self) -> &Listen {
        &self.address
    }

    pub(super) async fn accept(&self) -> io::Result<Stream> {
        match &self.socket {
            Socket::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                // Answers are one small write; waiting to fill a packet would only delay them.
                stream.set_nodelay(true)?;
                Ok(Stream::Tcp(stream))
            }
            Socket::Unix { listener, .. } => listener.accept().await.map(|(stream, _)| Stream::Unix(stream)),
        }
    }
}

fn open_tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // A restart must not wait for the old process's connections to time out in the kernel.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Refuses a path that is in use or holds something else than a socket.
fn check_path(address: &Listen, path: &Path) -> Result<(), BindError> {
    let Ok(metadata) = std::fs::symlink_metadata(path) else { return Ok(()) };
    if !metadata.file_type().is_socket() {
        return Err(BindError::NotASocket(address.clone()));
    }
    match std::os::unix::net::UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(()),
        Ok(_) => Err(BindError::InUse(address.clone())),
        Err(error) => Err(BindError::Refused { address: address.clone(), error }),
    }
}

/// Opens the socket beside its path and moves it there once its rights are set: nobody can connect
/// before, and a dead socket is replaced in one step.
fn open_unix(path: &Path) -> io::Result<(UnixListener, SocketFile)> {
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    let new = PathBuf::from(new);
    match std::fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(&new)?;
    std::fs::set_permissions(&new, std::fs::Permissions::from_mode(SOCKET_MODE))?;
    let file = SocketFile { path: path.to_owned(), inode: inode(&new)? };
    std::fs::rename(&new, path)?;
    Ok((listener, file))
}

/// The file of a unix socket, removed with this unless another process has replaced it.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    inode: (u64, u64),
}

fn inode(path: &Path) -> io::Result<(u64, u64)> {
    std::fs::symlink_metadata(path).map(|metadata| (metadata.dev(), metadata.ino()))
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if inode(&self.path).is_ok_and(|inode| inode == self.inode)
            && let Err(error) = std::fs::remove_file(&self.path)
        {
            tracing::warn!(path = %self.path.display(), %error, "cannot remove the socket file");
        }
    }
}
