//! Why not: a denial is data, with one reason, the numbers that caused it and the way out (I12).

use std::fmt;

use super::access::Payer;
use super::credits::Credits;
use super::ids::{Model, TeamId, UserId};
use super::time::Timestamp;

/// The one reason of a denial; earlier ones win over later ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// Unknown team or member.
    NotAMember,
    /// Cannot decide safely.
    Unavailable,
    /// The whitelist that applies lacks the model, or no model was named.
    ModelNotAllowed,
    /// The payer's debt is not yet covered.
    InDebt,
    /// Used and asked are above the member's limit.
    MemberLimit,
    /// The pool has less than asked.
    PoolExhausted,
    /// The member's own credits are less than asked, or there are none.
    WalletExhausted,
    /// It would fit if the open holds of the scope that fails were returned.
    Held,
}

impl Reason {
    /// All reasons, for tables and metrics.
    pub const ALL: [Self; 8] = [
        Self::NotAMember,
        Self::Unavailable,
        Self::ModelNotAllowed,
        Self::InDebt,
        Self::MemberLimit,
        Self::PoolExhausted,
        Self::WalletExhausted,
        Self::Held,
    ];

    /// The word on the wire and in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotAMember => "not_a_member",
            Self::Unavailable => "unavailable",
            Self::ModelNotAllowed => "model_not_allowed",
            Self::InDebt => "in_debt",
            Self::MemberLimit => "member_limit",
            Self::PoolExhausted => "pool_exhausted",
            Self::WalletExhausted => "wallet_exhausted",
            Self::Held => "held",
        }
    }

    /// The status that a gateway can forward as it stands.
    pub const fn status(self) -> u16 {
        match self {
            Self::PoolExhausted | Self::WalletExhausted | Self::InDebt => 402,
            Self::MemberLimit | Self::ModelNotAllowed | Self::NotAMember => 403,
            Self::Held => 429,
            Self::Unavailable => 503,
        }
    }

    /// A short text for people.
    pub const fn title(self) -> &'static str {
        match self {
            Self::NotAMember => "Not a member",
            Self::Unavailable => "Cannot decide",
            Self::ModelNotAllowed => "Model not allowed",
            Self::InDebt => "Debt not covered",
            Self::MemberLimit => "Member limit reached",
            Self::PoolExhausted => "Pool exhausted",
            Self::WalletExhausted => "Own credits exhausted",
            Self::Held => "Credits held",
        }
    }

    /// Whether the same request may be allowed later without anybody's doing.
    pub const fn retryable(self) -> bool {
        matches!(self, Self::Held | Self::Unavailable)
    }
}

/// What whoever was denied can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextStep {
    /// Buy credits for the payer.
    BuyCredits,
    /// Raise the member's limit.
    RaiseLimit,
    /// Opt out, so that own credits pay.
    SwitchToPersonal,
    /// Opt back in, so that the pool pays.
    OptBackIn,
    /// Name a model of the whitelist.
    ChooseAnotherModel,
    /// Ask an admin of the team.
    AskAdmin,
    /// Ask again after the time that the denial names.
    Retry,
}

impl NextStep {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BuyCredits => "buy_credits",
            Self::RaiseLimit => "raise_limit",
            Self::SwitchToPersonal => "switch_to_personal",
            Self::OptBackIn => "opt_back_in",
            Self::ChooseAnotherModel => "choose_another_model",
            Self::AskAdmin => "ask_admin",
            Self::Retry => "retry",
        }
    }
}

/// The numbers of the scope that failed, at the time of the decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Numbers {
    /// The member's limit, or what was lent of the payer's funds.
    pub limit: Credits,
    /// Charged less refunds.
    pub used: Credits,
    /// Set aside by open holds.
    pub held: Credits,
}

impl Numbers {
    /// What is left.
    pub fn remaining(&self) -> Credits {
        self.limit.saturating_sub(self.used.checked_add(self.held).unwrap_or(Credits::MAX))
    }
}

/// Why not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    /// The one reason.
    pub reason: Reason,
    /// The team in whose name was asked.
    pub team: Option<TeamId>,
    /// Who asked.
    pub member: UserId,
    /// How much was asked.
    pub asked: Credits,
    /// The model that was named.
    pub model: Option<Model>,
    /// Whose credits would have paid, once that is known.
    pub payer: Option<Payer>,
    /// Whether the scope that failed is the member's limit.
    pub of_limit: bool,
    /// The numbers of the scope that failed; `None` for reasons without numbers.
    pub numbers: Option<Numbers>,
    /// The payer's debt, for [`Reason::InDebt`].
    pub debt: Option<Credits>,
    /// When the window of the scope that failed ends.
    pub resets_at: Option<Timestamp>,
    /// When asking again may help, in milliseconds; for retryable reasons.
    pub retry_after_ms: Option<u64>,
    /// What to do.
    pub next_step: NextStep,
}

/// One sentence with the numbers.
impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { member, asked, .. } = self;
        match self.reason {
            Reason::NotAMember => match &self.team {
                Some(team) => write!(f, "There is no team {team}, or {member} is not a member of it."),
                None => write!(f, "{member} owns no subscription."),
            },
            Reason::Unavailable => write!(f, "Purser cannot decide safely at the moment; {asked} asked."),
            Reason::ModelNotAllowed => match &self.model {
                Some(model) => write!(f, "The whitelist{} lacks the model {model}.", InTeam(self.team.as_ref())),
                None => write!(f, "A whitelist applies{} and no model was named.", InTeam(self.team.as_ref())),
            },
            Reason::InDebt => {
                let debt = self.debt.unwrap_or_default();
                write!(f, "{} owes {debt} credits that no grant has covered yet; {asked} asked.", self.whose())
            }
            _ => self.write_numbers(f),
        }
    }
}

impl Denial {
    fn whose(&self) -> String {
        match (&self.team, self.payer) {
            (Some(team), Some(Payer::Pool)) => format!("The pool of team {team}"),
            _ => format!("The wallet of {}", self.member),
        }
    }

    fn write_numbers(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { member, asked, .. } = self;
        let Some(Numbers { limit, used, held }) = self.numbers else {
            return match (&self.team, self.payer) {
                (Some(team), Some(Payer::Pool)) => {
                    write!(f, "No subscription is assigned to team {team}; {asked} asked.")
                }
                _ => write!(f, "{member} has no credits of its own; {asked} asked."),
            };
        };
        if self.of_limit {
            let team = InTeam(self.team.as_ref());
            write!(
                f,
                "{member} has used {used} and holds {held} of {limit} credits of this window{team}; {asked} asked."
            )
        } else {
            write!(f, "{} has used {used} and holds {held} of {limit} credits; {asked} asked.", self.whose())
        }
    }
}

struct InTeam<'a>(Option<&'a TeamId>);

impl fmt::Display for InTeam<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |team| write!(f, " in team {team}"))
    }
}
