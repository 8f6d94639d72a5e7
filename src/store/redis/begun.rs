//! Who entered an operation first: a field for each draw in a hash for each day, which expires when nobody
//! remembers its operations any more. Mostly nobody has entered a draw before, so that only the function that
//! commits looks; what it meets is read when the commit is tried again.

use std::collections::BTreeMap;

use super::failure::Failure;
use super::fetch::of_value;
use super::keys::{Keys, hex};
use super::link::Link;
use crate::domain::{Operation, Timestamp};
use crate::root::begun::{Begun, Sought};
use crate::store::commit::Commit;
use crate::store::ledger::likeness;

/// One hash keeps the draws that were saved within so many milliseconds.
const DAY_MILLIS: u64 = 24 * 3_600_000;

/// For how long draws are kept that are saved now.
#[derive(Clone, Copy, Debug)]
pub struct Days {
    /// Now.
    pub now: Timestamp,
    /// How long operations are remembered.
    pub remembers_millis: u64,
}

/// What a commit looks at and writes: see `library.lua`.
#[derive(Clone, Debug, Default)]
pub struct Begins {
    /// The hashes in which nobody may have entered one of the draws before.
    pub days: Vec<String>,
    /// The draws.
    pub fields: Vec<String>,
    /// What is written of each.
    pub values: Vec<String>,
    /// What there may be of each, line by line: it has been read, and does not count against it. Mostly nothing
    /// has been read.
    pub stale: Vec<String>,
    /// How long the newest hash lives on, in milliseconds.
    pub ttl: String,
    /// Draws that were undone: this sidecar's are taken out.
    pub undone: Vec<String>,
    /// How the values of this sidecar begin.
    pub own: String,
}

/// What has been read of draws that were entered before, by field.
pub type Known = BTreeMap<String, Vec<String>>;

impl Begins {
    /// What comes of a commit. The newest hash is the first one.
    pub fn of(names: &Keys, commit: &Commit, days: Days, known: &Known) -> Self {
        let own = hex(commit.holds.sidecar);
        let since = days.now.millis().saturating_sub_unsigned(days.remembers_millis);
        let mut begins = Self {
            days: hashes(names, since, days.now),
            ttl: (2 * DAY_MILLIS).saturating_add(days.remembers_millis).to_string(),
            undone: commit.undone().map(|operation| field(&operation)).collect(),
            own,
            ..Self::default()
        };
        for (operation, entry) in commit.begun() {
            let field = field(&operation);
            begins.values.push(format!("{} {:08x} {}", begins.own, likeness(entry), entry.at.millis()));
            if !known.is_empty() {
                begins.stale.push(known.get(&field).map(|values| values.join("\n")).unwrap_or_default());
            }
            begins.fields.push(field);
        }
        begins
    }
}

/// The hashes of the days since then, the newest first.
fn hashes(names: &Keys, since: i64, now: Timestamp) -> Vec<String> {
    let day = |millis: i64| millis.div_euclid(DAY_MILLIS.cast_signed());
    (day(since).max(0)..=day(now.millis())).rev().map(|day| names.begun(day)).collect()
}

fn field(operation: &Operation) -> String {
    format!("{} {}", operation.scope, operation.id)
}

/// Reads who entered operations first; also into `known` all that there is of them.
pub async fn read(
    link: &Link,
    names: &Keys,
    sought: &Sought,
    known: &mut Known,
) -> Result<Vec<(Operation, Begun)>, Failure> {
    let fields: Vec<_> = sought.operations.iter().map(field).collect();
    let hashes = hashes(names, sought.since.millis(), sought.now);
    let mut ask = redis::pipe();
    for hash in &hashes {
        ask.cmd("HMGET").arg(hash).arg(&fields);
    }
    let mut begun = BTreeMap::new();
    for answer in link.read(&ask).await? {
        let values: Vec<Option<String>> = of_value(answer)?;
        for ((operation, field), value) in sought.operations.iter().zip(&fields).zip(values) {
            let Some(value) = value else { continue };
            let (found, at) = parse(&value).ok_or_else(|| Failure::value(field, format!("is {value:?}")))?;
            if at >= sought.since.millis() {
                begun.entry(operation.clone()).or_insert(found);
            }
            known.entry(field.clone()).or_default().push(value);
        }
    }
    Ok(begun.into_iter().collect())
}

fn parse(value: &str) -> Option<(Begun, i64)> {
    let mut words = value.split(' ');
    let sidecar = u128::from_str_radix(words.next()?, 16).ok()?;
    let likeness = u32::from_str_radix(words.next()?, 16).ok()?;
    Some((Begun { sidecar, likeness }, words.next()?.parse().ok()?))
}
