//! A Purser with a team, a model API, and room for a proxy between them.

use std::path::PathBuf;
use std::time::Duration;

use purser::clock::Clock;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::client::Client;
use crate::process::Purser;
use crate::upstream::Upstream;

/// Far above the interval of a sync, also on a busy machine.
const REACHES_THE_LEDGER: Duration = Duration::from_secs(20);

/// The socket of the gRPC interface.
const GRPC: &str = "grpc.sock";

pub struct Scene {
    pub purser: Purser,
    pub upstream: Upstream,
    /// For what the proxy writes.
    pub folder: TempDir,
}

impl Scene {
    /// Team `acme` has a pool of 1 000 credits. In it: `olga`, its owner, and `ana`, with a limit of 100.
    /// `eve` has a key of the proxy and is not a member.
    pub async fn open() -> Self {
        Self::open_with(&[], "").await
    }

    /// The same, of a Purser with further arguments and sections of its configuration.
    pub async fn open_with(args: &[&str], sections: &str) -> Self {
        let folder = TempDir::new().expect("a folder");
        let grpc = format!("unix:{}", folder.path().join(GRPC).display());
        let args: Vec<&str> = ["--grpc", &grpc].into_iter().chain(args.iter().copied()).collect();
        let purser = Purser::start_from(folder.path(), "os", None, &args, sections);
        let scene = Self { purser, upstream: Upstream::start().await, folder };
        scene.put(
            "/v1/subscriptions/sub_1",
            &json!({
                "owner": "olga", "plan": "team", "status": "active", "seats": 2, "credits_per_seat": "500",
                "billing_anchor": "2026-01-01T00:00:00Z"
            }),
        );
        scene.put("/v1/teams/acme", &json!({ "name": "Acme", "owner": "olga" }));
        scene.set_ana(&json!({ "role": "member", "access": "seat", "limit": "100" }));
        scene
    }

    pub fn client(&self) -> Client {
        self.purser.client()
    }

    /// Where Purser listens.
    pub fn purser_address(&self) -> String {
        self.purser.url().trim_start_matches("http://").to_owned()
    }

    /// Where Purser listens for gRPC.
    pub fn grpc_path(&self) -> PathBuf {
        self.folder.path().join(GRPC)
    }

    /// Waits until so much is used of the pool.
    pub async fn used_is(&self, credits: &str) {
        let clock = Clock::system();
        let deadline = clock.instant() + REACHES_THE_LEDGER;
        while self.used() != credits {
            assert!(clock.instant() < deadline, "{} is used and not {credits}", self.used());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub fn set_ana(&self, member: &Value) {
        self.put("/v1/teams/acme/members/ana", member);
    }

    fn put(&self, path: &str, body: &Value) {
        self.client().call("PUT", path, Some(body));
    }

    /// More credits for the pool.
    pub fn purchase(&self, credits: &str) {
        let body = json!({ "id": format!("purchase-of-{credits}"), "credits": credits });
        self.client().call("POST", "/v1/subscriptions/sub_1/purchases", Some(&body));
    }

    /// What is used of the pool.
    pub fn used(&self) -> String {
        self.client().call("GET", "/v1/teams/acme/pool", None)["used"].as_str().expect("an amount").to_owned()
    }

    /// Waits until no hold is open on the pool.
    pub async fn nothing_is_held(&self) {
        let clock = Clock::system();
        let deadline = clock.instant() + REACHES_THE_LEDGER;
        loop {
            let held = self.client().call("GET", "/v1/teams/acme/pool", None)["held"].clone();
            if held == "0" {
                return;
            }
            assert!(clock.instant() < deadline, "{held} credits stay held");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The debits of the ledger, oldest first, once there are `count`: id, member, credits.
    pub async fn debits(&self, count: usize) -> Vec<(String, String, String)> {
        let clock = Clock::system();
        let deadline = clock.instant() + REACHES_THE_LEDGER;
        loop {
            let debits = self.ledger();
            if debits.len() >= count || clock.instant() > deadline {
                return debits;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// The whole ledger of the team, oldest first.
    pub fn entries(&self) -> Vec<Value> {
        let lines = self.client().text("/v1/teams/acme/entries", "application/x-ndjson");
        lines.lines().map(|line| serde_json::from_str(line).expect("an entry")).collect()
    }

    fn ledger(&self) -> Vec<(String, String, String)> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        self.entries()
            .iter()
            .filter(|entry| entry["kind"] == "debited")
            .map(|entry| (text(&entry["id"]), text(&entry["member"]), text(&entry["credits"])))
            .collect()
    }
}
