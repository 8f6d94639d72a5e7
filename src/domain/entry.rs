//! Entries: immutable facts, and the only way in which what was drawn changes.
//!
//! An entry carries *postings*: what it moves in which window, with the running sums after it. So
//! applying needs no rule, a store can keep the last sums it saw, and an audit can check each step.

use smallvec::SmallVec;

use super::access::Payer;
use super::credits::Credits;
use super::draws::{Set, Tally};
use super::ids::{Model, OperationId, SubscriptionId, TeamId, UserId};
use super::rate_version::RateVersion;
use super::time::Timestamp;

/// What one entry moves in one window, both in the payer's account and, where the pool pays, in the
/// member's draws.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Posting {
    /// The start of the window that it moves.
    pub window: Timestamp,
    /// Charged by it.
    pub spent: Credits,
    /// Refunded by it.
    pub refunded: Credits,
    /// Set aside by it.
    pub held: Option<Set>,
    /// No longer set aside.
    pub unheld: Option<Set>,
    /// The payer's sums after it.
    pub account: Tally,
    /// The member's sums after it; `None` where the member's own credits pay.
    pub member: Option<Tally>,
}

impl Posting {
    /// A posting that moves nothing yet.
    pub fn new(window: Timestamp) -> Self {
        Self {
            window,
            spent: Credits::ZERO,
            refunded: Credits::ZERO,
            held: None,
            unheld: None,
            account: Tally::default(),
            member: None,
        }
    }

    /// Whether it changes no sum: a hold of nothing begins or ends.
    pub fn moves_nothing(&self) -> bool {
        let is_zero = |set: &Option<Set>| set.is_none_or(|set| set.credits.is_zero());
        self.spent.is_zero() && self.refunded.is_zero() && is_zero(&self.held) && is_zero(&self.unheld)
    }
}

/// Who draws, and on what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drawer {
    /// The team in whose name; `None`: the user alone.
    pub team: Option<TeamId>,
    /// The user.
    pub member: UserId,
    /// Whose credits pay.
    pub payer: Payer,
    /// The subscription that is drawn on.
    pub subscription: SubscriptionId,
}

/// One immutable fact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// When it was decided.
    pub at: Timestamp,
    /// The operation that it begins or ends: a debit's, hold's or refund's own id.
    pub id: OperationId,
    /// Who draws, and on what.
    pub drawer: Drawer,
    /// What happened.
    pub fact: Fact,
    /// Which version of the rate card priced it; for a hold, which one prices its settle. `None`: the credits were named.
    pub rates: Option<RateVersion>,
    /// What it moves: one window, two where a hold of an ended window is settled above, or nothing.
    pub postings: SmallVec<[Posting; 1]>,
}

impl Entry {
    /// As it is handed on.
    pub fn view(&self) -> EntryView<'_> {
        let Drawer { team, member, payer, subscription } = &self.drawer;
        let drawer = DrawerView { team: team.as_ref(), member, payer: *payer, subscription };
        let (fact, postings) = (&self.fact, self.postings.as_slice());
        EntryView { at: self.at, id: &self.id, drawer, fact, rates: self.rates, postings }
    }
}

/// Who draws, and on what, where the names lie elsewhere.
#[derive(Clone, Copy, Debug)]
pub struct DrawerView<'a> {
    /// The team in whose name; `None`: the user alone.
    pub team: Option<&'a TeamId>,
    /// The user.
    pub member: &'a UserId,
    /// Whose credits pay.
    pub payer: Payer,
    /// The subscription that is drawn on.
    pub subscription: &'a SubscriptionId,
}

impl DrawerView<'_> {
    /// With names of its own.
    pub fn to_drawer(self) -> Drawer {
        let Self { team, member, payer, subscription } = self;
        Drawer { team: team.cloned(), member: member.clone(), payer, subscription: subscription.clone() }
    }
}

/// An entry as it is handed on: what it is made of lies elsewhere, so that nothing is copied to be entered.
#[derive(Clone, Copy, Debug)]
pub struct EntryView<'a> {
    /// When it was decided.
    pub at: Timestamp,
    /// The operation that it begins or ends.
    pub id: &'a OperationId,
    /// Who draws, and on what.
    pub drawer: DrawerView<'a>,
    /// What happened.
    pub fact: &'a Fact,
    /// Which version of the rate card priced it.
    pub rates: Option<RateVersion>,
    /// What it moves.
    pub postings: &'a [Posting],
}

impl EntryView<'_> {
    /// With parts of its own.
    pub fn to_entry(self) -> Entry {
        let Self { at, id, drawer, fact, rates, postings } = self;
        let (id, drawer, fact) = (id.clone(), drawer.to_drawer(), fact.clone());
        Entry { at, id, drawer, fact, rates, postings: postings.into() }
    }
}

/// An amount, and which version of the rate card it comes from, where one priced it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Priced {
    /// How much.
    pub credits: Credits,
    /// By which version.
    pub rates: Option<RateVersion>,
}

impl From<Credits> for Priced {
    fn from(credits: Credits) -> Self {
        Self { credits, rates: None }
    }
}

/// What happened. `content` is a fingerprint of what the caller asked, so that a repeated id is
/// told from a reused one after a restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// A known cost was charged.
    Debited {
        /// The cost.
        credits: Credits,
        /// The model, where one was named.
        model: Option<Model>,
        /// Fingerprint of the request.
        content: u64,
    },
    /// An estimated cost was set aside.
    Held {
        /// What was set aside.
        credits: Credits,
        /// From when on it counts as returned.
        expires_at: Timestamp,
        /// The model, where one was named.
        model: Option<Model>,
        /// Fingerprint of the request.
        content: u64,
    },
    /// A hold has a new expiry.
    Extended {
        /// The new expiry.
        expires_at: Timestamp,
    },
    /// A hold ended with its real cost.
    Settled {
        /// The real cost, all of it charged.
        charged: Credits,
        /// What of the hold was not needed.
        returned: Credits,
        /// What of the cost the payer could not cover.
        debt: Credits,
        /// Settled at or after its expiry, when the hold had returned already.
        late: bool,
    },
    /// A hold was cancelled.
    Released {
        /// What was set aside.
        returned: Credits,
    },
    /// A hold ran out.
    Expired {
        /// What was set aside.
        returned: Credits,
    },
    /// A debit was given back, in part or whole.
    Refunded {
        /// The debit.
        debit: OperationId,
        /// How much.
        credits: Credits,
        /// Fingerprint of the request.
        content: u64,
    },
    /// A draw was undone, because another sidecar had entered one under the same id before.
    Voided {
        /// What came back of it.
        credits: Credits,
        /// The other one was asked with other content.
        reused: bool,
    },
    /// A draw that this sidecar did not enter is to end, or to be given back, where it was entered.
    /// Moves nothing here; its drawer only names the scope.
    EndAsked {
        /// How.
        end: AskedEnd,
    },
}

/// How a draw is to end that another sidecar has entered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AskedEnd {
    /// With its real cost.
    Settle {
        /// The real cost.
        credits: Credits,
    },
    /// Cancelled.
    Release,
    /// Not before a new expiry.
    Extend {
        /// The new expiry.
        expires_at: Timestamp,
    },
    /// Given back.
    Refund {
        /// A part under the refund's own id; `None`: all that is left.
        part: Option<(OperationId, Credits)>,
    },
}

impl AskedEnd {
    /// The word in metrics and in the ledger's detail.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Settle { .. } => "settle",
            Self::Release => "release",
            Self::Extend { .. } => "extend",
            Self::Refund { .. } => "refund",
        }
    }

    /// How much is to be charged or given back, where that is said.
    pub const fn credits(&self) -> Option<Credits> {
        match self {
            Self::Settle { credits } | Self::Refund { part: Some((_, credits)) } => Some(*credits),
            Self::Release | Self::Extend { .. } | Self::Refund { part: None } => None,
        }
    }
}

impl Fact {
    /// Whether it begins a draw: only one sidecar may enter one under an id.
    pub const fn begins_draw(&self) -> bool {
        matches!(self, Self::Debited { .. } | Self::Held { .. })
    }

    /// The word in the ledger.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Debited { .. } => "debited",
            Self::Held { .. } => "held",
            Self::Extended { .. } => "extended",
            Self::Settled { .. } => "settled",
            Self::Released { .. } => "released",
            Self::Expired { .. } => "expired",
            Self::Refunded { .. } => "refunded",
            Self::Voided { .. } => "voided",
            Self::EndAsked { .. } => "end_asked",
        }
    }

    /// The credits that the ledger shows: charged, set aside, returned or refunded.
    pub const fn credits(&self) -> Credits {
        match self {
            Self::Debited { credits, .. }
            | Self::Held { credits, .. }
            | Self::Refunded { credits, .. }
            | Self::Voided { credits, .. } => *credits,
            Self::EndAsked { end } => match end.credits() {
                Some(credits) => credits,
                None => Credits::ZERO,
            },
            Self::Settled { charged, .. } => *charged,
            Self::Released { returned } | Self::Expired { returned } => *returned,
            Self::Extended { .. } => Credits::ZERO,
        }
    }
}
