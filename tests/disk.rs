//! A disk that fills up under a running server: a real, small file system.

#[path = "support/client.rs"]
mod client;
#[path = "support/process.rs"]
mod process;

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::client::Client;
use crate::process::Purser;

/// Debits of one batch.
const BATCH: u64 = 500;

/// More batches than any journal on the small disk can hold.
const BATCHES_MAX: u64 = 500;

/// A small file system, unmounted when dropped.
struct Disk(PathBuf);

impl Disk {
    /// `None` where this process may mount nothing.
    fn mount(at: &Path, size: &str) -> Option<Self> {
        std::fs::create_dir(at).expect("a folder");
        let options = format!("size={size}");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "purser-test"]).arg(at).status();
        mounted.is_ok_and(|status| status.success()).then(|| Self(at.to_owned()))
    }

    /// Takes all that is left of it; what gives it back.
    fn fill(&self) -> PathBuf {
        let ballast = self.0.join("ballast");
        let mut file = File::create(&ballast).expect("a file");
        while file.write(&[0; 4096]).is_ok() {}
        ballast
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_denies_says_why_and_loses_nothing_that_was_answered() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(disk) = Disk::mount(&folder.path().join("disk"), "6m") else {
        eprintln!("SKIPPED: only root may mount the small disk that this test fills");
        return;
    };
    // The store is elsewhere, so that it is the journal that finds no room.
    let store = format!("sqlite:{}", folder.path().join("purser.db").display());
    let mut purser = Purser::start(&disk.0, "os", Some(&store));
    let client = purser.client();
    let terms =
        json!({ "owner": "olga", "seats": 1, "credits_per_seat": "1000000", "billing_anchor": "2026-01-01T00:00:00Z" });
    client.call("PUT", "/v1/subscriptions/sub_1", Some(&terms));
    client.call("PUT", "/v1/teams/acme", Some(&json!({ "owner": "olga" })));

    let ballast = disk.fill();
    let allowed = debit_until_refused(&client);
    std::fs::remove_file(ballast).expect("there is room again");
    let (denial, _) = batch(&client, BATCHES_MAX);
    assert_eq!(denial.as_deref(), Some("unavailable"), "it stays so until a restart");
    let (status, problem) = get(&client, "/readyz");
    assert!(status == 503 && problem.contains("make room on its disk, then restart"), "{status} {problem}");
    assert_eq!(get(&client, "/healthz").0, 200, "a restart alone would not help");

    purser.kill();
    let purser = Purser::start(&disk.0, "os", Some(&store));
    let client = purser.client();
    assert_eq!(get(&client, "/readyz").0, 200);
    let used = client.call("GET", "/v1/teams/acme/pool", None)["used"].as_str().map(str::parse::<u64>);
    let used = used.expect("is there").expect("whole credits");
    assert!((allowed..=allowed + BATCH).contains(&used), "{used} of {allowed} that were answered");
    assert_eq!(batch(&client, 0), (None, BATCH), "the same ids again, all of them");
    assert!(purser.stop());
}

/// How many debits were answered before one was refused.
fn debit_until_refused(client: &Client) -> u64 {
    let mut allowed = 0;
    for number in 0..BATCHES_MAX {
        let (denial, of_batch) = batch(client, number);
        allowed += of_batch;
        if let Some(denial) = denial {
            assert_eq!(denial, "unavailable");
            return allowed;
        }
    }
    panic!("{allowed} debits fit on a disk without room");
}

/// Asks for a batch of debits of one credit: why some are refused, and how many are allowed.
fn batch(client: &Client, number: u64) -> (Option<String>, u64) {
    let debit = |n: u64| json!({ "op": "debit", "id": format!("{number}-{n}"), "team": "acme", "member": "olga", "credits": 1 });
    let body = json!({ "ops": (0..BATCH).map(debit).collect::<Vec<_>>() });
    let mut connection = client.connect().expect("the server takes connections");
    let (status, text) = connection.send("POST", "/v1/batch", Some(&body)).expect("the server answers");
    let answer: Value = serde_json::from_str(&text).expect("JSON");
    if status == 503 {
        return (answer["code"].as_str().map(str::to_owned), 0);
    }
    let rows = answer["results"].as_array().unwrap_or_else(|| panic!("{status} {text}"));
    let denied = rows.iter().find_map(|row| row["denial"]["reason"].as_str());
    (denied.map(str::to_owned), rows.iter().filter(|row| row["decision"] == "allow").count() as u64)
}

fn get(client: &Client, path: &str) -> (u16, String) {
    let mut connection = client.connect().expect("the server takes connections");
    connection.send("GET", path, None).expect("the server answers")
}
