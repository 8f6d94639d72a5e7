//! A proxy as a process of its own, on free ports, in a temporary folder.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use purser::clock::Clock;

/// Longer than any proxy takes to start, also on a busy machine.
const STARTS: Duration = Duration::from_secs(30);

/// The program `name`: in `target/tools`, where `scripts/gateways` puts those that no Debian package
/// brings, or on the path. None, and said loudly, where it cannot be had.
pub fn find(name: &str) -> Option<PathBuf> {
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(tools).chain(std::env::split_paths(&path)).chain(["/usr/sbin".into()]);
    let found = folders.map(|folder| folder.join(name)).find(|program| program.is_file());
    if found.is_none() {
        eprintln!("SKIPPED: {name} is not installed, so Purser was not tried behind it; see scripts/gateways");
    }
    found
}

/// A free port of loopback, as an address.
pub fn free() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    listener.local_addr().expect("it is bound")
}

/// A file of `deploy/` with other addresses. Each must be there, so that what is tried is what is shipped.
pub fn deployed(file: &str, changes: &[(&str, String)]) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(file);
    let mut text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    for (shipped, here) in changes {
        assert!(text.contains(shipped), "{file} has no {shipped:?}");
        text = text.replace(shipped, here);
    }
    text
}

/// A program at work; it ends with the test.
pub struct Program(Child);

impl Program {
    /// Starts it and waits until it takes connections.
    pub fn start(mut command: Command, address: SocketAddr) -> Self {
        let mut child = command.stdin(Stdio::null()).spawn().expect("the program starts");
        let clock = Clock::system();
        let deadline = clock.instant() + STARTS;
        while TcpStream::connect(address).is_err() {
            let ended = child.try_wait().expect("its state can be asked");
            assert!(ended.is_none(), "{command:?} ended: {ended:?}");
            assert!(clock.instant() < deadline, "{command:?} does not listen on {address}");
            thread::sleep(Duration::from_millis(20));
        }
        Self(child)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // SIGTERM first: nginx has workers that SIGKILL would leave behind.
        let pid = rustix::process::Pid::from_child(&self.0);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let _ = self.0.wait();
    }
}
