//! First answers by operation id, and the holds that are open, of one team or one user.
//!
//! Ids are kept as keyed 128-bit hashes. An operation is remembered for a time and for a number of
//! entries, whichever is shorter (I6); a hold that is open is always known.

use std::collections::{BTreeSet, HashMap, VecDeque};

use super::elsewhere::{Elsewhere, above};
use crate::domain::{Credits, Entry, Fact, Hold, OperationId, Set, Timestamp};

/// An operation id as a keyed hash.
pub type Key = u128;

/// How a hold ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// With its real cost.
    Settled {
        /// The real cost.
        charged: Credits,
        /// What was not needed.
        returned: Credits,
        /// What the payer could not cover.
        debt: Credits,
        /// At or after its expiry.
        late: bool,
    },
    /// Cancelled.
    Released {
        /// What was set aside.
        returned: Credits,
    },
    /// Run out.
    Expired,
}

/// What is known of an operation.
#[derive(Clone, Debug)]
pub enum Kind {
    /// A debit.
    Debit {
        /// The start of the window that it was drawn in.
        window: Timestamp,
        /// What was charged.
        credits: Credits,
        /// What was given back of it, once something was.
        refunds: Option<Box<Refunds>>,
    },
    /// A hold.
    Hold(Box<HoldKnown>),
    /// A refund with its own id.
    Refund {
        /// What it gave back.
        credits: Credits,
        /// It was only asked for, of what another sidecar has.
        is_asked: bool,
    },
    /// A draw that another sidecar has.
    Elsewhere(Box<Elsewhere>),
}

/// What was given back of a debit.
#[derive(Clone, Debug, Default)]
pub struct Refunds {
    /// In all.
    pub credits: Credits,
    /// What the refund of all that was left gave back, and its entry's number.
    pub rest: Option<(Credits, u64)>,
    /// Refunds of a part, by their own ids.
    pub parts: Vec<(OperationId, Credits)>,
}

/// What is known of a hold.
#[derive(Clone, Debug)]
pub struct HoldKnown {
    /// Its id, which the entry of its expiry names.
    pub id: OperationId,
    /// What is or was set aside.
    pub hold: Hold,
    /// Its first expiry, which its first answer named.
    pub first_expiry: Timestamp,
    /// How it ended, once it has.
    pub end: Option<End>,
    /// What its settle charged in another window than its own, and in which.
    pub above: (Timestamp, Credits),
}

/// Who drew, and on what, by the numbers of its scope: of a team's members and sources, or of a book's owners.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct By {
    /// The member of the team, or the owner of the book.
    pub member: u32,
    /// What of the team's sources was drawn on; zero without a team.
    pub source: u32,
}

/// An operation that changed something. Small, because millions are kept.
#[derive(Clone, Debug)]
pub struct Known {
    /// Its entry's number in the journal; for an ended hold that of its end.
    pub seq: u64,
    /// Fingerprint of the request.
    pub content: u64,
    /// Who drew, and on what.
    pub by: By,
    /// What it was.
    pub kind: Kind,
}

impl Known {
    fn is_open_hold(&self) -> bool {
        matches!(&self.kind, Kind::Hold(known) if known.end.is_none())
    }
}

/// From when on operations are forgotten.
#[derive(Clone, Copy, Debug)]
pub struct Horizon {
    /// Operations entered before this are forgotten.
    pub at: Timestamp,
    /// Operations with a lower number are forgotten.
    pub seq: u64,
    /// How many numbers are remembered.
    pub kept: u64,
}

impl Horizon {
    /// Whether what was entered at that time under that number is forgotten.
    fn is_after(&self, at: Timestamp, seq: u64) -> bool {
        at < self.at || seq < self.seq
    }

    /// The horizon at which forgetting begins: a sixteenth of the numbers before it may stay in memory.
    fn put_off(self) -> Self {
        Self { seq: self.seq.saturating_sub(self.kept / 16), ..self }
    }
}

/// The operations of one team, or of one user where no team was named.
#[derive(Debug, Default)]
pub struct Operations {
    pub(super) known: HashMap<Key, Known, foldhash::fast::RandomState>,
    pub(super) order: VecDeque<(Timestamp, u64, Key)>,
    pub(super) expiries: BTreeSet<(Timestamp, Key)>,
}

impl Operations {
    /// What is known of an operation at a horizon. Removing what lies before it costs memory
    /// accesses that overlap when many are removed at once, so that is put off: see [`Horizon::put_off`].
    pub fn recall(&mut self, key: Key, horizon: Horizon) -> Option<&Known> {
        let is_due = self.order.front().is_some_and(|&(at, seq, _)| horizon.put_off().is_after(at, seq));
        let is_forgotten = |known: &Known| known.seq < horizon.seq && !known.is_open_hold();
        if is_due || self.known.get(&key).is_some_and(is_forgotten) {
            self.forget(horizon);
        }
        self.known.get(&key).filter(|known| known.is_answered())
    }

    /// What is known of an operation.
    pub fn get(&self, key: Key) -> Option<&Known> {
        self.known.get(&key)
    }

    /// What is known of an operation, to change it.
    pub fn get_mut(&mut self, key: Key) -> Option<&mut Known> {
        self.known.get_mut(&key)
    }

    /// How many operations are known.
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Whether none is known.
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// How many holds are open.
    pub fn open_holds(&self) -> usize {
        self.expiries.len()
    }

    /// When the oldest operation was entered that may be forgotten.
    pub fn oldest(&self) -> Option<Timestamp> {
        self.order.front().map(|(at, _, _)| *at)
    }

    /// Takes an entry over: remembers what it begins, ends what it ends. The live path and the
    /// recovery are this same fold (I7). An end or a refund of what is not known is passed over: its
    /// beginning has been forgotten.
    pub fn note(&mut self, key: impl Fn(&OperationId) -> Key, entry: &Entry, by: By, seq: u64) {
        let own = key(&entry.id);
        match &entry.fact {
            Fact::Debited { .. } | Fact::Held { .. } => self.remember(own, entry.at, begun(entry, by, seq)),
            Fact::Refunded { debit, credits, .. } => {
                let whole = *debit == entry.id;
                self.note_refund(key(debit), &entry.id, *credits, whole.then_some(seq));
                if !whole {
                    self.remember(own, entry.at, begun(entry, by, seq));
                }
            }
            Fact::Extended { expires_at } => self.extend(own, *expires_at),
            Fact::Settled { charged, returned, debt, late } => {
                let end = End::Settled { charged: *charged, returned: *returned, debt: *debt, late: *late };
                self.end(own, entry, by, seq, end);
            }
            Fact::Released { returned } => self.end(own, entry, by, seq, End::Released { returned: *returned }),
            Fact::Expired { .. } => self.end(own, entry, by, seq, End::Expired),
            Fact::Voided { reused, .. } => self.void(own, entry, seq, *reused),
            Fact::EndAsked { end } => self.ask(key, entry, by, seq, end),
        }
    }

    /// Forgets what is known under the id of an entry that begins an operation: that the entry was
    /// made proves that the id had been forgotten, perhaps by a shorter horizon than today's.
    pub fn supersede(&mut self, key: impl Fn(&OperationId) -> Key, entry: &Entry) {
        let begins = match &entry.fact {
            Fact::Debited { .. } | Fact::Held { .. } => true,
            Fact::Refunded { debit, .. } => *debit != entry.id,
            _ => false,
        };
        let own = key(&entry.id);
        if begins && self.known.get(&own).is_some_and(|known| !known.is_open_hold()) {
            self.known.remove(&own);
        }
    }

    /// Remembers an operation.
    pub fn remember(&mut self, key: Key, at: Timestamp, known: Known) {
        match &known.kind {
            Kind::Hold(known) if known.end.is_none() => {
                self.expiries.insert((known.hold.set.expires_at, key));
            }
            _ => self.order.push_back((at, known.seq, key)),
        }
        let before = self.known.insert(key, known);
        assert!(before.is_none_or(|known| known.may_be_entered()), "an id that is known is not entered again (I6)");
    }

    fn end(&mut self, key: Key, entry: &Entry, by: By, seq: u64, how: End) {
        let Some(known) = self.known.get_mut(&key) else {
            return self.remember(key, entry.at, ended(entry, by, seq, how));
        };
        let Kind::Hold(held) = &mut known.kind else { unreachable!("only holds end") };
        assert!(held.end.is_none() || held.end == Some(End::Expired), "a hold ends once (I5)");
        self.expiries.remove(&(held.hold.set.expires_at, key));
        held.above = above(entry, held.hold.window);
        (held.end, known.seq) = (Some(how), seq);
        self.order.push_back((entry.at, seq, key));
    }

    fn extend(&mut self, key: Key, expires_at: Timestamp) {
        let Some(known) = self.known.get_mut(&key) else { return };
        let Kind::Hold(held) = &mut known.kind else { unreachable!("only holds are extended") };
        let was_open = self.expiries.remove(&(held.hold.set.expires_at, key));
        assert!(was_open, "only an open hold is extended");
        held.hold.set.expires_at = expires_at;
        self.expiries.insert((expires_at, key));
    }

    fn note_refund(&mut self, debit: Key, id: &OperationId, part: Credits, rest: Option<u64>) {
        let Some(known) = self.known.get_mut(&debit) else { return };
        let Kind::Debit { credits, refunds, .. } = &mut known.kind else { unreachable!("only debits are refunded") };
        let refunds = refunds.get_or_insert_default();
        refunds.credits = refunds.credits.plus(part);
        assert!(refunds.credits <= *credits, "no more is refunded than was charged");
        match rest {
            Some(seq) => refunds.rest = Some((part, seq)),
            None => refunds.parts.push((id.clone(), part)),
        }
    }

    /// A hold that has expired at `now` and whose end has not been entered.
    pub fn due(&self, now: Timestamp) -> Option<Key> {
        self.expiries.first().filter(|(at, _)| *at <= now).map(|(_, key)| *key)
    }

    /// Forgets what lies before the horizon; answers how many operations.
    pub fn forget(&mut self, horizon: Horizon) -> usize {
        let before = self.known.len();
        while let Some(&(at, seq, key)) = self.order.front()
            && horizon.is_after(at, seq)
        {
            self.order.pop_front();
            // A hold that was settled late stands in the order twice; the later place counts.
            if self.known.get(&key).is_some_and(|known| known.seq == seq && !known.is_open_hold()) {
                self.known.remove(&key);
            }
        }
        before - self.known.len()
    }
}

/// What is remembered of the end of a hold whose own entry the journal no longer has: it may still
/// be settled late, and its end repeated.
fn ended(entry: &Entry, by: By, seq: u64, how: End) -> Known {
    let posting = &entry.postings[0];
    let set = posting.unheld.unwrap_or(Set { credits: Credits::ZERO, expires_at: entry.at });
    let hold = Hold { window: posting.window, set };
    let above = above(entry, hold.window);
    let known = HoldKnown { id: entry.id.clone(), hold, first_expiry: set.expires_at, end: Some(how), above };
    let kind = Kind::Hold(Box::new(known));
    Known { seq, content: 0, by, kind }
}

/// What is remembered of an entry that begins an operation.
fn begun(entry: &Entry, by: By, seq: u64) -> Known {
    let window = entry.postings[0].window;
    let (kind, content) = match &entry.fact {
        Fact::Debited { credits, content, .. } => (Kind::Debit { window, credits: *credits, refunds: None }, *content),
        Fact::Held { credits, expires_at, content, .. } => {
            let hold = Hold { window, set: Set { credits: *credits, expires_at: *expires_at } };
            let (id, above) = (entry.id.clone(), Default::default());
            let known = HoldKnown { id, hold, first_expiry: *expires_at, end: None, above };
            (Kind::Hold(Box::new(known)), *content)
        }
        Fact::Refunded { credits, content, .. } => (Kind::Refund { credits: *credits, is_asked: false }, *content),
        other => unreachable!("{} begins no operation", other.kind()),
    };
    Known { seq, content, by, kind }
}
