//! Open holds as a store keeps them, and what a batch of entries does to them in the end. Whether a
//! hold has expired is not decided here: it is open until its end has been entered.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::ids::Model;
use crate::domain::{Credits, Drawer, Entry, Fact, Operation, OperationId, RateVersion, Scope, Set, Timestamp};
use crate::root::abandoned::Abandoned;

/// A hold whose end has not been entered: all that an engine needs to go on with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// The sidecar that gave it, or [`SOLE`](crate::root::SOLE).
    pub sidecar: u128,
    /// The caller's id of it.
    pub id: OperationId,
    /// Who draws, and on what.
    pub drawer: Drawer,
    /// The start of the window in which it is set aside.
    pub window: Timestamp,
    /// What is set aside.
    pub credits: Credits,
    /// From when on it counts as returned.
    pub expires_at: Timestamp,
    /// The model, where one was named.
    pub model: Option<Model>,
    /// The version of the rate card that prices its settle.
    pub rates: Option<RateVersion>,
    /// Fingerprint of the request.
    pub content: u64,
    /// When it was given.
    pub held_at: Timestamp,
}

impl Hold {
    /// As the root sees it.
    pub fn abandoned(&self) -> Abandoned {
        let operation = Operation { scope: Scope::of(&self.drawer), id: self.id.clone() };
        let set = Set { credits: self.credits, expires_at: self.expires_at };
        Abandoned { sidecar: self.sidecar, operation, drawer: self.drawer.clone(), window: self.window, set }
    }
}

/// Within what an operation's id is unique, and that id: among the holds of one sidecar.
pub type HoldKey = (String, OperationId);

/// The name of the scope of an operation's id: `team:ID`, or `user:ID` where no team is named.
pub fn scope(drawer: &Drawer) -> String {
    match &drawer.team {
        Some(team) => format!("team:{team}"),
        None => format!("user:{}", drawer.member),
    }
}

/// What becomes of holds by a batch of entries. A hold that begins and ends within the batch leaves
/// no trace.
#[derive(Clone, Debug, Default)]
pub struct HoldChanges {
    /// Whose holds they are.
    pub sidecar: u128,
    /// Holds from before the batch that have ended. They go before others are opened.
    pub ended: BTreeSet<HoldKey>,
    /// Holds that are open.
    pub opened: BTreeMap<HoldKey, Hold>,
    /// New expiries of holds from before the batch.
    pub extended: BTreeMap<HoldKey, Timestamp>,
}

impl HoldChanges {
    /// Takes the next entry. Fails where a hold sets nothing aside.
    pub fn take(&mut self, entry: &Entry) -> Result<(), &'static str> {
        let key = || (scope(&entry.drawer), entry.id.clone());
        match &entry.fact {
            Fact::Held { credits, expires_at, model, content } => {
                let posting = entry.postings.first().ok_or("a hold moves a window")?;
                let hold = Hold {
                    sidecar: self.sidecar,
                    id: entry.id.clone(),
                    drawer: entry.drawer.clone(),
                    window: posting.window,
                    credits: *credits,
                    expires_at: *expires_at,
                    model: model.clone(),
                    rates: entry.rates,
                    content: *content,
                    held_at: entry.at,
                };
                self.opened.insert(key(), hold);
            }
            Fact::Extended { expires_at } => self.extend(key(), *expires_at),
            Fact::Settled { .. } | Fact::Released { .. } | Fact::Expired { .. } => self.end(key()),
            // Undone is a hold only where it sets nothing aside any more.
            Fact::Voided { .. } if entry.postings.iter().any(|posting| posting.unheld.is_some()) => self.end(key()),
            Fact::Debited { .. } | Fact::Refunded { .. } | Fact::Voided { .. } | Fact::EndAsked { .. } => {}
        }
        Ok(())
    }

    fn extend(&mut self, key: HoldKey, expires_at: Timestamp) {
        match self.opened.get_mut(&key) {
            Some(hold) => hold.expires_at = expires_at,
            None => drop(self.extended.insert(key, expires_at)),
        }
    }

    fn end(&mut self, key: HoldKey) {
        self.extended.remove(&key);
        if self.opened.remove(&key).is_none() {
            self.ended.insert(key);
        }
    }
}
