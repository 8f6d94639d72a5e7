//! The arguments of the commands that control teams and subscriptions.

use clap::{Args, Subcommand, ValueEnum};

use super::ClientArgs;

/// `purser team`: teams, their members and their subscription.
#[derive(Args, Clone, Debug)]
pub struct TeamArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: TeamCommand,

    /// Where to ask.
    #[command(flatten)]
    pub client: ClientArgs,
}

/// What `purser team` can do.
#[derive(Clone, Debug, Subcommand)]
pub enum TeamCommand {
    /// List the teams
    List,
    /// Show a team
    Show {
        /// The team
        team: String,
    },
    /// List the members of a team
    Members {
        /// The team
        team: String,
    },
    /// Create a team, or give it another name or owner
    #[command(visible_alias = "create")]
    Put {
        /// The team
        team: String,
        /// Its owner; on a change, left out it stays
        #[arg(long, value_name = "USER")]
        owner: Option<String>,
        /// Its name; on a change, left out it stays
        #[arg(long)]
        name: Option<String>,
    },
    /// Add a member, or change its role, access, limit or opting out
    Set {
        /// The team
        team: String,
        /// The member
        member: String,
        /// What to change.
        #[command(flatten)]
        change: MemberChange,
    },
    /// Change access or limit of many members at once
    Bulk {
        /// The team
        team: String,
        /// The members
        #[arg(required_unless_present = "all", conflicts_with = "all")]
        members: Vec<String>,
        /// All members of the team
        #[arg(long)]
        all: bool,
        /// Whose features and whose credits they have
        #[arg(long, value_enum)]
        access: Option<AccessArg>,
        /// Credits that each may draw on the pool in one window, or `none`
        #[arg(long, value_name = "CREDITS|none")]
        limit: Option<String>,
        /// Change those that can be changed; without it all or none
        #[arg(long)]
        each: bool,
    },
    /// Remove a member
    Remove {
        /// The team
        team: String,
        /// The member
        member: String,
    },
    /// Assign a subscription to a team: its credits become the team's pool
    Assign {
        /// The team
        team: String,
        /// The subscription
        subscription: String,
    },
    /// Take a team's subscription away
    Unassign {
        /// The team
        team: String,
    },
    /// Set the models that a team may use
    Whitelist {
        /// The team
        team: String,
        /// The models; none turns the whitelist off
        models: Vec<String>,
    },
}

/// What changes about a member; what is left out stays.
#[derive(Args, Clone, Debug)]
pub struct MemberChange {
    /// What it may do in the team
    #[arg(long, value_enum)]
    pub role: Option<RoleArg>,

    /// Whose features and whose credits it has
    #[arg(long, value_enum)]
    pub access: Option<AccessArg>,

    /// Credits that it may draw on the pool in one window, or `none`
    #[arg(long, value_name = "CREDITS|none")]
    pub limit: Option<String>,

    /// Whether it opted out of what it was given
    #[arg(long, value_name = "BOOL")]
    pub opted_out: Option<bool>,
}

/// A role that can be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RoleArg {
    /// Members, access and limits.
    Admin,
    /// Its own opting out and entries.
    Member,
}

impl RoleArg {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Member => "member",
        }
    }
}

/// An access that can be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum AccessArg {
    /// The team's features; the pool pays.
    Seat,
    /// Own features; the pool pays.
    Credits,
    /// Own features and own credits.
    Personal,
}

impl AccessArg {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Seat => "seat",
            Self::Credits => "credits",
            Self::Personal => "personal",
        }
    }
}

/// `purser subscription`: what a user bought.
#[derive(Args, Clone, Debug)]
pub struct SubscriptionArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: SubscriptionCommand,

    /// Where to ask.
    #[command(flatten)]
    pub client: ClientArgs,
}

/// What `purser subscription` can do.
#[derive(Clone, Debug, Subcommand)]
pub enum SubscriptionCommand {
    /// Show a subscription with its grants
    Show {
        /// The subscription
        subscription: String,
    },
    /// Create a subscription, or replace all its terms
    #[command(visible_alias = "create")]
    Put {
        /// The subscription
        subscription: String,
        /// Its terms.
        #[command(flatten)]
        terms: TermsArgs,
    },
    /// Buy credits for a subscription
    Purchase {
        /// The subscription
        subscription: String,
        /// How many credits
        credits: String,
        /// The purchase's own id: given again, it buys nothing more
        #[arg(long, value_name = "ID")]
        id: String,
        /// When they expire, RFC 3339; without it never
        #[arg(long, value_name = "TIME")]
        expires_at: Option<String>,
    },
}

/// The terms of a subscription, all of them: what is left out gets its default.
#[derive(Args, Clone, Debug)]
pub struct TermsArgs {
    /// Who owns it
    #[arg(long, value_name = "USER")]
    pub owner: String,

    /// The plan's name
    #[arg(long, default_value = "")]
    pub plan: String,

    /// Places that it pays for
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seats: u32,

    /// Monthly credits of one seat
    #[arg(long, value_name = "CREDITS", default_value = "0")]
    pub credits_per_seat: String,

    /// From when its months are counted, RFC 3339
    #[arg(long, value_name = "TIME")]
    pub billing_anchor: String,

    /// The most that rolls over from one window; without it one window's grant
    #[arg(long, value_name = "CREDITS")]
    pub rollover_cap: Option<String>,

    /// For how many further windows credits roll over
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub rollover_windows: u32,

    /// It ends: no further credits, no features
    #[arg(long)]
    pub canceled: bool,

    /// Unlocks private workflows
    #[arg(long)]
    pub private_workflows: bool,

    /// Unlocks saved history
    #[arg(long)]
    pub save_history: bool,

    /// Unlocks the whitelist of models
    #[arg(long)]
    pub model_whitelist: bool,
}
