//! What control may ask for, who asks, and what comes of it. The rules are in `control`.

use super::abandoned::{Ending, HoldEnded};
use super::pending::Pending;
use std::collections::BTreeSet;

use super::subscription::{GrantKind, Terms};
use crate::domain::ids::Model;
use crate::domain::{Access, Credits, Member, OperationId, Role, SubscriptionId, TeamId, Timestamp, UserId};

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// A service token with the role admin, by its name: may do everything.
    Service(String),
    /// A user: the roles of the team and the ownership of subscriptions apply (rule 8).
    User(UserId),
}

/// A change that somebody asks for. Imperative; see the table "Control" of the wire contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Creates a subscription or replaces its terms.
    PutSubscription {
        /// Its id.
        id: SubscriptionId,
        /// The terms from now on.
        terms: Terms,
    },
    /// Tops a subscription up, once per id.
    Purchase {
        /// The subscription.
        subscription: SubscriptionId,
        /// The caller's id of the purchase.
        id: OperationId,
        /// How much.
        credits: Credits,
        /// When it expires; `None`: never.
        expires_at: Option<Timestamp>,
    },
    /// Creates a team, or renames it or hands it over.
    PutTeam {
        /// Its id.
        id: TeamId,
        /// Its name; on a change, `None` keeps it; on creation it is the id.
        name: Option<String>,
        /// Its owner; `None` keeps it; on creation it is the actor (an admin token must name one).
        owner: Option<UserId>,
    },
    /// Makes a subscription's credits the team's pool.
    Assign {
        /// The team.
        team: TeamId,
        /// The subscription.
        subscription: SubscriptionId,
    },
    /// Takes the subscription from the team; every access becomes personal.
    Unassign {
        /// The team.
        team: TeamId,
    },
    /// Adds a member or replaces its settings as a whole.
    PutMember {
        /// The team.
        team: TeamId,
        /// The user.
        user: UserId,
        /// The settings from now on.
        settings: Settings,
    },
    /// Changes some of a member's settings.
    PatchMember {
        /// The team.
        team: TeamId,
        /// The user.
        user: UserId,
        /// What changes.
        patch: Patch,
    },
    /// Takes a member out of the team; what it used is kept.
    RemoveMember {
        /// The team.
        team: TeamId,
        /// The user.
        user: UserId,
    },
    /// Changes access or limit of many members.
    BulkMembers {
        /// The team.
        team: TeamId,
        /// Which members.
        members: Selection,
        /// What changes; role and opting out are not changed in bulk.
        set: Patch,
        /// All or none; else row by row.
        atomic: bool,
    },
    /// Replaces the whitelist of models.
    PutWhitelist {
        /// The team.
        team: TeamId,
        /// Switched on.
        enabled: bool,
        /// The allowed models.
        models: BTreeSet<Model>,
    },
}

/// All settings of a member.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// What the member may change.
    pub role: Role,
    /// The access given.
    pub access: Access,
    /// The limit per window; `None`: none.
    pub limit: Option<Credits>,
    /// Acts as personal by own choice.
    pub opted_out: bool,
}

/// Settings to change; `None` keeps what is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Patch {
    /// See [`Settings::role`].
    pub role: Option<Role>,
    /// See [`Settings::access`].
    pub access: Option<Access>,
    /// See [`Settings::limit`]; `Some(None)` takes the limit away.
    pub limit: Option<Option<Credits>>,
    /// See [`Settings::opted_out`].
    pub opted_out: Option<bool>,
}

/// Which members a bulk change is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// Every member that has not been removed.
    All,
    /// These, in this order.
    Named(Vec<UserId>),
}

/// What a command did. The rows it changed say how things stand now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// Whether something came into being, changed or went.
    pub outcome: Outcome,
    /// What the ledger records, in order.
    pub changes: Vec<Change>,
}

/// Whether something came into being, changed or went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is new.
    Created,
    /// It was there and may have changed.
    Changed,
    /// It is gone.
    Deleted,
    /// One result for each row of a bulk change, in the order asked (by user id for all).
    Bulk(Vec<(UserId, Result<(), Refusal>)>),
}

/// Why a command was refused; nothing has changed then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The actor's role does not allow it.
    #[error("{0}")]
    Forbidden(&'static str),
    /// What the command names does not exist.
    #[error("there is no {what} {name}")]
    NotFound {
        /// `team`, `member` or `subscription`.
        what: &'static str,
        /// Its id.
        name: String,
    },
    /// What the command asks conflicts with what is.
    #[error("{detail}")]
    Conflict {
        /// The code on the wire, such as `no_free_seat`.
        code: &'static str,
        /// What conflicts, with the numbers, and what to do.
        detail: String,
    },
    /// A value is out of range here.
    #[error("{detail}")]
    Invalid {
        /// The field, as a JSON pointer into the command's body.
        pointer: &'static str,
        /// What is wrong and what is allowed.
        detail: String,
    },
    /// A bulk change that was to be all or nothing was refused for these rows.
    #[error("{} rows of the bulk change were refused; nothing has changed", .0.iter().filter(|(_, r)| r.is_err()).count())]
    Bulk(Vec<(UserId, Result<(), Refusal>)>),
}

/// What the ledger records of a control change; past, with the values as they then stood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A subscription was created or its terms were replaced.
    SubscriptionPut {
        /// The subscription.
        subscription: SubscriptionId,
        /// Its terms from then on.
        terms: Terms,
    },
    /// Credits came in; a rollover that rises is recorded again with what it rose by.
    Granted {
        /// The subscription.
        subscription: SubscriptionId,
        /// The grant's number.
        number: u64,
        /// Where the credits come from.
        kind: GrantKind,
        /// How much came in.
        credits: Credits,
        /// When it expires.
        expires_at: Option<Timestamp>,
        /// The purchase's id; empty for other kinds.
        purchase: String,
    },
    /// A team was created, renamed or handed over.
    TeamPut {
        /// The team.
        team: TeamId,
        /// Its name from then on.
        name: String,
        /// Its owner from then on.
        owner: UserId,
    },
    /// A subscription became the team's pool.
    Assigned {
        /// The team.
        team: TeamId,
        /// The subscription.
        subscription: SubscriptionId,
    },
    /// The team lost its pool.
    Unassigned {
        /// The team.
        team: TeamId,
        /// The subscription.
        subscription: SubscriptionId,
    },
    /// A member was added or changed.
    MemberPut {
        /// The team.
        team: TeamId,
        /// The member from then on.
        member: Member,
    },
    /// A member left the team.
    MemberRemoved {
        /// The team.
        team: TeamId,
        /// The user.
        user: UserId,
    },
    /// The whitelist was replaced.
    WhitelistPut {
        /// The team.
        team: TeamId,
        /// Switched on.
        enabled: bool,
        /// The allowed models.
        models: BTreeSet<Model>,
    },
    /// An operator gave a sidecar up.
    SidecarWrittenOff {
        /// The sidecar's id.
        sidecar: u128,
        /// The host that it ran on.
        host: String,
    },
    /// What a sidecar that was given up held of a subscription came back.
    FundsForgiven {
        /// The subscription.
        subscription: SubscriptionId,
        /// The sidecar's id.
        sidecar: u128,
        /// How much came back.
        credits: Credits,
    },
    /// The root ended a hold of a sidecar that was given up.
    HoldEnded(Box<HoldEnded>),
    /// An end of what a sidecar had that was given up, and that nobody can enter.
    EndOrphaned(Box<Pending>),
    /// What a sidecar that was given up held of a member's limit came back.
    LimitForgiven {
        /// The team.
        team: TeamId,
        /// The member.
        user: UserId,
        /// The sidecar's id.
        sidecar: u128,
        /// How much came back.
        credits: Credits,
    },
}

impl Change {
    /// The word in the ledger.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::SubscriptionPut { .. } => "subscription_put",
            Self::Granted { .. } => "granted",
            Self::TeamPut { .. } => "team_put",
            Self::Assigned { .. } => "assigned",
            Self::Unassigned { .. } => "unassigned",
            Self::MemberPut { .. } => "member_put",
            Self::MemberRemoved { .. } => "member_removed",
            Self::WhitelistPut { .. } => "whitelist_put",
            Self::SidecarWrittenOff { .. } => "sidecar_written_off",
            Self::FundsForgiven { .. } => "funds_forgiven",
            Self::HoldEnded(ended) => match ended.ending {
                Ending::Settled(_) => "settled",
                Ending::Released => "released",
                Ending::Expired => "expired",
            },
            Self::EndOrphaned(_) => "orphaned",
            Self::LimitForgiven { .. } => "limit_forgiven",
        }
    }
}
