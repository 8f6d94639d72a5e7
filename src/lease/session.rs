//! One incarnation's conversation with the root: numbers its syncs, and says which answers to believe
//! and for how long they let it spend.

use crate::root::{Shared, Shares};

/// How long after its last confirmed sync a sidecar goes on spending. Time stops spending, it never
/// refunds: what it holds stays charged.
pub const LEASE_TTL_MILLIS: u64 = 600_000;

/// A conversation. Instants are milliseconds of a clock that only goes forward.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Session {
    beat: u64,
    believed: u64,
    /// When the sync was sent that was last confirmed.
    confirmed_at: Option<u64>,
    sent_at: u64,
    generation: u64,
    told: Option<u64>,
    tells: bool,
    /// The store may have forgotten what control changed since it was last followed.
    has_forgotten: bool,
    /// The newest change of control that has been taken over.
    pub config: u64,
}

impl Session {
    /// A conversation of a run that has loaded a store of this generation and followed its control up to
    /// the change `config`.
    pub fn new(generation: u64, config: u64) -> Self {
        Self { generation, config, ..Self::default() }
    }

    /// Whether control is to be followed from its first change on: what the store now says counts, however
    /// it numbers it. Once for each time that the store may have forgotten.
    pub fn follows_anew(&mut self) -> bool {
        let anew = std::mem::take(&mut self.has_forgotten);
        if anew {
            self.config = 0;
        }
        anew
    }

    /// The store knows nothing of this run any more: all is told it again, and its control followed anew.
    pub fn forgotten(&mut self) {
        (self.told, self.config, self.has_forgotten) = (None, 0, true);
    }

    /// Begins the next sync at the instant `sent_at`; the caller fills in what it holds and wants. One
    /// is in flight at a time: the answer of an earlier one is not believed any more.
    pub fn begin(&mut self, host: &str, sent_at: u64) -> Shares {
        self.beat += 1;
        self.sent_at = sent_at;
        self.tells = self.told.is_none_or(|told| told < self.generation);
        let (beat, generation, config) = (self.beat, self.generation, self.config);
        Shares { host: host.to_owned(), beat, generation, config, tells_all: self.tells, ..Shares::default() }
    }

    /// A message within the sync that was begun: its answer changes no lease.
    pub fn within(&self, host: &str) -> Shares {
        let (beat, generation, config) = (self.beat, self.generation, self.config);
        Shares { host: host.to_owned(), beat: beat.saturating_sub(1), generation, config, ..Shares::default() }
    }

    /// Whether to take an answer over: it is the newest sync's, the first of its kind, and from no
    /// earlier state of the store than one that was seen.
    pub fn believes(&mut self, answer: &Shared) -> bool {
        #[cfg(feature = "faults")]
        if crate::root::faults::has(crate::root::faults::Fault::GrantsAsDeltas) {
            return true;
        }
        #[cfg(feature = "faults")]
        let is_stale =
            !crate::root::faults::has(crate::root::faults::Fault::StaleStore) && answer.generation < self.generation;
        #[cfg(not(feature = "faults"))]
        let is_stale = answer.generation < self.generation;
        if answer.beat != self.beat || answer.beat <= self.believed || is_stale {
            return false;
        }
        self.believed = answer.beat;
        self.confirmed_at = Some(self.sent_at);
        let asks_again = answer.asks_all && self.told == Some(self.generation);
        self.has_forgotten |= answer.generation > self.generation || asks_again;
        if answer.asks_all {
            self.told = None;
        } else if self.tells && answer.generation == self.generation {
            self.told = Some(self.generation);
        }
        self.generation = self.generation.max(answer.generation);
        true
    }

    /// Whether the root has to be told everything with the next sync.
    pub fn owes_all(&self) -> bool {
        self.told.is_none_or(|told| told < self.generation)
    }

    /// Goes on spending without a confirmed sync.
    #[cfg(feature = "faults")]
    pub fn resume(&mut self, at: u64) {
        self.confirmed_at = Some(at);
    }

    /// Whether what is held may be spent at the instant `at`.
    pub fn may_spend(&self, at: u64) -> bool {
        self.confirmed_at.is_some_and(|confirmed| at.saturating_sub(confirmed) < LEASE_TTL_MILLIS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(beat: u64, generation: u64) -> Shared {
        Shared { beat, generation, ..Shared::default() }
    }

    #[test]
    fn a_store_that_knows_nothing_of_this_run_is_told_all_and_followed_anew() {
        let mut session = Session::new(1, 500);
        session.begin("a", 0);
        assert!(session.believes(&answer(1, 1)));
        session.forgotten();
        let shares = session.begin("a", 100);
        assert_eq!((shares.tells_all, shares.config), (true, 0), "what it follows is another numbering");
        assert!(session.believes(&answer(2, 1)) && session.follows_anew() && !session.follows_anew());
    }

    #[test]
    fn only_the_newest_answer_of_the_newest_store_is_believed() {
        let mut session = Session::default();
        assert!(!session.may_spend(0), "nothing has been confirmed");
        let first = session.begin("a", 100);
        assert!(first.tells_all);
        session.begin("a", 200);
        assert!(!session.believes(&answer(1, 0)), "a later sync is under way");
        assert!(session.believes(&answer(2, 3)));
        assert!(!session.believes(&answer(2, 3)), "once");
        assert!(session.owes_all(), "a new generation wants to know all");
        assert!(session.begin("a", 300).tells_all);
        assert!(!session.believes(&answer(3, 2)), "an earlier state of the store");
        session.begin("a", 400);
        assert!(session.believes(&answer(4, 3)) && !session.owes_all());
        assert!(session.may_spend(400 + LEASE_TTL_MILLIS - 1) && !session.may_spend(400 + LEASE_TTL_MILLIS));
    }
}
