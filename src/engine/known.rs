//! What is remembered of an operation, and for how long.

use super::elsewhere::{Elsewhere, above};
pub use super::keys::Key;
use super::terms::Terms;
use crate::domain::{Credits, EntryView, Fact, Hold, OperationId, RateVersion, Set, Timestamp};

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
    /// What its settle is priced by, where there was a rate card.
    pub terms: Option<Box<Terms>>,
    /// Its own entry is no longer in the journal, and its end was entered before the restart.
    pub is_known_by_end: bool,
}

impl HoldKnown {
    /// The version of the rate card that prices its settle.
    pub fn rates(&self) -> Option<RateVersion> {
        self.terms.as_ref().map(|terms| terms.rates)
    }
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
    /// Its id.
    pub key: Key,
    /// When it was entered; for an ended hold when it ended.
    pub at: Timestamp,
    /// Its entry's number in the journal; for an ended hold that of its end.
    pub seq: u64,
    /// Fingerprint of the request.
    pub content: u64,
    /// Who drew, and on what.
    pub by: By,
    /// What it was.
    pub kind: Kind,
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
    pub(super) fn is_after(&self, at: Timestamp, seq: u64) -> bool {
        at < self.at || seq < self.seq
    }

    /// The horizon at which memory is freed: a sixteenth of the numbers before it may stay there.
    pub(super) fn put_off(self) -> Self {
        Self { seq: self.seq.saturating_sub(self.kept / 16), ..self }
    }
}

/// What is remembered of the end of a hold whose own entry the journal no longer has: it may still
/// be settled late, and its end repeated.
pub(super) fn ended(key: Key, entry: EntryView<'_>, by: By, seq: u64, how: End) -> Known {
    let posting = &entry.postings[0];
    let set = posting.unheld.unwrap_or(Set { credits: Credits::ZERO, expires_at: entry.at });
    let hold = Hold { window: posting.window, set };
    let above = above(entry, hold.window);
    let (id, first_expiry, end) = (entry.id.clone(), set.expires_at, Some(how));
    let known = HoldKnown { id, hold, first_expiry, end, above, terms: None, is_known_by_end: true };
    let kind = Kind::Hold(Box::new(known));
    Known { key, at: entry.at, seq, content: 0, by, kind }
}

/// What is remembered of an entry that begins an operation.
pub(super) fn begun(key: Key, entry: EntryView<'_>, by: By, seq: u64) -> Known {
    let window = entry.postings[0].window;
    let (kind, content) = match entry.fact {
        Fact::Debited { credits, content, .. } => (Kind::Debit { window, credits: *credits, refunds: None }, *content),
        Fact::Held { credits, expires_at, content, model } => {
            let hold = Hold { window, set: Set { credits: *credits, expires_at: *expires_at } };
            let (id, above) = (entry.id.clone(), Default::default());
            let terms = Terms::of(entry.rates, model.as_ref());
            let first_expiry = *expires_at;
            let known = HoldKnown { id, hold, first_expiry, end: None, above, terms, is_known_by_end: false };
            (Kind::Hold(Box::new(known)), *content)
        }
        Fact::Refunded { credits, content, .. } => (Kind::Refund { credits: *credits, is_asked: false }, *content),
        other => unreachable!("{} begins no operation", other.kind()),
    };
    Known { key, at: entry.at, seq, content, by, kind }
}
