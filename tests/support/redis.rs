//! Real Redis servers for tests, each in a temporary folder on a free port of loopback.
//!
//! A guard process holds one server and reads orders from a pipe. When the pipe ends, because the test
//! process has ended in whatever way, it kills the server by its own process id and deletes the folder.

// Each test binary uses a part of it.
#![allow(dead_code)]

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// How long a server may take to start or stop on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often within this time somebody looks.
const LOOKS_MAX: u32 = 2_000;

/// What the guard runs. `$1` is the folder of the server, `$2` what to start and what follows its options.
const GUARD: &str = r#"
# Nobody hears what is said once the tests have ended.
trap "" PIPE
folder=$1
shift
start() { "$@" 2>&1 & server=$!; }
start "$@"
while read -r order; do
    case $order in
        start) start "$@" ;;
        kill) kill -KILL "$server"; wait "$server"; echo "killed" ;;
        stop) kill -CONT "$server"; kill -TERM "$server"; wait "$server"; echo "stopped" ;;
        freeze) kill -STOP "$server"; echo "frozen" ;;
        thaw) kill -CONT "$server"; echo "thawed" ;;
    esac
done
kill -KILL "$server" 2>/dev/null
wait "$server"
rm -rf "$folder"
"#;

const READY: &str = "Ready to accept connections";

/// What tells how far a server and its copies have come.
const REPLICATION: &str = "INFO replication";

/// A running server.
pub struct Server {
    port: u16,
    ready: &'static str,
    guard: Mutex<Guard>,
    _process: Child,
}

struct Guard {
    orders: ChildStdin,
    said: Receiver<String>,
}

/// A port that nobody has.
fn free_port() -> u16 {
    loop {
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|free| free.local_addr()).expect("a port");
        // A node of a Cluster also takes the port that is 10 000 higher.
        if free.port() < 50_000 && TcpListener::bind((Ipv4Addr::LOCALHOST, free.port() + 10_000)).is_ok() {
            return free.port();
        }
    }
}

fn needs(program: &str, package: &str) {
    let found = Command::new(program).arg("--version").output();
    assert!(found.is_ok(), "{program} is missing: install the Debian package {package}");
}

impl Server {
    /// A server that has everything on disk before it answers.
    pub fn start() -> Self {
        Self::with(&["--appendonly", "yes", "--appendfsync", "always"])
    }

    /// A server with options of its own.
    pub fn with(options: &[&str]) -> Self {
        let port = free_port();
        Self::on(port, &[&["--port", &port.to_string()], options].concat())
    }

    /// A server that takes only encrypted connections: its certificate, its key, and who vouches for it.
    pub fn encrypted(certificate: &str, key: &str, ca: &str) -> Self {
        let port = free_port();
        let files = ["--tls-cert-file", certificate, "--tls-key-file", key, "--tls-ca-cert-file", ca];
        let ports = ["--port", "0", "--tls-port", &port.to_string(), "--tls-auth-clients", "no"];
        Self::on(port, &[&ports[..], &files].concat())
    }

    fn on(port: u16, options: &[&str]) -> Self {
        needs("redis-server", "redis-server");
        let folder = folder();
        let own = ["redis-server", "--bind", "127.0.0.1", "--save", "", "--dir"];
        let mut words: Vec<String> = own.iter().map(|word| (*word).to_owned()).collect();
        words.push(folder.display().to_string());
        words.extend(options.iter().map(|word| (*word).to_owned()));
        Self::guarded(port, folder, &words, READY)
    }

    /// A copy of the server on a port.
    pub fn replica_of(port: u16) -> Self {
        let replica = Self::with(&["--appendonly", "yes", "--replicaof", &format!("127.0.0.1 {port}")]);
        replica.wait_for_link();
        replica
    }

    /// Waits until a copy has everything.
    pub fn wait_for_link(&self) {
        self.wait_until(REPLICATION, "master_link_status:up");
    }

    /// Waits until an answer contains a text.
    pub fn wait_until(&self, words: &str, text: &str) {
        self.wait_until_it(words, text, |answer| answer.contains(text));
    }

    /// Waits until a copy has what its master had at this moment. It may have more by then.
    pub fn wait_for_copy(&self, master: &Self) {
        let all = offset(&master.run(REPLICATION), "master_repl_offset:");
        let has_all = |answer: &str| offset(answer, "slave_repl_offset:") >= all;
        self.wait_until_it(REPLICATION, &format!("slave_repl_offset:{all}"), has_all);
    }

    fn wait_until_it(&self, words: &str, what: &str, is_it: impl Fn(&str) -> bool) {
        for _ in 0..LOOKS_MAX {
            if is_it(&self.run(words)) {
                return;
            }
            std::thread::sleep(PATIENCE / LOOKS_MAX);
        }
        panic!("{words} never said {what}, but\n{}", self.run(words));
    }

    /// A node of a Cluster.
    pub fn node() -> Self {
        Self::with(&["--cluster-enabled", "yes", "--cluster-node-timeout", "1500", "--appendonly", "yes"])
    }

    /// A Sentinel that watches the master of a server's port under the name `main`.
    pub fn sentinel(master: u16) -> Self {
        needs("redis-sentinel", "redis-sentinel");
        let (port, folder) = (free_port(), folder());
        let file = folder.join("sentinel.conf");
        let config = format!(
            "port {port}\nbind 127.0.0.1\ndir {}\nsentinel monitor main 127.0.0.1 {master} 1\n\
             sentinel down-after-milliseconds main 2500\nsentinel failover-timeout main 5000\n",
            folder.display()
        );
        std::fs::write(&file, config).expect("the Sentinel is configured");
        let words = ["redis-sentinel".to_owned(), file.display().to_string()];
        Self::guarded(port, folder, &words, "+monitor master main")
    }

    fn guarded(port: u16, folder: PathBuf, words: &[String], ready: &'static str) -> Self {
        let mut process = Command::new("/bin/sh")
            .args(["-c", GUARD, "guard"])
            .arg(folder)
            .args(words)
            // A signal to the tests' group must not end the guard before its work is done.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // What it inherited would look as if the test had left something running.
            .stderr(Stdio::null())
            .spawn()
            .expect("the guard starts");
        let (say, said) = channel();
        let lines = BufReader::new(process.stdout.take().expect("it is piped")).lines();
        std::thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| say.send(line)));
        let orders = process.stdin.take().expect("it is piped");
        let guard = Guard { orders, said };
        guard.wait_for(ready);
        Self { port, ready, guard: Mutex::new(guard), _process: process }
    }

    fn order(&self, order: &str, until: &str) {
        let mut guard = self.guard.lock().expect("no order has failed");
        writeln!(guard.orders, "{order}").expect("the guard reads");
        guard.wait_for(until);
    }

    /// Its port on loopback.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Ends at once, as by `kill -9`.
    pub fn kill(&self) {
        self.order("kill", "killed");
    }

    /// Ends in order.
    pub fn stop(&self) {
        self.order("stop", "stopped");
    }

    /// Starts again.
    pub fn restart(&self) {
        self.order("start", self.ready);
    }

    /// Neither answers nor refuses from now on.
    pub fn freeze(&self) {
        self.order("freeze", "frozen");
    }

    /// Goes on.
    pub fn thaw(&self) {
        self.order("thaw", "thawed");
    }

    /// Runs one command of Redis and answers what it says, with spaces between words.
    pub fn run(&self, words: &str) -> String {
        let output = Command::new("redis-cli")
            .args(["-p", &self.port.to_string()])
            .args(words.split(' '))
            .output()
            .expect("redis-cli is there: install the Debian package redis-tools");
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }
}

impl Guard {
    fn wait_for(&self, text: &str) {
        let mut all = Vec::new();
        loop {
            match self.said.recv_timeout(PATIENCE) {
                Ok(line) if line.contains(text) => return,
                Ok(line) => all.push(line),
                Err(error) => panic!("the server did not say {text:?} ({error}), but\n{}", all.join("\n")),
            }
        }
    }
}

/// How much a server has written or read, as a line of its own tells it.
fn offset(replication: &str, line: &str) -> u64 {
    let offset = replication.lines().find_map(|said| said.strip_prefix(line));
    offset.map_or(0, |offset| offset.trim_end().parse().expect("a number of bytes"))
}

fn folder() -> PathBuf {
    let folder = tempfile::Builder::new().prefix("purser-redis-").tempdir().expect("a temporary folder");
    // The guard deletes it, also where this process cannot any more.
    folder.keep()
}

/// A Cluster of one node, which refuses what a Cluster refuses.
pub fn lone_node() -> Server {
    let node = Server::node();
    node.run("CLUSTER ADDSLOTSRANGE 0 16383");
    node.wait_until("CLUSTER INFO", "cluster_state:ok");
    node
}

/// Three nodes that have all slots among them.
pub fn cluster() -> Vec<Server> {
    let nodes: Vec<_> = (0..3).map(|_| Server::node()).collect();
    let mut create = Command::new("redis-cli");
    create.args(["--cluster", "create"]);
    create.args(nodes.iter().map(|node| format!("127.0.0.1:{}", node.port)));
    let output = create.args(["--cluster-replicas", "0", "--cluster-yes"]).output().expect("redis-cli runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    nodes.iter().for_each(|node| node.wait_until("CLUSTER INFO", "cluster_state:ok"));
    nodes
}
