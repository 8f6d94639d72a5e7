//! Sidecars on one store, each a process with a data folder of its own.

use std::sync::Mutex;
use std::time::Duration;

use purser::clock::Clock;
use purser::domain::Credits;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::client::{Client, Connection};
use crate::place::Place;
use crate::process::Purser;

/// How long anything may take that needs the store, once it is there.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub struct Fleet {
    pub place: Place,
    sidecars: Vec<Option<Purser>>,
    folders: Vec<TempDir>,
    durability: &'static str,
    /// What control was asked for, to be asked again of a store that has forgotten it.
    asked: Mutex<Vec<Asked>>,
}

struct Asked {
    method: &'static str,
    path: String,
    body: Value,
}

impl Fleet {
    pub fn start(place: Place, sidecars: usize, durability: &'static str) -> Self {
        let folders = (0..sidecars).map(|_| tempfile::tempdir().expect("a temporary folder")).collect();
        let mut fleet = Self { place, sidecars: Vec::new(), folders, durability, asked: Mutex::default() };
        fleet.sidecars.resize_with(sidecars, || None);
        (0..sidecars).for_each(|at| fleet.restart(at));
        fleet
    }

    pub fn len(&self) -> usize {
        self.sidecars.len()
    }

    pub fn restart(&mut self, at: usize) {
        self.sidecars[at] = Some(Purser::start(self.folders[at].path(), self.durability, Some(&self.place.url())));
    }

    /// `kill -9`.
    pub fn kill(&mut self, at: usize) {
        self.sidecars[at].as_mut().expect("it runs").kill();
    }

    pub fn purser(&self, at: usize) -> &Purser {
        self.sidecars[at].as_ref().expect("it runs")
    }

    /// A sidecar's id, as its data folder has it.
    pub fn id(&self, at: usize) -> String {
        let bytes = std::fs::read(self.folders[at].path().join("data/sidecar")).expect("it has an identity");
        uuid::Uuid::from_slice(&bytes[16..32]).expect("an id has 16 bytes").to_string()
    }

    pub fn client(&self, at: usize) -> Client {
        self.purser(at).client()
    }

    /// Changes something through a sidecar; patiently, because the store may just be coming back.
    pub fn control(&self, at: usize, method: &'static str, path: &str, body: Value) {
        self.ask_control(at, method, path, &body);
        self.asked.lock().expect("nobody panicked").push(Asked { method, path: path.to_owned(), body });
    }

    /// Asks for everything again, in its order, of a store that has forgotten it.
    pub fn control_again(&self, at: usize) {
        for Asked { method, path, body } in &*self.asked.lock().expect("nobody panicked") {
            self.ask_control(at, method, path, body);
        }
    }

    fn ask_control(&self, at: usize, method: &str, path: &str, body: &Value) {
        let mut last = String::new();
        let done = soon(|| {
            let mut connection = self.client(at).connect().expect("the server takes connections");
            let (status, text) = connection.send(method, path, Some(body)).expect("the server answers");
            assert!(status == 503 || (200..300).contains(&status), "{method} {path}: {status} {text}");
            last = text;
            status != 503
        });
        assert!(done.is_some(), "{method} {path}: {last}");
    }

    /// A subscription with a pool, and a team that draws on it.
    pub fn team(&self, team: &str, pool: u32, members: &[(String, Option<u32>)]) {
        let terms = json!({
            "owner": format!("owner-{team}"), "plan": "team", "status": "active", "seats": 1,
            "credits_per_seat": pool.to_string(), "billing_anchor": "2026-01-31T00:00:00Z",
            "rollover": {"cap": null, "windows": 1},
            "features": {"private_workflows": false, "save_history": false, "model_whitelist": false}
        });
        self.control(0, "PUT", &format!("/v1/subscriptions/sub_{team}"), terms);
        self.control(0, "PUT", &format!("/v1/teams/{team}"), json!({"name": team, "owner": format!("owner-{team}")}));
        for (member, limit) in members {
            self.limit(0, team, member, *limit);
        }
        let last = &members.last().expect("a team has members").0;
        let path = format!("/v1/teams/{team}/members/{last}/balance");
        for at in 0..self.len() {
            let knows = || self.client(at).connect().and_then(|mut it| it.send("GET", &path, None));
            assert!(soon(|| knows().is_ok_and(|(status, _)| status == 200)).is_some(), "{at} learns of {team}");
        }
    }

    /// Gives a member a limit.
    pub fn limit(&self, at: usize, team: &str, member: &str, limit: Option<u32>) {
        let limit = limit.map(|limit| limit.to_string());
        let settings = json!({"role": "member", "access": "credits", "limit": limit, "opted_out": false});
        self.control(at, "PUT", &format!("/v1/teams/{team}/members/{member}"), settings);
    }

    /// Waits until every sidecar has been lent what it cannot have: most of what a pool has left. The longest
    /// that one waited.
    pub fn all_are_lent(&self, name: &str) -> Duration {
        let is_lent = |at: usize| {
            let mut connection = self.client(at).connect().expect("the server takes connections");
            let mut tries = 0;
            let waited = soon(|| {
                tries += 1;
                let pool = connection.send("GET", "/v1/teams/probe/pool", None).expect("the server answers");
                let pool: Value = serde_json::from_str(&pool.1).unwrap_or_default();
                let most = micros(&pool["remaining"]) / 1_000_000 * 6 / 10;
                most > 0 && debit(&mut connection, "probe", "m0", &format!("{name}-{at}-{tries}"), &most.to_string())
            });
            waited.unwrap_or_else(|| panic!("{name}: sidecar {at} is lent nothing"))
        };
        (0..self.len()).map(is_lent).max().unwrap_or_default()
    }

    /// A pool as the store has it over all sidecars.
    pub fn pool(&self, team: &str) -> Value {
        self.client(0).call("GET", &format!("/v1/teams/{team}/pool"), None)
    }

    /// A number of a sidecar's page of metrics, summed over its labels as far as they contain a text.
    pub fn metric(&self, at: usize, name: &str, label: &str) -> f64 {
        let page = self.client(at).text("/metrics", "text/plain");
        let lines = page.lines().filter(|line| line.starts_with(name) && line.contains(label));
        lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    }

    /// Draws that all sidecars have allowed since they started.
    pub fn allowed(&self) -> u64 {
        (0..self.len()).map(|at| self.metric(at, "purser_decisions_total", "allow")).sum::<f64>() as u64
    }

    /// Leases that the store had forgotten, as sidecars heard since they started.
    pub fn regressions(&self) -> u64 {
        (0..self.len()).map(|at| self.metric(at, "purser_lease_regressions_total", "")).sum::<f64>() as u64
    }

    /// Asks every sidecar to stop; all exit with 0.
    pub fn stop(self) {
        for sidecar in self.sidecars.into_iter().flatten() {
            assert!(sidecar.stop(), "a server that is asked to stop exits with 0");
        }
    }
}

/// Debits; whether it is allowed.
pub fn debit(connection: &mut Connection, team: &str, member: &str, id: &str, credits: &str) -> bool {
    let body = json!({"id": id, "team": team, "member": member, "credits": credits});
    let (status, text) = connection.send("POST", "/v1/debits", Some(&body)).expect("the server answers");
    assert_eq!(status, 200, "{text}");
    let answer: Value = serde_json::from_str(&text).expect("an answer is JSON");
    answer["decision"] == "allow"
}

/// How long it took until something was so, looking every few milliseconds; nothing if it never was.
pub fn soon(mut is_so: impl FnMut() -> bool) -> Option<Duration> {
    let clock = Clock::system();
    let start = clock.instant();
    loop {
        if is_so() {
            return Some(clock.since(start));
        }
        if clock.since(start) > PATIENCE {
            return None;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Micro-credits of a number in an answer; what is left out is none.
pub fn micros(credits: &Value) -> i64 {
    let Some(text) = credits.as_str() else { return 0 };
    text.parse::<Credits>().expect("credits are decimals").micros()
}
