//! The real server as a process of its own: the one that was built with the tests, or the one that `PURSER_BIN` names.

// Each test binary uses a part of it.
#![allow(dead_code)]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;

use crate::client::Client;

pub struct Purser {
    child: Child,
    address: String,
}

impl Purser {
    /// Starts on a free port and waits until it listens; on a store of its own or on a shared one.
    pub fn start(data: &Path, durability: &str, store: Option<&str>) -> Self {
        Self::start_with(data, durability, store, &[])
    }

    /// The same with further arguments.
    pub fn start_with(data: &Path, durability: &str, store: Option<&str>, args: &[&str]) -> Self {
        Self::start_from(data, durability, store, args, "")
    }

    /// The same with further sections of its configuration.
    pub fn start_from(data: &Path, durability: &str, store: Option<&str>, args: &[&str], sections: &str) -> Self {
        let config = data.join("test.toml");
        // A machine on which many tests run at once may take long for a call to the store.
        let text = "[store]\ntimeout = \"15s\"\n[journal]\nsegment_bytes = \"1MiB\"\nbytes_max = \"256MiB\"\n\
                    queue_bytes_max = \"1MiB\"\n";
        std::fs::write(&config, format!("{text}{sections}")).expect("the folder can be written");
        let program = std::env::var_os("PURSER_BIN").unwrap_or_else(|| env!("CARGO_BIN_EXE_purser").into());
        let mut command = Command::new(program);
        if let Some(store) = store {
            command.env("PURSER_STORE", store);
        }
        let mut child = command
            .args(["serve", "--http", "127.0.0.1:0", "--log-format", "json", "--durability", durability])
            .arg("--config")
            .arg(&config)
            .arg("--data")
            .arg(data.join("data"))
            .args(args)
            .stderr(Stdio::piped())
            .spawn()
            .expect("the server starts");
        let mut log = BufReader::new(child.stderr.take().expect("its log is piped"));
        let address = listening(&mut log);
        // The log is read on, so that the server never waits for its reader.
        thread::spawn(move || log.lines().map_while(Result::ok).for_each(|line| eprintln!("{line}")));
        Self { child, address }
    }

    pub fn client(&self) -> Client {
        Client::new(&self.address)
    }

    /// What a command line names it by.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        self.child.kill().expect("the server runs");
        self.child.wait().expect("the server has ended");
    }

    /// SIGTERM; whether it exits with 0.
    pub fn stop(mut self) -> bool {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("the server runs");
        self.child.wait().expect("the server ends").success()
    }
}

impl Drop for Purser {
    fn drop(&mut self) {
        // It has ended already, but for a test that failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn listening(log: &mut impl BufRead) -> String {
    let mut seen = String::new();
    loop {
        let start = seen.len();
        let bytes = log.read_line(&mut seen).expect("the log can be read");
        assert!(bytes > 0, "the server ended before it listened:\n{seen}");
        let line: serde_json::Value = serde_json::from_str(&seen[start..]).unwrap_or_default();
        if line["fields"]["message"] == "listening" || line["message"] == "listening" {
            let address = line["fields"]["address"].as_str().or(line["address"].as_str());
            return address.expect("listening names the address").to_owned();
        }
    }
}
