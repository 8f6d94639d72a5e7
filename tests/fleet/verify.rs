//! What was answered is in the ledger once, whichever sidecar answered it; no more was charged than there
//! was; and every sum follows from the ledger alone.

use std::collections::HashMap;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::fleet::{Fleet, micros, soon};
use crate::load::Promise;

/// Longer than entries take from a sidecar's journal to the ledger while nothing is in the way.
const FLUSH: Duration = Duration::from_millis(600);

const CREDIT: i64 = 1_000_000;

/// What there is to spend.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    pub plenty: u32,
    pub scarce: u32,
    /// Of each of the first members of the team that has plenty.
    pub limit: u32,
}

impl Terms {
    /// How many members have a limit.
    pub const LIMITED: u64 = 2;
}

/// A team's ledger.
struct Ledger(Vec<Value>);

impl Ledger {
    /// Nothing where the store went away meanwhile.
    fn read(fleet: &Fleet, team: &str) -> Option<Self> {
        let path = format!("/v1/teams/{team}/entries");
        let (status, text) = fleet.client(0).try_text(&path, "application/x-ndjson").ok()?;
        let lines = || text.lines().map(|line| serde_json::from_str(line).expect("an entry")).collect();
        (status == 200).then(|| Self(lines()))
    }

    /// Which promises it lacks; none of the others is in it twice or otherwise.
    fn lacks<'a>(&self, promises: &'a [Promise], team: &str) -> Vec<&'a Promise> {
        let mut found: HashMap<(&str, &str), Vec<&Value>> = HashMap::new();
        for entry in &self.0 {
            if let (Some(id), Some(kind)) = (entry["id"].as_str(), entry["kind"].as_str()) {
                found.entry((id, kind)).or_default().push(entry);
            }
        }
        let mut lacking = Vec::new();
        for promise in promises.iter().filter(|promise| promise.team == team) {
            match found.get(&(promise.id.as_str(), promise.kind)).map(Vec::as_slice) {
                None => lacking.push(promise),
                Some([entry]) => assert_eq!(entry["credits"], promise.credits.as_str(), "{promise:?}"),
                Some(several) => panic!("{promise:?} is {} times in the ledger: {several:?}", several.len()),
            }
        }
        lacking
    }

    /// Micro-credits that are spent or held, but for what settles took above their holds.
    fn drawn(&self, member: Option<&str>) -> i64 {
        let is_of = |entry: &&Value| entry["window"].is_string() && member.is_none_or(|name| entry["member"] == name);
        let moves = |entry: &Value| {
            let [spent, refunded, held, unheld] = ["spent", "refunded", "held", "unheld"].map(|n| micros(&entry[n]));
            let above = if entry["kind"] == "settled" { (spent - unheld).max(0) } else { 0 };
            spent - above - refunded + held - unheld
        };
        self.0.iter().filter(is_of).map(moves).sum()
    }
}

/// Waits until all that was answered has come into the ledger, but for at most `lost_max` operations;
/// answers how many. Fails if more was drawn than there was.
pub fn books(fleet: &Fleet, promises: &[Promise], terms: &Terms, lost_max: usize) -> usize {
    std::thread::sleep(FLUSH);
    let plenty = team(fleet, promises, "acme", lost_max);
    let poor = team(fleet, promises, "poor", lost_max);
    for (ledger, lacking, granted) in [(&plenty.0, &plenty.1, terms.plenty), (&poor.0, &poor.1, terms.scarce)] {
        within(ledger.drawn(None) + debited(lacking), granted, "the pool");
    }
    for member in (0..Terms::LIMITED).map(|member| format!("m{member}")) {
        within(plenty.0.drawn(Some(&member)), terms.limit, &format!("the limit of {member}"));
    }
    plenty.1.len() + poor.1.len()
}

fn team<'a>(fleet: &Fleet, promises: &'a [Promise], team: &str, lost_max: usize) -> (Ledger, Vec<&'a Promise>) {
    let mut seen = None;
    soon(|| {
        let Some(ledger) = Ledger::read(fleet, team) else { return false };
        let lacking = ledger.lacks(promises, team);
        let is_done = lacking.len() <= lost_max;
        seen = Some((ledger, lacking));
        is_done
    });
    let (ledger, lacking) = seen.expect("it was read");
    assert!(lacking.len() <= lost_max, "{} are not in the ledger of {team}: {:?}", lacking.len(), lacking.first());
    (ledger, lacking)
}

/// Micro-credits that lost operations charged.
fn debited(lacking: &[&Promise]) -> i64 {
    let debits = lacking.iter().filter(|promise| promise.kind == "debited");
    debits.map(|promise| micros(&Value::from(promise.credits.as_str()))).sum()
}

fn within(drawn: i64, granted: u32, what: &str) {
    assert!(drawn <= i64::from(granted) * CREDIT, "overspent: {drawn} micro-credits of {granted} credits of {what}");
}

/// What was granted to the poor team is spent, held, in suspense or left.
pub fn all_is_accounted_for(fleet: &Fleet, terms: &Terms) {
    let mut pool = Value::Null;
    let adds_up = soon(|| {
        pool = fleet.pool("poor");
        let [used, held, left, suspense] = ["used", "held", "remaining", "suspense"].map(|name| micros(&pool[name]));
        used + held + left + suspense == i64::from(terms.scarce) * CREDIT
    });
    assert!(adds_up.is_some(), "{} credits were granted: {pool}", terms.scarce);
}

/// `purser reconcile` recomputes every sum from the ledger and finds no difference.
pub fn reconciles(fleet: &Fleet) {
    let mut said = String::new();
    let is_done = soon(|| {
        let mut reconcile = Command::new(env!("CARGO_BIN_EXE_purser"));
        let output = reconcile.args(["reconcile", "--url", &fleet.purser(0).url()]).output().expect("purser runs");
        said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        // Only where the store has not been asked it may be asked again.
        assert!(output.status.success() || said.contains("unavailable"), "{said}");
        output.status.success()
    });
    assert!(is_done.is_some(), "{said}");
}
