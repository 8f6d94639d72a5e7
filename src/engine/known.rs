//! What is remembered of an operation, and for how long.

use super::elsewhere::Elsewhere;
use super::holds::{EndedHold, Held};
pub use super::keys::Key;
use super::record::Header;
use super::terms::Terms;
use crate::domain::{Credits, Hold, OperationId, RateVersion, Timestamp};

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

/// What an operation was.
#[derive(Clone, Copy, Debug)]
pub enum Kind<'a> {
    /// A debit.
    Debit {
        /// The start of the window that it was drawn in.
        window: Timestamp,
        /// What was charged.
        credits: Credits,
        /// What was given back of it, once something was.
        refunds: Option<&'a Refunds>,
    },
    /// A hold.
    Hold(HoldKnown<'a>),
    /// A refund with its own id.
    Refund {
        /// What it gave back.
        credits: Credits,
        /// It was only asked for, of what another sidecar has.
        is_asked: bool,
    },
    /// A draw that another sidecar has.
    Elsewhere(&'a Elsewhere),
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
#[derive(Clone, Copy, Debug)]
pub enum HoldKnown<'a> {
    /// It is open.
    Open {
        /// What its end needs.
        held: &'a Held,
        /// When it expires.
        expires_at: Timestamp,
    },
    /// It has ended.
    Ended(&'a EndedHold),
}

impl<'a> HoldKnown<'a> {
    /// What is or was set aside.
    pub fn hold(self) -> Hold {
        match self {
            Self::Open { held, expires_at } => held.hold(expires_at),
            Self::Ended(ended) => ended.hold.clone(),
        }
    }

    /// Its first expiry, which its first answer named.
    pub fn first_expiry(self) -> Timestamp {
        match self {
            Self::Open { held, .. } => held.first_expiry(),
            Self::Ended(ended) => ended.first_expiry,
        }
    }

    /// How it ended, once it has.
    pub fn end(self) -> Option<End> {
        match self {
            Self::Open { .. } => None,
            Self::Ended(ended) => Some(ended.end),
        }
    }

    /// What its settle is priced by, where there was a rate card.
    pub fn terms(self) -> Option<&'a Terms> {
        match self {
            Self::Open { held, .. } => held.terms(),
            Self::Ended(ended) => ended.terms.as_deref(),
        }
    }

    /// The version of the rate card that prices its settle.
    pub fn rates(self) -> Option<RateVersion> {
        self.terms().map(|terms| terms.rates)
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

/// What is known of an operation that changed something, wherever that lies.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// When it was entered; for an ended hold when it ended.
    pub at: Timestamp,
    /// Its entry's number in the journal; for an ended hold that of its end.
    pub seq: u64,
    /// Fingerprint of the request.
    pub content: u64,
    /// Who drew, and on what.
    pub by: By,
    /// What it was.
    pub kind: Kind<'a>,
}

impl<'a> Known<'a> {
    pub(super) fn new(header: Header, kind: Kind<'a>) -> Self {
        let Header { at, seq, content, by } = header;
        Self { at, seq, content, by, kind }
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
    pub(super) fn is_after(&self, at: Timestamp, seq: u64) -> bool {
        at < self.at || seq < self.seq
    }

    /// The horizon at which memory is freed: a sixteenth of the numbers before it may stay there.
    pub(super) fn put_off(self) -> Self {
        Self { seq: self.seq.saturating_sub(self.kept / 16), ..self }
    }
}
