//! After a kill: what was answered is in the ledger once and is answered again, and every balance
//! follows from the ledger alone.

use std::collections::HashMap;

use serde_json::Value;

use crate::client::Client;
use crate::load::{MEMBERS, Promise};

/// Promises of each cycle that are asked again.
const ASKED_AGAIN: usize = 20;

/// How many promises were lost. Everything else that is wrong fails the test.
pub fn after_a_kill(client: &Client, cycle: u64, promises: &[Promise]) -> usize {
    let ledger = entries(client);
    let mut found: HashMap<(&str, &str), Vec<&Value>> = HashMap::new();
    for entry in &ledger {
        if let (Some(id), Some(kind)) = (entry["id"].as_str(), entry["kind"].as_str()) {
            found.entry((id, kind)).or_default().push(entry);
        }
    }
    let mut lost = 0;
    for promise in promises {
        match found.get(&(promise.id.as_str(), promise.kind)).map(Vec::as_slice) {
            None => lost += 1,
            Some([entry]) => assert_eq!(entry["credits"], promise.credits.as_str(), "cycle {cycle}: {promise:?}"),
            Some(several) => panic!("cycle {cycle}: {promise:?} is {} times in the ledger", several.len()),
        }
    }
    if lost == 0 {
        promises.iter().rev().take(ASKED_AGAIN).for_each(|promise| replays(client, promise));
    }
    audit(client, &entries(client));
    lost
}

fn entries(client: &Client) -> Vec<Value> {
    let text = client.text("/v1/teams/acme/entries", "application/x-ndjson");
    text.lines().map(|line| serde_json::from_str(line).expect("a line is an entry")).collect()
}

/// The same request is answered as before.
fn replays(client: &Client, promise: &Promise) {
    let answer = client.call("POST", &promise.path, Some(&promise.body));
    assert_eq!(answer["replayed"], true, "{promise:?} is answered anew: {answer}");
}

/// Members' used and the pool's used and held follow from the ledger alone.
fn audit(client: &Client, ledger: &[Value]) {
    let (mut used, mut held): (HashMap<&str, i64>, i64) = (HashMap::new(), 0);
    for entry in ledger.iter().filter(|entry| entry["window"].is_string()) {
        let member = entry["member"].as_str().expect("an entry that moves credits is of a member");
        let charged = micros(&entry["spent"]) + micros(&entry["above"]);
        *used.entry(member).or_default() += charged - micros(&entry["refunded"]);
        held += micros(&entry["held"]) - micros(&entry["unheld"]);
    }
    let mut total = 0;
    for member in (0..MEMBERS).map(|member| format!("m{member}")) {
        let balance = client.call("GET", &format!("/v1/teams/acme/members/{member}/balance"), None);
        let of_ledger = used.get(member.as_str()).copied().unwrap_or(0);
        assert_eq!(micros(&balance["used"]), of_ledger, "used of {member}: {balance}");
        total += of_ledger;
    }
    let pool = client.call("GET", "/v1/teams/acme/pool", None);
    assert_eq!(micros(&pool["used"]), total, "{pool}");
    assert!(micros(&pool["held"]) <= held, "open holds are in the ledger: {pool}");
    assert!(total + micros(&pool["held"]) <= micros(&pool["total"]), "never overspent: {pool}");
}

fn micros(credits: &Value) -> i64 {
    let Some(text) = credits.as_str() else { return 0 };
    text.parse::<purser::domain::Credits>().expect("credits are decimals").micros()
}
