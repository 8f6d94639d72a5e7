//! What one of many sidecars says and is told beside its batch. Everything that counts credits is
//! cumulative, so any message may be lost, repeated or late.

use std::collections::BTreeMap;

use super::blocks::{Block, Lender, Loan};
use super::funds::Lease;
use super::pending::{Outcome, Pending, PendingKey};
use super::size::Want;
use crate::domain::{Credits, SubscriptionId, Tally, TeamId, Timestamp, UserId, Window};

/// What one of many sidecars says beside its batch.
#[derive(Clone, Debug, Default)]
pub struct Shares {
    /// What people call it.
    pub host: String,
    /// Counts this incarnation's syncs: an older one asks for nothing and ends nothing.
    pub beat: u64,
    /// The highest generation of the store that it has seen.
    pub generation: u64,
    /// The newest change of control that it has taken over.
    pub config: u64,
    /// It names here all that it holds.
    pub tells_all: bool,
    /// It spends nothing any more.
    pub closes: bool,
    /// How long it remembers operations: within that time one id is one draw; 0: it does not say.
    pub remembers_millis: u64,
    /// What came of what the root asked it to do. All that it entered for that must be in the batch or have
    /// been told before.
    pub done: Vec<(PendingKey, Outcome)>,
    /// What it holds of subscriptions. What it returned must have been deducted before the batch's
    /// last entry was entered, so that the batch tells all that the return rests on.
    pub funds: BTreeMap<SubscriptionId, Vec<Position>>,
    /// What it wants of subscriptions.
    pub wants: BTreeMap<SubscriptionId, Want>,
    /// What it holds and wants of members' limits.
    pub members: BTreeMap<(TeamId, UserId), MemberShare>,
    /// The lender that it borrows from.
    pub lender: Option<Lender>,
    /// What it has borrowed, as far as the root may not know of it.
    pub loans: BTreeMap<SubscriptionId, Vec<Loan>>,
    /// Of which subscriptions the lender is to be lent a block: what this sidecar wants to have free.
    pub blocks: BTreeMap<SubscriptionId, Credits>,
}

impl Shares {
    /// Every subscription that is named.
    pub fn subscriptions(&self) -> impl Iterator<Item = &SubscriptionId> {
        let named = self.funds.keys().chain(self.wants.keys());
        named.chain(self.loans.keys()).chain(self.blocks.keys())
    }
}

/// What a sidecar holds of one account; all cumulative.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The account's window.
    pub window: Window,
    /// The most that it was ever told to be lent.
    pub granted: Credits,
    /// Returned.
    pub returned: Credits,
    /// Of which it cannot say whether they were spent.
    pub lost: Credits,
    /// What it drew, as of no entry before the last one that the ledger has: a store that has forgotten the account
    /// is not told those entries again.
    pub tally: Tally,
}

/// What a sidecar holds and wants of one member's limit.
#[derive(Clone, Debug, Default)]
pub struct MemberShare {
    /// What it holds, by window.
    pub positions: Vec<Position>,
    /// What it wants, in which window.
    pub want: Option<(Window, Want)>,
}

/// What the root answers one of many sidecars beside its leases.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shared {
    /// The sync that this answers.
    pub beat: u64,
    /// The store's generation; an answer below the highest seen is not to be believed.
    pub generation: u64,
    /// The root has not heard in this generation what the sidecar holds. It says so itself, because a store
    /// that has forgotten may number a generation twice.
    pub asks_all: bool,
    /// The newest change of control.
    pub config: u64,
    /// Accounts of the sidecar of which the store had forgotten that it lent.
    pub regressions: u64,
    /// Ends for which this sync found that nobody has entered their draws.
    pub orphaned: u64,
    /// The root's time: a sidecar's own must not be before it.
    pub now: Timestamp,
    /// What it is to do because of what others entered.
    pub pending: Vec<Pending>,
    /// How each subscription stands.
    pub flags: BTreeMap<SubscriptionId, Flags>,
    /// What is lent of members' limits.
    pub members: BTreeMap<(TeamId, UserId), MemberLease>,
    /// The lender that is lent blocks; 0: none.
    pub lender: u128,
    /// Its blocks of the subscriptions that were named.
    pub blocks: BTreeMap<SubscriptionId, Vec<Block>>,
    /// What of which subscription went into suspense because its lender was replaced.
    pub burned: BTreeMap<SubscriptionId, Credits>,
}

/// How an account stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// Return what is free: somebody asked in vain, or less is there than was lent.
    pub recall: bool,
    /// Only what waits is lent.
    pub tight: bool,
    /// What waits does not fit in what is free at the root.
    pub short: bool,
    /// As far as they have said, others have free what is missing of it: they are to sync soon.
    pub calls: bool,
    /// Nothing is lent to this sidecar: it is quarantined, or the store may have forgotten.
    pub withheld: bool,
}

/// What is lent of one member's limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberLease {
    /// The limit; `None`: no lease is needed.
    pub limit: Option<Credits>,
    /// Charged less refunds by all sidecars in the window that was wanted, as far as is known.
    pub used: Credits,
    /// Leases by window, oldest first.
    pub leases: Vec<Lease>,
    /// How the account that was wanted stands.
    pub flags: Flags,
}
