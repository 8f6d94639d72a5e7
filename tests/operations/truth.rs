//! What callers were answered, and what must have come of it once all have synced.

use std::collections::{BTreeMap, BTreeSet};

use purser::domain::{Credits, Entry, Fact, OperationId};

/// What is known of one id.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// The sidecars that allowed a draw under it.
    pub allowed_by: BTreeSet<u128>,
    /// What was asked, other content too.
    pub asked: BTreeSet<(bool, Credits)>,
    /// Settles that were accepted, by their cost.
    pub settles: BTreeSet<Credits>,
    pub released: bool,
    /// All that is left was to be given back.
    pub refunded: bool,
    /// Refunds of a part, by their ids.
    pub parts: BTreeMap<OperationId, Credits>,
}

#[derive(Debug, Default)]
pub struct Truth {
    pub known: BTreeMap<OperationId, Known>,
    /// Draws under an id that another sidecar had allowed.
    pub repeated: u64,
    /// Ends taken in by a sidecar that did not know the draw.
    pub elsewhere: u64,
}

/// What the ledger says of one id.
#[derive(Clone, Debug, Default)]
struct Entered {
    /// The sidecars that have a draw under it that has not been undone.
    by: BTreeSet<u128>,
    is_hold: bool,
    drawn: i64,
    /// Charged less refunds, and set aside.
    charged: i64,
    held: i64,
    ends: u32,
    orphans: u32,
}

fn enter(entered: &mut BTreeMap<OperationId, Entered>, sidecar: u128, entry: &Entry) {
    let of = match &entry.fact {
        Fact::Refunded { debit, .. } => debit,
        _ => &entry.id,
    };
    let known = entered.entry(of.clone()).or_default();
    for posting in &entry.postings {
        known.charged += posting.spent.micros() - posting.refunded.micros();
        known.held += posting.held.map_or(0, |set| set.credits.micros());
        known.held -= posting.unheld.map_or(0, |set| set.credits.micros());
    }
    match &entry.fact {
        Fact::Debited { credits, .. } | Fact::Held { credits, .. } => {
            known.by.insert(sidecar);
            (known.drawn, known.is_hold) = (credits.micros(), matches!(entry.fact, Fact::Held { .. }));
        }
        Fact::Voided { .. } => drop(known.by.remove(&sidecar)),
        Fact::Settled { .. } | Fact::Released { .. } => known.ends += 1,
        _ => {}
    }
}

impl Truth {
    pub fn of(&mut self, id: &OperationId) -> &mut Known {
        self.known.entry(id.clone()).or_default()
    }

    /// Checks the entries of all sidecars, none of which has anything left to say.
    pub fn check(&self, entries: &[(u128, Vec<Entry>)], orphans: &BTreeMap<OperationId, u32>) {
        let mut entered = BTreeMap::new();
        for (sidecar, entries) in entries {
            entries.iter().for_each(|entry| enter(&mut entered, *sidecar, entry));
        }
        for (id, count) in orphans {
            entered.entry(id.clone()).or_default().orphans += count;
        }
        for (id, known) in &self.known {
            let entered = entered.get(id).cloned().unwrap_or_default();
            self.check_one(id, known, &entered);
        }
    }

    fn check_one(&self, id: &OperationId, known: &Known, entered: &Entered) {
        let told = || format!("{id}: {known:?} {entered:?}");
        let is_drawn = !known.allowed_by.is_empty();
        assert_eq!(entered.by.len(), usize::from(is_drawn), "one id is one draw: {}", told());
        assert!(entered.held >= 0, "{}", told());
        if !is_drawn {
            assert_eq!((entered.charged, entered.held), (0, 0), "{}", told());
            return;
        }
        if known.asked.len() > 1 {
            // Of two that asked for other things either may be the first; it is charged at most once.
            let most = known.asked.iter().map(|(_, credits)| credits).chain(&known.settles).max().expect("some");
            assert!((0..=most.micros()).contains(&entered.charged), "{}", told());
            return;
        }
        if entered.is_hold {
            self.check_hold(known, entered, &told);
            return;
        }
        let parts: i64 = known.parts.values().map(|credits| credits.micros()).sum();
        let expected = if known.refunded { 0 } else { entered.drawn - parts };
        assert!(entered.charged >= 0 && (entered.charged == expected || entered.orphans > 0), "{}", told());
    }

    fn check_hold(&self, known: &Known, entered: &Entered, told: &dyn Fn() -> String) {
        let charged = Credits::from_micros(entered.charged).unwrap_or_else(|| panic!("{}", told()));
        let is_of_settle = known.settles.contains(&charged);
        assert!(charged.is_zero() || is_of_settle, "what is charged is what one settle said: {}", told());
        let is_ended = known.released || !known.settles.is_empty();
        assert!(!is_ended || entered.held == 0 || entered.orphans > 0, "an end that was accepted ends it: {}", told());
        if !known.released && entered.orphans == 0 {
            assert!(known.settles.is_empty() || is_of_settle, "a settle is not lost: {}", told());
        }
    }
}
