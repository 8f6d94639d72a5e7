//! The words for what a ledger entry records: one for each fact of a sidecar and each change of control.

/// What a ledger entry records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A known cost was charged.
    Debited,
    /// An estimated cost was set aside.
    Held,
    /// A hold has a new expiry.
    Extended,
    /// A hold ended with its real cost.
    Settled,
    /// A hold was cancelled.
    Released,
    /// A hold ran out.
    Expired,
    /// A debit or a settled hold was given back.
    Refunded,
    /// A draw was undone: another sidecar had entered one under the same id before.
    Voided,
    /// An end was asked for of a draw that another sidecar has.
    EndAsked,
    /// An end was asked for of a draw that nobody has.
    Orphaned,
    /// A subscription was created or its terms were replaced.
    SubscriptionPut,
    /// Credits came in.
    Granted,
    /// A team was created, renamed or handed over.
    TeamPut,
    /// A subscription became a team's pool.
    Assigned,
    /// A team lost its pool.
    Unassigned,
    /// A member was added or changed.
    MemberPut,
    /// A member left the team.
    MemberRemoved,
    /// A whitelist was replaced.
    WhitelistPut,
    /// A sidecar was given up.
    SidecarWrittenOff,
    /// What a sidecar that was given up held of a subscription came back.
    FundsForgiven,
    /// What a sidecar that was given up held of a member's limit came back.
    LimitForgiven,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 21] = [
        Self::Debited,
        Self::Held,
        Self::Extended,
        Self::Settled,
        Self::Released,
        Self::Expired,
        Self::Refunded,
        Self::Voided,
        Self::EndAsked,
        Self::Orphaned,
        Self::SubscriptionPut,
        Self::Granted,
        Self::TeamPut,
        Self::Assigned,
        Self::Unassigned,
        Self::MemberPut,
        Self::MemberRemoved,
        Self::WhitelistPut,
        Self::SidecarWrittenOff,
        Self::FundsForgiven,
        Self::LimitForgiven,
    ];

    /// The word on the wire and in the ledger.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Debited => "debited",
            Self::Held => "held",
            Self::Extended => "extended",
            Self::Settled => "settled",
            Self::Released => "released",
            Self::Expired => "expired",
            Self::Refunded => "refunded",
            Self::Voided => "voided",
            Self::EndAsked => "end_asked",
            Self::Orphaned => "orphaned",
            Self::SubscriptionPut => "subscription_put",
            Self::Granted => "granted",
            Self::TeamPut => "team_put",
            Self::Assigned => "assigned",
            Self::Unassigned => "unassigned",
            Self::MemberPut => "member_put",
            Self::MemberRemoved => "member_removed",
            Self::WhitelistPut => "whitelist_put",
            Self::SidecarWrittenOff => "sidecar_written_off",
            Self::FundsForgiven => "funds_forgiven",
            Self::LimitForgiven => "limit_forgiven",
        }
    }

    /// Whether it ends the hold of its id, where there is one.
    pub const fn ends_hold(self) -> bool {
        matches!(self, Self::Settled | Self::Released | Self::Expired | Self::Voided)
    }
}

impl std::str::FromStr for Kind {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or(())
    }
}
