//! A TCP proxy of the test's own between a store and its server: forwards, delays, cuts, or says nothing
//! more (a half-open connection, as a firewall leaves it).

// Each test binary uses a part of it.
#![allow(dead_code)]

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What becomes of bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mode {
    /// They go on.
    Forward,
    /// They go on later.
    Delay(Duration),
    /// They go nowhere and nobody is told, from now on and for good on these connections.
    Silence,
    /// Connections are closed, new ones too.
    Cut,
}

/// Where a connection is cut once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trap {
    /// Nowhere.
    None,
    /// Before the client's bytes with this text go on.
    Before(&'static str),
    /// After the client's bytes with this text have gone on: the server does it, its answer is lost.
    After(&'static str),
    /// As `Before`, so many of the client's messages later on the same connection.
    LaterBefore(&'static str, u32),
    /// As `After`, so many of the client's messages later on the same connection.
    LaterAfter(&'static str, u32),
}

impl Trap {
    /// After which text, how many messages later, and whether the server still hears that one.
    fn place(&self) -> Option<(&'static str, u32, bool)> {
        match *self {
            Self::None => None,
            Self::Before(text) => Some((text, 0, false)),
            Self::After(text) => Some((text, 0, true)),
            Self::LaterBefore(text, messages) => Some((text, messages, false)),
            Self::LaterAfter(text, messages) => Some((text, messages, true)),
        }
    }
}

/// A running proxy.
pub struct Proxy {
    address: SocketAddr,
    ahead: watch::Sender<u16>,
    mode: watch::Sender<Mode>,
    trap: watch::Sender<Trap>,
    sprung: Arc<AtomicU32>,
}

impl Proxy {
    /// Forwards to a port of loopback.
    pub async fn to(port: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port is free");
        let address = listener.local_addr().expect("it has an address");
        let (ahead, aheads) = watch::channel(port);
        let (mode, modes) = watch::channel(Mode::Forward);
        let (trap, traps) = watch::channel(Trap::None);
        let sprung = Arc::new(AtomicU32::new(0));
        let (arm, count) = (trap.clone(), Arc::clone(&sprung));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (aheads, modes, traps) = (aheads.clone(), modes.clone(), traps.clone());
                let pipe = Pipe { aheads, modes, traps, arm: arm.clone(), count: count.clone() };
                tokio::spawn(pipe.run(client));
            }
        });
        Self { address, ahead, mode, trap, sprung }
    }

    /// Its port on loopback.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Forwards to another port of loopback; open connections are cut.
    pub fn lead_to(&self, port: u16) {
        self.ahead.send_replace(port);
    }

    /// From now on, for open connections too.
    pub fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }

    /// Cuts one connection at the next such place.
    pub fn arm(&self, trap: Trap) {
        self.trap.send_replace(trap);
    }

    /// How often a trap was sprung.
    pub fn sprung(&self) -> u32 {
        self.sprung.load(Ordering::SeqCst)
    }
}

/// What becomes of the bytes that sprang a trap.
enum Goes {
    No,
    Unanswered,
}

struct Pipe {
    aheads: watch::Receiver<u16>,
    modes: watch::Receiver<Mode>,
    traps: watch::Receiver<Trap>,
    arm: watch::Sender<Trap>,
    count: Arc<AtomicU32>,
}

impl Pipe {
    async fn run(mut self, client: TcpStream) {
        if *self.modes.borrow() == Mode::Cut {
            return;
        }
        let port = *self.aheads.borrow_and_update();
        let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await else { return };
        let (mut from_client, mut to_client) = client.into_split();
        let (mut from_server, mut to_server) = server.into_split();
        let (mut modes, mut aheads) = (self.modes.clone(), self.aheads.clone());
        let (swallow, swallows) = watch::channel(false);
        let up = async {
            let (mut bytes, mut since) = (vec![0; 64 * 1024], None);
            while let Ok(length @ 1..) = from_client.read(&mut bytes).await {
                match self.spring(&bytes[..length], &mut since) {
                    Some(Goes::No) => return,
                    goes => drop(swallow.send_replace(goes.is_some())),
                }
                if !self.hand_on(&mut to_server, &bytes[..length]).await {
                    return;
                }
            }
        };
        let down = async {
            let mut bytes = vec![0; 64 * 1024];
            while let Ok(length @ 1..) = from_server.read(&mut bytes).await {
                // The server has done it and says so, and nobody hears it.
                if *swallows.borrow() || !self.hand_on(&mut to_client, &bytes[..length]).await {
                    return;
                }
            }
        };
        let cut = modes.wait_for(|mode| *mode == Mode::Cut);
        tokio::select! { () = up => {}, () = down => {}, _ = cut => {}, _ = aheads.changed() => {} }
    }

    /// Whether the trap is for these bytes; it is sprung once. `since` counts this connection's messages
    /// since the trap's text.
    fn spring(&self, bytes: &[u8], since: &mut Option<u32>) -> Option<Goes> {
        let Some((text, messages, goes)) = self.traps.borrow().place() else {
            *since = None;
            return None;
        };
        let is_there = bytes.windows(text.len()).any(|window| window == text.as_bytes());
        *since = if is_there { Some(0) } else { since.map(|since| since + 1) };
        if *since != Some(messages) {
            return None;
        }
        self.arm.send_replace(Trap::None);
        self.count.fetch_add(1, Ordering::SeqCst);
        Some(if goes { Goes::Unanswered } else { Goes::No })
    }

    /// Answers whether the connection lives on.
    async fn hand_on(&self, to: &mut (impl AsyncWriteExt + Unpin), bytes: &[u8]) -> bool {
        let mode = self.modes.borrow().clone();
        match mode {
            Mode::Forward => {}
            Mode::Delay(pause) => tokio::time::sleep(pause).await,
            Mode::Silence => std::future::pending().await,
            Mode::Cut => return false,
        }
        to.write_all(bytes).await.is_ok()
    }
}
