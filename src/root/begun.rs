//! One operation id, one draw: which sidecar entered it first. Only where many share; a store that
//! serves one has nobody to compare with. See docs/decisions/0011-one-operation.md.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::rows::Key;
use super::share::Shares;
use super::sync::Request;
use crate::domain::{Credits, Entry, Fact, Operation, Scope, Timestamp};

/// Who entered an operation first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Begun {
    /// The sidecar.
    pub sidecar: u128,
    /// What was asked, as [`likeness`] tells it.
    pub likeness: u32,
}

/// The operations that a rule asks about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sought {
    /// Older entries do not count any more.
    pub since: Timestamp,
    /// None is later.
    pub now: Timestamp,
    /// They are draws that the asker is about to enter: a store may find out as late as it saves them that
    /// another sidecar has entered one.
    pub are_entered: bool,
    /// By scope and id, in any order.
    pub operations: Vec<Operation>,
}

/// The draws of a sync's batch; `None`: there are none.
pub fn draws(request: &Request, now: Timestamp) -> Option<Key> {
    let remembers = request.shares.as_ref()?.remembers_millis;
    let entries = request.batch.entries.iter().filter(|entry| entry.fact.begins_draw());
    let operations: Vec<_> = entries.map(operation).collect();
    of(remembers, operations, true, now)
}

/// The key of operations that a sidecar remembers for so long; `None` where there are none.
pub fn of(remembers_millis: u64, operations: Vec<Operation>, are_entered: bool, now: Timestamp) -> Option<Key> {
    if operations.is_empty() || remembers_millis == 0 {
        return None;
    }
    let since = Timestamp::from_millis(now.millis().saturating_sub_unsigned(remembers_millis));
    let since = since.unwrap_or(Timestamp::MIN);
    Some(Key::Begun(Arc::new(Sought { since, now, are_entered, operations })))
}

/// The operation that an entry names.
pub fn operation(entry: &Entry) -> Operation {
    Operation { scope: Scope::of(&entry.drawer), id: entry.id.clone() }
}

/// Draws among new entries whose id another sidecar has entered before, by their place, and whether that
/// one was asked otherwise. One that the batch itself undoes is none.
pub(super) fn contested(
    sidecar: u128,
    new: &[Entry],
    begun: &BTreeMap<Operation, Begun>,
    shares: &Shares,
) -> Vec<(usize, bool)> {
    if begun.is_empty() || shares.remembers_millis == 0 {
        return Vec::new();
    }
    let undone = new.iter().filter(|entry| matches!(entry.fact, Fact::Voided { .. }));
    let undone: BTreeSet<_> = undone.map(operation).collect();
    let mut contested = Vec::new();
    for (at, entry) in new.iter().enumerate().filter(|(_, entry)| entry.fact.begins_draw()) {
        let operation = operation(entry);
        if let Some(first) = begun.get(&operation)
            && first.sidecar != sidecar
            && !undone.contains(&operation)
        {
            contested.push((at, likeness_of(entry) != Some(first.likeness)));
        }
    }
    contested
}

/// What of a draw tells it from another one under the same id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// A debit of so much.
    Debit(Credits),
    /// A hold for so many milliseconds; it may have been granted less than was asked.
    Hold(u64),
}

/// A short fingerprint of a draw, from what the ledger has of it.
pub fn likeness(member: &str, model: Option<&str>, asked: Asked) -> u32 {
    let (kind, number) = match asked {
        Asked::Debit(credits) => (b'd', credits.micros().unsigned_abs()),
        Asked::Hold(millis) => (b'h', millis),
    };
    let texts = member.bytes().chain([0]).chain(model.unwrap_or_default().bytes()).chain([kind]);
    // FNV-1a: it only has to tell mistakes of callers apart, and to be the same everywhere.
    let step = |hash: u32, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    texts.chain(number.to_le_bytes()).fold(0x811c_9dc5, step)
}

/// The likeness of an entry that begins a draw.
pub fn likeness_of(entry: &Entry) -> Option<u32> {
    let (model, asked) = match &entry.fact {
        // Another version of the rate card may price the same usage otherwise.
        Fact::Debited { model, .. } if entry.rates.is_some() => (model, Asked::Debit(Credits::ZERO)),
        Fact::Debited { credits, model, .. } => (model, Asked::Debit(*credits)),
        Fact::Held { expires_at, model, .. } => (model, Asked::Hold(expires_at.millis_since(entry.at))),
        _ => return None,
    };
    Some(likeness(entry.drawer.member.as_str(), model.as_ref().map(|model| model.as_str()), asked))
}
