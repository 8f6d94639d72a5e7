//! Rows that only a store with many sidecars needs: who they are, which store this is, and members'
//! limits as accounts that are lent of. A store that serves one keeps its sidecar's row alone.

use super::funds::of_mut;
use super::holder::Holder;
use crate::domain::{Credits, TeamId, Timestamp, UserId, Window};

/// What a sidecar may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// Spends and is lent.
    #[default]
    Open,
    /// Has said that it spends nothing any more; its open holds may still end.
    Closed,
    /// Spent what it was not lent: it is lent nothing until an operator has looked.
    Quarantined,
    /// Given up by an operator: never heard again, all that it held is in suspense.
    WrittenOff,
    /// No sidecar: a lender of blocks, which tells nothing itself.
    Lender,
    /// A lender that another has replaced: what it had not lent is in suspense.
    Burned,
}

impl State {
    /// The word in tables and on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Closed => "closed",
            Self::Quarantined => "quarantined",
            Self::WrittenOff => "written_off",
            Self::Lender => "lender",
            Self::Burned => "burned",
        }
    }
}

impl std::str::FromStr for State {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let sidecars = [Self::Open, Self::Closed, Self::Quarantined, Self::WrittenOff];
        let mut all = sidecars.into_iter().chain([Self::Lender, Self::Burned]);
        all.find(|state| state.as_str() == text).ok_or(())
    }
}

/// A sidecar's id as people read it and as its data folder has it: a UUID.
pub fn id_text(id: u128) -> String {
    let hex = format!("{id:032x}");
    let parts = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]];
    parts.join("-")
}

/// A sidecar that has registered, and how far its entries have come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sidecar {
    /// Its persistent id, bound to its journal.
    pub id: u128,
    /// Its newest incarnation's counter.
    pub incarnation: u64,
    /// Its newest incarnation's random part.
    pub nonce: u128,
    /// The random part of the one before: who does not know it has not the newest journal, and can prove
    /// nothing.
    pub before: u128,
    /// The last entry of it that the ledger has.
    pub last: u64,
    /// What people call it: the host it runs on.
    pub host: String,
    /// What it may do.
    pub state: State,
    /// The newest generation of the store in which it has said what it holds.
    pub generation: u64,
    /// Its newest sync of this incarnation.
    pub beat: u64,
    /// The newest change of control that it has taken over.
    pub config: u64,
    /// When it last synced.
    pub synced_at: Timestamp,
    /// Its last sync named a subscription that is not here: the number of the first change of control that may
    /// have put it since; 0: it named none.
    pub unknown: u64,
}

/// Which store this is, and whether it may have forgotten what it lent. One row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Root {
    /// Raised whenever the store may have forgotten; a sidecar believes none that is below the highest it saw.
    pub generation: u64,
    /// What tells this store from one that was restored or failed over: empty until the first sync.
    pub identity: String,
    /// Nothing is lent until every sidecar has said what it holds.
    pub evidence: bool,
    /// Nor before this, so that those are heard that the store has forgotten; [`Timestamp::MIN`]: not yet known.
    pub hears_until: Timestamp,
    /// The newest change that put a new subscription in a store that may have forgotten: who named it before holds
    /// something of it.
    pub put: u64,
    /// Raised by every change of control.
    pub config: u64,
    /// The newest change that gave a limit to a member who had none: who has not taken it over is lent nothing.
    pub limited: u64,
    /// The lender that is lent blocks; 0: none.
    pub lender: u128,
}

/// A member's limit in one window: who was lent what of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberAccount {
    /// The window of the pool.
    pub window: Window,
    /// Each sidecar's part, by its id. Of a member without a limit nothing is lent, draws are told all the same.
    pub holders: Vec<Holder>,
    /// When a sidecar last asked in vain for what others may have free.
    pub short_at: Timestamp,
}

/// A member's limit, by window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberFunds {
    /// The team.
    pub team: TeamId,
    /// The member.
    pub user: UserId,
    /// The change of control since which there is a limit: who has not taken it over may draw without.
    pub limited_since: u64,
    /// Accounts by window, oldest first.
    pub accounts: Vec<MemberAccount>,
}

impl MemberFunds {
    /// A member who has drawn nothing.
    pub fn new(team: TeamId, user: UserId) -> Self {
        Self { team, user, limited_since: 0, accounts: Vec::new() }
    }

    /// The account of the window that starts at `start`.
    pub fn of(&self, start: Timestamp) -> Option<&MemberAccount> {
        self.accounts.iter().find(|account| account.window.start == start)
    }

    /// The account of a window, opened where there is none.
    pub(super) fn of_mut(&mut self, window: Window) -> &mut MemberAccount {
        let at = self.accounts.binary_search_by_key(&window.start, |account| account.window.start);
        let at = at.unwrap_or_else(|at| {
            let (holders, short_at) = (Vec::new(), Timestamp::MIN);
            self.accounts.insert(at, MemberAccount { window, holders, short_at });
            at
        });
        &mut self.accounts[at]
    }
}

impl MemberAccount {
    /// A sidecar's part; all zero where it has none.
    pub fn holder(&self, sidecar: u128) -> Holder {
        self.holders.iter().find(|holder| holder.sidecar == sidecar).copied().unwrap_or(Holder::new(sidecar))
    }

    /// A sidecar's part, to change it.
    pub(super) fn holder_mut(&mut self, sidecar: u128) -> &mut Holder {
        of_mut(&mut self.holders, sidecar)
    }

    /// What stays charged against the limit until holders report otherwise.
    pub fn claims(&self) -> Credits {
        let sum = |sum: Credits, holder: &Holder| sum.checked_add(holder.claim()).unwrap_or(Credits::MAX);
        self.holders.iter().fold(Credits::ZERO, sum)
    }

    /// Charged less refunds over all sidecars, as far as it was reported.
    pub fn used(&self) -> Credits {
        let used = |holder: &Holder| holder.spent.minus(holder.refunded);
        self.holders.iter().fold(Credits::ZERO, |sum, holder| sum.checked_add(used(holder)).unwrap_or(Credits::MAX))
    }
}
