//! Load on the server: several connections that debit, hold, settle, release and refund until the
//! server goes away, and note every operation that was answered.

// Each test binary uses a part of it.
#![allow(dead_code)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde_json::{Value, json};

use crate::client::{Client, Connection};
use crate::process::Purser;

const CONNECTIONS: u64 = 4;
pub const MEMBERS: u64 = 6;

/// An operation that was answered as done.
#[derive(Clone, Debug)]
pub struct Promise {
    /// In whose name.
    pub team: &'static str,
    /// The operation's id.
    pub id: String,
    /// The ledger's word for it.
    pub kind: &'static str,
    /// What was charged, held, returned or refunded, as answered.
    pub credits: String,
    /// The path and body, to ask again.
    pub path: String,
    /// See `path`.
    pub body: Value,
}

pub struct Load {
    over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Vec<Promise>>>,
}

/// A subscription of 1 000 000 credits with a team of six; two have limits, two use own credits.
pub fn seed(client: &Client) {
    let terms = json!({
        "owner": "olga", "plan": "team", "status": "active", "seats": 4, "credits_per_seat": "250000",
        "billing_anchor": "2026-01-31T00:00:00Z", "rollover": {"cap": null, "windows": 1},
        "features": {"private_workflows": false, "save_history": false, "model_whitelist": false}
    });
    client.call("PUT", "/v1/subscriptions/sub_1", Some(&terms));
    client.call("PUT", "/v1/teams/acme", Some(&json!({"name": "Acme", "owner": "olga"})));
    for member in 0..MEMBERS {
        let access = ["seat", "credits"][member as usize % 2];
        let limit = if member < 2 { json!("1000") } else { Value::Null };
        let settings = json!({"role": "member", "access": access, "limit": limit, "opted_out": false});
        client.call("PUT", &format!("/v1/teams/acme/members/m{member}"), Some(&settings));
    }
}

impl Load {
    /// Starts the connections; ids are unique to `cycle`.
    pub fn start(purser: &Purser, cycle: u64) -> Self {
        Self::on(&["acme"], Duration::ZERO, purser, cycle)
    }

    /// As [`Load::start`], with teams to draw on, one after the other for each connection, and a pause
    /// between two draws. On all but the first no settle is above its hold.
    pub fn on(teams: &[&'static str], pause: Duration, purser: &Purser, cycle: u64) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let threads = (0..CONNECTIONS).map(|worker| {
            let (over, client) = (Arc::clone(&over), purser.client());
            let team = worker as usize % teams.len();
            let worker = Worker { team: teams[team], is_exact: team > 0, pause, ..Worker::new(cycle, worker) };
            thread::spawn(move || worker.run(&client, &over))
        });
        Self { threads: threads.collect(), over }
    }

    /// Everything that was answered.
    pub fn stop(self) -> Vec<Promise> {
        self.over.store(true, Ordering::Relaxed);
        self.threads.into_iter().flat_map(|thread| thread.join().expect("a connection does not panic")).collect()
    }
}

struct Worker {
    name: String,
    team: &'static str,
    /// Its estimates are never too low.
    is_exact: bool,
    pause: Duration,
    random: u64,
    count: u64,
    promises: Vec<Promise>,
}

impl Worker {
    fn new(cycle: u64, worker: u64) -> Self {
        let random = (cycle * CONNECTIONS + worker + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let name = format!("c{cycle}-w{worker}");
        let (team, pause) = ("acme", Duration::ZERO);
        Self { name, team, is_exact: false, pause, random, count: 0, promises: Vec::new() }
    }

    fn run(mut self, client: &Client, over: &AtomicBool) -> Vec<Promise> {
        // The server goes away in the middle of an exchange; what it did not answer promises nothing.
        if let Ok(mut connection) = client.connect() {
            while !over.load(Ordering::Relaxed) && self.step(&mut connection).is_ok() {
                thread::sleep(self.pause);
            }
        }
        self.promises
    }

    fn step(&mut self, connection: &mut Connection) -> std::io::Result<()> {
        self.count += 1;
        let id = format!("{}-{}", self.name, self.count);
        let member = format!("m{}", self.next(MEMBERS));
        let credits = format!("{}.{:03}", self.next(3), self.next(1_000));
        let body = json!({"id": id, "team": self.team, "member": member, "credits": credits});
        if self.next(2) == 0 {
            let answer = self.ask(connection, "/v1/debits", &body)?;
            if self.promise(&answer, &id, "debited", "credits", "/v1/debits", &body) && self.next(8) == 0 {
                let (path, body) = (format!("/v1/debits/{id}/refund"), json!({"team": self.team}));
                let answer = self.ask(connection, &path, &body)?;
                self.promise(&answer, &id, "refunded", "refunded", &path, &body);
            }
            return Ok(());
        }
        let answer = self.ask(connection, "/v1/holds", &body)?;
        if !self.promise(&answer, &id, "held", "credits", "/v1/holds", &body) {
            return Ok(());
        }
        match self.next(4) {
            0 => {
                let (path, body) = (format!("/v1/holds/{id}/release"), json!({"team": self.team}));
                let answer = self.ask(connection, &path, &body)?;
                self.promise(&answer, &id, "released", "returned", &path, &body);
            }
            1 => {}
            _ => {
                let path = format!("/v1/holds/{id}/settle");
                let cost = if self.is_exact { credits } else { format!("{}.5", self.next(3)) };
                let body = json!({"team": self.team, "credits": cost});
                let answer = self.ask(connection, &path, &body)?;
                self.promise(&answer, &id, "settled", "charged", &path, &body);
            }
        }
        Ok(())
    }

    fn ask(&self, connection: &mut Connection, path: &str, body: &Value) -> std::io::Result<Value> {
        let (status, text) = connection.send("POST", path, Some(body))?;
        assert_eq!(status, 200, "{path} {body}: {text}");
        serde_json::from_str(&text).map_err(std::io::Error::other)
    }

    /// Notes what was answered; whether it was done.
    fn promise(&mut self, answer: &Value, id: &str, kind: &'static str, field: &str, path: &str, body: &Value) -> bool {
        if answer["decision"] == "deny" {
            return false;
        }
        let credits = answer[field].as_str().unwrap_or_else(|| panic!("{path} answers {field}: {answer}")).to_owned();
        let (team, id, path, body) = (self.team, id.into(), path.into(), body.clone());
        self.promises.push(Promise { team, id, kind, credits, path, body });
        true
    }

    /// A number below `bound` (xorshift).
    fn next(&mut self, bound: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % bound
    }
}
