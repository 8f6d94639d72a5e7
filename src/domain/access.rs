//! Who someone is in a team, and whose features and credits a member uses.

/// Whose features and whose credits a member uses (rule 1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Access {
    /// The team's features; the pool pays. Takes one of the subscription's seats.
    Seat,
    /// Own features; the pool pays.
    Credits,
    /// Own features; own credits pay.
    #[default]
    Personal,
}

impl Access {
    /// The word on the wire and in the ledger.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Seat => "seat",
            Self::Credits => "credits",
            Self::Personal => "personal",
        }
    }

    /// Who pays for a member with this access.
    pub const fn payer(self) -> Payer {
        match self {
            Self::Seat | Self::Credits => Payer::Pool,
            Self::Personal => Payer::Wallet,
        }
    }
}

impl std::str::FromStr for Access {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        [Self::Seat, Self::Credits, Self::Personal].into_iter().find(|a| a.as_str() == text).ok_or(())
    }
}

/// Whose credits pay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Payer {
    /// The subscription that is assigned to the team.
    Pool,
    /// The member's own subscription.
    Wallet,
}

impl Payer {
    /// The word on the wire and in the ledger.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pool => "pool",
            Self::Wallet => "wallet",
        }
    }
}

/// What a member may change in the team (rule 8).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Everything in the team; exactly one.
    Owner,
    /// Members, access and limits.
    Admin,
    /// Own opting out and back in, own entries.
    #[default]
    Member,
}

impl Role {
    /// The word on the wire and in the ledger.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Admin => "admin",
            Self::Member => "member",
        }
    }

    /// Whether this role manages members, access and limits.
    pub const fn manages(self) -> bool {
        matches!(self, Self::Owner | Self::Admin)
    }
}

impl std::str::FromStr for Role {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        [Self::Owner, Self::Admin, Self::Member].into_iter().find(|r| r.as_str() == text).ok_or(())
    }
}
