//! Sidecars on one database, each a process with a data folder of its own.

use std::time::Duration;

use purser::clock::Clock;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::client::{Client, Connection};
use crate::postgres;
use crate::process::Purser;

/// Denials in a row after which nothing more is expected, 100 ms apart.
const DENIALS_MAX: u32 = 30;

/// How long a sidecar may take to learn of a team.
const LEARN_TRIES: u32 = 100;

pub struct Fleet {
    sidecars: Vec<Option<Purser>>,
    folders: Vec<TempDir>,
    durability: &'static str,
    url: String,
}

/// What came of asking until nothing was left.
pub struct Outcome {
    pub allowed: u64,
    /// The longest that a denial lasted which was followed by an allowed debit.
    pub longest_denied_millis: u64,
}

impl Fleet {
    pub fn start(sidecars: usize, durability: &'static str) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let database = runtime.block_on(postgres::server().empty_database());
        let url = postgres::server().url(&database);
        let folders = (0..sidecars).map(|_| tempfile::tempdir().expect("a temporary folder")).collect();
        let mut fleet = Self { sidecars: Vec::new(), folders, durability, url };
        fleet.sidecars.resize_with(sidecars, || None);
        (0..sidecars).for_each(|at| fleet.restart(at));
        fleet
    }

    pub fn restart(&mut self, at: usize) {
        self.sidecars[at] = Some(Purser::start(self.folders[at].path(), self.durability, Some(&self.url)));
    }

    /// `kill -9`.
    pub fn kill(&mut self, at: usize) {
        self.sidecars[at].as_mut().expect("it runs").kill();
    }

    pub fn purser(&self, at: usize) -> &Purser {
        self.sidecars[at].as_ref().expect("it runs")
    }

    pub fn client(&self, at: usize) -> Client {
        self.purser(at).client()
    }

    /// A team with a pool and members with limits, made through the first sidecar and known to all.
    pub fn team(&self, pool: u32, members: &[(&str, Option<u32>)]) {
        let client = self.client(0);
        let terms = json!({
            "owner": "olga", "plan": "team", "status": "active", "seats": 1, "credits_per_seat": pool.to_string(),
            "billing_anchor": "2026-01-31T00:00:00Z", "rollover": {"cap": null, "windows": 1},
            "features": {"private_workflows": false, "save_history": false, "model_whitelist": false}
        });
        client.call("PUT", "/v1/subscriptions/sub_1", Some(&terms));
        client.call("PUT", "/v1/teams/acme", Some(&json!({"name": "Acme", "owner": "olga"})));
        for (member, limit) in members {
            let limit = limit.map(|limit| limit.to_string());
            let settings = json!({"role": "member", "access": "credits", "limit": limit, "opted_out": false});
            client.call("PUT", &format!("/v1/teams/acme/members/{member}"), Some(&settings));
        }
        self.wait_for_team();
    }

    /// Waits until every sidecar knows the team and its last member.
    pub fn wait_for_team(&self) {
        let members = self.client(0).call("GET", "/v1/teams/acme/members", None);
        let last = members["members"].as_array().and_then(|all| all.last()).map(|member| member["member"].clone());
        let last = last.as_ref().and_then(Value::as_str).expect("a team has members").to_owned();
        for at in 0..self.sidecars.len() {
            let path = format!("/v1/teams/acme/members/{last}/balance");
            let knows = |_| {
                std::thread::sleep(Duration::from_millis(20));
                let mut connection = self.client(at).connect().expect("the server takes connections");
                connection.send("GET", &path, None).expect("the server answers").0 == 200
            };
            assert!((0..LEARN_TRIES).any(knows), "sidecar {at} learns of a team within two seconds");
        }
    }

    /// Debits one credit at a time until nothing has been allowed for three seconds.
    pub fn exhaust(&self, at: usize, member: &str) -> Outcome {
        let (clock, mut denied_since) = (Clock::system(), None);
        let mut connection = self.client(at).connect().expect("the server takes connections");
        let (mut outcome, mut denials) = (Outcome { allowed: 0, longest_denied_millis: 0 }, 0);
        for number in 0_u64.. {
            let id = format!("race-{at}-{number}");
            if debit(&mut connection, &id, member) {
                let waited = denied_since.take().map_or(0, |since| clock.since(since).as_millis() as u64);
                outcome.longest_denied_millis = outcome.longest_denied_millis.max(waited);
                (outcome.allowed, denials) = (outcome.allowed + 1, 0);
                continue;
            }
            denied_since.get_or_insert_with(|| clock.instant());
            denials += 1;
            if denials == DENIALS_MAX {
                break;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        outcome
    }

    /// Draws that a sidecar has allowed so far, by its metrics.
    pub fn answered(&self, at: usize) -> u64 {
        let metrics = self.client(at).text("/metrics", "text/plain");
        let allowed =
            metrics.lines().filter(|line| line.starts_with("purser_decisions_total") && line.contains("allow"));
        allowed.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum::<f64>() as u64
    }

    /// Asks every sidecar to stop; all exit with 0.
    pub fn stop(self) {
        for sidecar in self.sidecars.into_iter().flatten() {
            assert!(sidecar.stop(), "a server that is asked to stop exits with 0");
        }
    }
}

fn debit(connection: &mut Connection, id: &str, member: &str) -> bool {
    let body = json!({"id": id, "team": "acme", "member": member, "credits": "1"});
    let (status, text) = connection.send("POST", "/v1/debits", Some(&body)).expect("the server answers");
    assert_eq!(status, 200, "{text}");
    let answer: Value = serde_json::from_str(&text).expect("an answer is JSON");
    answer["decision"] == "allow"
}
