//! Reads the rows that a rule asks for, with the versions under which they may be written again.

use std::collections::BTreeMap;

use redis::Value;

use super::begun::Known;
use super::failure::Failure;
use super::keys::{Keys, Slot};
use super::library::{self, Fence};
use super::link::Link;
use super::rows::{Json, after_word, hold_of};
use crate::domain::{Member, SubscriptionId, Team};
use crate::root::rows::Purchase;
use crate::root::{Key, MemberFunds, Pending, Root, Row, Rows, Sharing, Sidecar, Subscription};

/// What has been read for a rule.
#[derive(Debug)]
pub struct Read {
    /// The rows.
    pub rows: Rows,
    /// The fence under which all of them were read.
    pub fence: String,
    /// The version of each row; empty where there is none.
    pub versions: BTreeMap<Slot, String>,
    /// How many rows there are in hashes of which all were read.
    pub counts: BTreeMap<String, u64>,
    /// The version of each row of what sidecars have yet to enter.
    pub pending: BTreeMap<Slot, String>,
    /// What there is of operations that were looked up.
    pub begun: Known,
    /// What was asked for, in order.
    pub keys: Vec<Key>,
    /// In how many goes it was read: more than one are not of one instant.
    pub goes: u32,
    /// Whose turn it is to write a row that others should leave alone, and which row.
    pub turn: Option<String>,
}

impl Read {
    /// Nothing yet, of a store with this fence.
    pub fn new(fence: String) -> Self {
        let rows = Rows::of(Sharing::Many);
        let (versions, counts, pending, begun) = Default::default();
        Self { rows, fence, versions, counts, pending, begun, keys: Vec::new(), goes: 0, turn: None }
    }

    fn take_all(&mut self, key: &Key, hash: String, answer: Value) -> Result<Vec<Row>, Failure> {
        let found = of_value::<BTreeMap<String, String>>(answer)?;
        self.counts.insert(hash.clone(), found.len() as u64);
        let mut read = |(field, value)| self.take_one(key, Slot { key: hash.clone(), field }, Some(value));
        found.into_iter().filter_map(|found| read(found).transpose()).collect()
    }

    /// Others may add to them meanwhile: only what is taken out is compared, when it is.
    fn take_pending(&mut self, key: &Key, hash: &str, answer: Value) -> Result<Vec<Row>, Failure> {
        let found = of_value::<BTreeMap<String, String>>(answer)?;
        let mut rows = Vec::with_capacity(found.len());
        for (field, value) in found {
            let place = format!("{hash} {field}");
            let (version, json) = after_word(&value, &place)?;
            rows.push(row(key, json, &place)?);
            self.pending.insert(Slot { key: hash.to_owned(), field }, version.to_owned());
        }
        Ok(rows)
    }

    fn take_one(&mut self, key: &Key, slot: Slot, value: Option<String>) -> Result<Option<Row>, Failure> {
        let Some(value) = value else {
            self.versions.insert(slot, String::new());
            return Ok(None);
        };
        let place = format!("{} {}", slot.key, slot.field);
        let (version, json) = after_word(&value, &place)?;
        self.versions.insert(slot, version.to_owned());
        if let Key::Hold(..) = key {
            // What stands before it is its expiry; whoever changes or ends it changes that.
            return Ok(Some(Row::Hold(Box::new(hold_of(&value, &place)?.abandoned()))));
        }
        row(key, json, &place).map(Some)
    }
}

fn row(key: &Key, json: &str, place: &str) -> Result<Row, Failure> {
    Ok(match key {
        Key::Sidecar(_) | Key::Sidecars => Row::Sidecar(Sidecar::of_json(json, place)?),
        Key::Root => Row::Root(Root::of_json(json, place)?),
        Key::Subscription(_) => Row::Subscription(Box::new(Subscription::of_json(json, place)?)),
        Key::Owned(user) => {
            let id = SubscriptionId::new(json).map_err(|error| Failure::value(place, error.to_string()))?;
            Row::Owned(user.clone(), id)
        }
        Key::Purchase(..) => Row::Purchase(Purchase::of_json(json, place)?),
        Key::Team(_) => Row::Team(Team::of_json(json, place)?),
        Key::Member(team, _) | Key::Members(team) => Row::Member(team.clone(), Member::of_json(json, place)?),
        Key::MemberFunds(..) => Row::MemberFunds(Box::new(MemberFunds::of_json(json, place)?)),
        Key::Pending(_) => Row::Pending(Box::new(Pending::of_json(json, place)?)),
        Key::Begun(_) | Key::Hold(..) => return Err(Failure::value(place, "is no row")),
    })
}

/// What came of reading.
#[derive(Debug)]
pub enum Fetched {
    /// The rows of all keys.
    Rows(Box<Read>),
    /// The store is another than when the first rows were read, or is not known.
    Not(Fence),
}

/// Reads the rows of more keys, in one go. `read` is `None` before the first.
pub async fn fetch(link: &Link, names: &Keys, read: Option<Box<Read>>, keys: Vec<Key>) -> Result<Fetched, Failure> {
    let mut commands = redis::pipe();
    commands.add_command(library::ask_fence(&names.meta()));
    commands.cmd("GET").arg(names.turn());
    let mut hashes: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for key in &keys {
        match names.slot(key) {
            Some(slot) => hashes.entry(slot.key).or_default().push(slot.field),
            None => drop(commands.cmd("HGETALL").arg(whole(names, key))),
        }
    }
    for (hash, fields) in &hashes {
        commands.cmd("HMGET").arg(hash).arg(fields);
    }
    let mut answers = link.read(&commands).await?;
    let parts = answers.split_off(answers.len().saturating_sub(hashes.len()));
    let mut wholes = answers.into_iter();
    let fence = library::fence(wholes.next().unwrap_or(Value::Nil))?;
    let mut read = match (fence, read) {
        (Fence::Known(fence), None) => Box::new(Read::new(fence)),
        (Fence::Known(fence), Some(read)) if read.fence == fence => read,
        (fence, _) => return Ok(Fetched::Not(fence)),
    };
    read.turn = of_value(wholes.next().unwrap_or(Value::Nil))?;
    let mut found = BTreeMap::new();
    for (hash, answer) in hashes.into_keys().zip(parts) {
        found.insert(hash, of_value::<Vec<Option<String>>>(answer)?.into_iter());
    }
    for key in keys {
        let rows = match names.slot(&key) {
            Some(slot) => {
                let value = found.get_mut(&slot.key).and_then(Iterator::next).flatten();
                read.take_one(&key, slot, value)?.into_iter().collect()
            }
            None => {
                let (hash, answer) = (whole(names, &key), wholes.next().unwrap_or(Value::Nil));
                match key {
                    Key::Pending(_) => read.take_pending(&key, &hash, answer)?,
                    _ => read.take_all(&key, hash, answer)?,
                }
            }
        };
        read.rows.load(key.clone(), rows);
        read.keys.push(key);
    }
    read.goes += 1;
    Ok(Fetched::Rows(read))
}

/// The hash of which a key means all rows.
fn whole(names: &Keys, key: &Key) -> String {
    match key {
        Key::Members(team) => names.members(team),
        Key::Pending(owner) => names.pending(*owner),
        _ => names.sidecars(),
    }
}

/// Reads a row that no rule asked for.
pub fn loose<T: Json>(value: &str, place: &str) -> Result<T, Failure> {
    let (_, json) = after_word(value, place)?;
    T::of_json(json, place)
}

/// Reads an answer of Redis.
pub fn of_value<T: redis::FromRedisValue>(answer: Value) -> Result<T, Failure> {
    redis::from_redis_value(answer).map_err(|error| Failure::Redis(error.into()))
}
