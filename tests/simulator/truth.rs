//! What really happened, whoever knows of it: every draw that was allowed, by a process that is fenced,
//! dead or forgotten too. Nothing here is rolled back.

use std::collections::{BTreeMap, BTreeSet};

use purser::domain::{OperationId, Timestamp};
use purser::root::{Change, Grant, GrantKind, Subscription};

/// Micro-credits.
pub type Micros = i64;

/// Where a grant comes from: its kind, origin and purchase.
type Source = (GrantKind, i64, String);

/// A draw that was allowed.
struct Draw {
    window: Timestamp,
    user: &'static str,
    credits: Micros,
    is_open: bool,
}

#[derive(Default)]
pub struct Truth {
    draws: BTreeMap<OperationId, Draw>,
    refunded: BTreeSet<OperationId>,
    pub taken: BTreeMap<Timestamp, Micros>,
    pub member: BTreeMap<(&'static str, Timestamp), Micros>,
    /// Settled above what was set aside: declared, and debt where it was not there.
    pub owed: Micros,
    /// A hold's second end was above what it had set aside.
    pub is_declared: bool,
    /// What operators gave back without knowing.
    pub forgiven: Micros,
    /// Everything that ever came in: by kind and origin or purchase, with when it expires.
    grants: BTreeMap<Source, (Micros, Timestamp, Option<Timestamp>)>,
    /// The highest limit that a member ever had.
    pub caps: BTreeMap<&'static str, Micros>,
    pub allowed: u64,
    /// Draws that a crash took from the journal, or that a fenced process made.
    pub is_lossy: bool,
    /// The store has forgotten what it had confirmed.
    pub is_rolled_back: bool,
    /// Drawn in entries that a crash took from a journal.
    pub cut: Micros,
}

impl Truth {
    pub fn drew(&mut self, id: OperationId, user: &'static str, window: Timestamp, credits: Micros, is_hold: bool) {
        self.allowed += 1;
        self.add(user, window, credits);
        let known = self.draws.insert(id, Draw { window, user, credits, is_open: is_hold });
        assert!(known.is_none(), "an id is used once");
    }

    /// A crash took an entry from the journal.
    pub fn cut(&mut self, id: &OperationId) {
        self.cut += self.draws.get(id).map_or(0, |draw| draw.credits);
    }

    /// What may be allowed above all that came in: what was settled above a hold, what operators gave back, and what
    /// both a journal and a store that fell back have forgotten, so that nobody can tell of it.
    pub fn beyond(&self) -> Micros {
        self.owed + self.forgiven + if self.is_rolled_back { self.cut } else { 0 }
    }

    fn add(&mut self, user: &'static str, window: Timestamp, credits: Micros) {
        *self.taken.entry(window).or_default() += credits;
        *self.member.entry((user, window)).or_default() += credits;
    }

    /// A hold ended with this cost; what two processes tell of one hold counts once.
    pub fn ended(&mut self, id: &OperationId, cost: Micros, current: Timestamp) {
        let draw = self.draws.get_mut(id).expect("a hold was allowed");
        if !std::mem::take(&mut draw.is_open) {
            // A crash took its first end, and the second one declares what is above it all the same.
            self.is_declared |= cost > draw.credits;
            return;
        }
        let (user, window, credits) = (draw.user, draw.window, draw.credits);
        self.add(user, window, cost.min(credits) - credits);
        if cost > credits {
            self.add(user, current, cost - credits);
            self.owed += cost - credits;
        }
    }

    pub fn refunded(&mut self, id: &OperationId) {
        let draw = &self.draws[id];
        if self.refunded.insert(id.clone()) {
            let (user, window, credits) = (draw.user, draw.window, draw.credits);
            self.add(user, window, -credits);
        }
    }

    /// Notes what came in. What rolled over from a window that went by unseen counts as new.
    pub fn came_in(&mut self, changes: &[Change], subscription: Option<&Subscription>) {
        for grant in subscription.iter().flat_map(|subscription| &subscription.grants) {
            self.note(grant);
        }
        assert!(changes.len() < 100, "few things come in at once");
    }

    fn note(&mut self, grant: &Grant) {
        // A purchase that is made again of a store that has forgotten it is still the same.
        let origin = if grant.kind == GrantKind::Purchased { 0 } else { grant.origin.millis() };
        let key = (grant.kind, origin, grant.purchase.clone());
        let known = self.grants.entry(key).or_insert((0, grant.origin, grant.expires_at));
        known.0 = known.0.max(grant.credits.micros());
    }

    fn is_new(&self, (kind, origin, _): &Source) -> bool {
        *kind != GrantKind::Rollover || !self.grants.contains_key(&(GrantKind::Monthly, *origin, String::new()))
    }

    /// All that came in, over all windows.
    pub fn all(&self) -> Micros {
        self.grants.iter().filter(|(key, _)| self.is_new(key)).map(|(_, (credits, ..))| credits).sum()
    }

    /// All that could be spent in one window.
    pub fn of_window(&self, start: Timestamp, end: Timestamp) -> Micros {
        let lives = |(_, origin, expires): &&(Micros, Timestamp, Option<Timestamp>)| {
            *origin < end && expires.is_none_or(|at| at > start)
        };
        self.grants.values().filter(lives).map(|(credits, ..)| credits).sum()
    }
}
