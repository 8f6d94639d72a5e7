//! A team and its members, as control last left them. What they draw is not kept here.

use super::access::{Access, Role};
use super::credits::Credits;
use super::features::Whitelist;
use super::ids::{SubscriptionId, TeamId, UserId};

/// The longest name of a team, in characters.
pub const TEAM_NAME_CHARACTERS_MAX: usize = 200;

/// Who works together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Team {
    /// Its id.
    pub id: TeamId,
    /// What people call it; at most [`TEAM_NAME_CHARACTERS_MAX`] characters.
    pub name: String,
    /// Its one owner, who is also a member.
    pub owner: UserId,
    /// The subscription whose credits are its pool.
    pub subscription: Option<SubscriptionId>,
    /// The models its owner allows.
    pub whitelist: Whitelist,
    /// Members whose given access is [`Access::Seat`], opted out or not.
    pub seats_taken: u32,
    /// Members that have not been removed.
    pub members: u32,
    /// Raised by every change of the team or of its members; a higher epoch is newer.
    pub epoch: u64,
}

/// One user in one team. Removing keeps the row, so that what was used is kept for a rejoining.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The user.
    pub user: UserId,
    /// What the member may change.
    pub role: Role,
    /// The access that was given.
    pub access: Access,
    /// Acts as [`Access::Personal`] by own choice; keeps seat, limit and used.
    pub opted_out: bool,
    /// The most it may draw on the pool in one window; `None`: no limit, zero: nothing.
    pub limit: Option<Credits>,
    /// No longer in the team.
    pub removed: bool,
    /// The team's epoch when this row was last changed.
    pub epoch: u64,
}

/// What of a member a decision looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Membership {
    /// What the member may change.
    pub role: Role,
    /// The access that was given.
    pub access: Access,
    /// Acts as [`Access::Personal`] by own choice.
    pub opted_out: bool,
    /// The most it may draw on the pool in one window; `None`: no limit, zero: nothing.
    pub limit: Option<Credits>,
    /// No longer in the team.
    pub removed: bool,
}

impl Membership {
    /// The access in effect: as given, but personal while opted out.
    pub fn effective_access(&self) -> Access {
        if self.opted_out { Access::Personal } else { self.access }
    }
}

impl Member {
    /// A plain member with personal access and no limit.
    pub fn new(user: UserId) -> Self {
        Self {
            user,
            role: Role::Member,
            access: Access::Personal,
            opted_out: false,
            limit: None,
            removed: false,
            epoch: 0,
        }
    }

    /// What of it a decision looks at.
    pub fn membership(&self) -> Membership {
        let Self { role, access, opted_out, limit, removed, .. } = *self;
        Membership { role, access, opted_out, limit, removed }
    }

    /// The access in effect: as given, but personal while opted out.
    pub fn effective_access(&self) -> Access {
        self.membership().effective_access()
    }

    /// Whether this row takes one of the subscription's seats.
    pub fn takes_seat(&self) -> bool {
        !self.removed && self.access == Access::Seat
    }
}
