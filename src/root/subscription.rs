//! A subscription as the root keeps it: what was bought, its grants, and its accounts by window.

use super::holder::Holder;
use crate::domain::{Credits, Features, SubscriptionId, TeamId, Timestamp, UserId, Window};

/// Whether a subscription still grants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Status {
    /// Grants monthly credits and features.
    #[default]
    Active,
    /// Grants no further window and no features; what is left may be spent until it expires.
    Canceled,
}

/// How unspent monthly credits live on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rollover {
    /// The most that rolls from one window; `None`: one window's grant.
    pub cap: Option<Credits>,
    /// For how many further windows; 0: nothing rolls.
    pub windows: u32,
}

impl Default for Rollover {
    fn default() -> Self {
        Self { cap: None, windows: 1 }
    }
}

/// The most further windows that rolled credits may live.
pub const ROLLOVER_WINDOWS_MAX: u32 = 120;

/// The most seats of one subscription.
pub const SEATS_MAX: u32 = 1_000_000;

/// What its owner decides; a `PUT` replaces the whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// The user who bought it.
    pub owner: UserId,
    /// The plan's name, carried for callers; empty: only purchased credits.
    pub plan: String,
    /// Whether it still grants.
    pub status: Status,
    /// Places it pays for; at most [`SEATS_MAX`].
    pub seats: u32,
    /// Monthly credits of one seat.
    pub credits_per_seat: Credits,
    /// From where windows are counted.
    pub anchor: Timestamp,
    /// How unspent monthly credits live on.
    pub rollover: Rollover,
    /// What it unlocks.
    pub features: Features,
}

impl Terms {
    /// One window's credits of all seats; none once canceled.
    pub fn month(&self) -> Credits {
        match self.status {
            Status::Active => self.credits_per_seat.checked_mul(self.seats).unwrap_or(Credits::MAX),
            Status::Canceled => Credits::ZERO,
        }
    }
}

/// Where granted credits come from, in burn order among grants that expire together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum GrantKind {
    /// Left over from an earlier window's monthly grant.
    Rollover,
    /// One window's credits of all seats.
    Monthly,
    /// Bought beside the plan.
    Purchased,
}

impl GrantKind {
    /// The word on the wire and in the ledger.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rollover => "rollover",
            Self::Monthly => "monthly",
            Self::Purchased => "purchased",
        }
    }
}

/// Credits that came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Counts up within the subscription; breaks ties of the burn order.
    pub number: u64,
    /// Where the credits come from.
    pub kind: GrantKind,
    /// The purchase's own id; empty for the other kinds.
    pub purchase: String,
    /// The start of the window whose monthly grant this is, or left over from; of the purchase otherwise.
    pub origin: Timestamp,
    /// How much came in.
    pub credits: Credits,
    /// How much of it accounts have burned.
    pub burned: Credits,
    /// What was there to burn when the current window opened, or when it came in later.
    pub opened: Credits,
    /// From when on nothing of it may be lent; `None`: never.
    pub expires_at: Option<Timestamp>,
}

impl Grant {
    /// What is left to burn.
    pub fn left(&self) -> Credits {
        self.credits.minus(self.burned)
    }

    /// Whether it may be lent at `now`.
    pub fn is_alive(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|expires_at| now < expires_at)
    }

    /// Whether it is the monthly grant of `window`.
    pub fn is_month_of(&self, window: &Window) -> bool {
        self.kind == GrantKind::Monthly && self.origin == window.start
    }

    /// Soonest expiry first, then rollover, monthly, purchased, then the oldest (rule 2).
    pub fn burn_order(&self) -> impl Ord + use<> {
        (self.expires_at.unwrap_or(Timestamp::MAX), self.kind, self.number)
    }
}

/// What one account has burned of one grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Burn {
    /// [`Grant::number`].
    pub grant: u64,
    /// How much.
    pub credits: Credits,
}

/// A subscription's funds in one window: who was lent what of them, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The window; its start names the account.
    pub window: Window,
    /// Each sidecar's part, by its id. The one of a store that serves only one is [`SOLE`](super::holder::SOLE).
    pub holders: Vec<Holder>,
    /// When a sidecar last asked in vain for what others may have free.
    pub short_at: Timestamp,
    /// What it has burned, grant by grant, oldest burn first.
    pub burns: Vec<Burn>,
}

/// A subscription with its grants and its accounts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// Its id.
    pub id: SubscriptionId,
    /// What its owner decided last.
    pub terms: Terms,
    /// The team whose pool it is.
    pub team: Option<TeamId>,
    /// Grants in order of their number; those that can no longer change anything are dropped.
    pub grants: Vec<Grant>,
    /// Accounts by window, oldest first; the last one is open, the others are sealed.
    pub accounts: Vec<Account>,
    /// The next grant's number.
    pub next_grant: u64,
    /// Raised by every change of control; a higher epoch is newer.
    pub epoch: u64,
}

impl Subscription {
    /// What it unlocks: its features, none once canceled.
    pub fn features(&self) -> Features {
        match self.terms.status {
            Status::Active => self.terms.features,
            Status::Canceled => Features::default(),
        }
    }
}
