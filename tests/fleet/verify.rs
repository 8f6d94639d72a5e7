//! What was answered is in the ledger once, whichever sidecar answered it, and no more was charged than
//! there was.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::Value;

use crate::fleet::Fleet;
use crate::load::Promise;

/// How long entries may take from a sidecar's journal to the ledger.
const FLUSH: Duration = Duration::from_millis(2_500);

pub fn nothing_is_lost(fleet: &Fleet, promises: &[Promise]) {
    std::thread::sleep(FLUSH);
    let text = fleet.client(0).text("/v1/teams/acme/entries", "application/x-ndjson");
    let ledger: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("an entry")).collect();
    let mut found: HashMap<(&str, &str), Vec<&Value>> = HashMap::new();
    for entry in &ledger {
        if let (Some(id), Some(kind)) = (entry["id"].as_str(), entry["kind"].as_str()) {
            found.entry((id, kind)).or_default().push(entry);
        }
    }
    for promise in promises {
        match found.get(&(promise.id.as_str(), promise.kind)).map(Vec::as_slice) {
            Some([entry]) => assert_eq!(entry["credits"], promise.credits.as_str(), "{promise:?}"),
            found => panic!("{promise:?} is {} times in the ledger", found.map_or(0, <[_]>::len)),
        }
    }
}
