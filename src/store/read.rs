//! What may be asked of a store beside its verbs: pages of the ledger, of teams and of members, and
//! everything at a start.

use super::hold::Hold;
use super::kind::Kind;
use super::ledger::LedgerEntry;
use crate::domain::{Member, OperationId, SubscriptionId, Tally, Team, TeamId, Timestamp, UserId};
use crate::root::subscription::Subscription;
use crate::root::windows::ACCOUNT_KEPT_MILLIS;
use crate::root::{MemberFunds, Root, Row};

/// The most rows of one page; bounds the memory of one answer.
pub const PAGE_MAX: usize = 1_000;

/// The page's size that is kept of what was asked: 1 to [`PAGE_MAX`].
pub const fn page(limit: usize) -> usize {
    if limit == 0 {
        1
    } else if limit > PAGE_MAX {
        PAGE_MAX
    } else {
        limit
    }
}

/// Whose entries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// Everybody's.
    #[default]
    All,
    /// A team's, its control changes included.
    Team(TeamId),
    /// Those that draw on a subscription or change it.
    Subscription(SubscriptionId),
    /// Those of a user in no team's name.
    User(UserId),
}

/// Which entries of the ledger; `None` does not filter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Whose.
    pub scope: Scope,
    /// Only this member's.
    pub member: Option<UserId>,
    /// Only of this kind.
    pub kind: Option<Kind>,
    /// Only of this operation or purchase.
    pub id: Option<OperationId>,
    /// Only at or after.
    pub from: Option<Timestamp>,
    /// Only before.
    pub to: Option<Timestamp>,
    /// The newest come first.
    pub newest_first: bool,
}

impl Filter {
    /// Whether it lets an entry through.
    pub fn admits(&self, entry: &LedgerEntry) -> bool {
        let of_scope = match &self.scope {
            Scope::All => true,
            Scope::Team(team) => entry.team.as_ref() == Some(team),
            Scope::Subscription(id) => entry.subscription.as_ref() == Some(id),
            Scope::User(user) => entry.team.is_none() && entry.member.as_ref() == Some(user),
        };
        of_scope
            && self.member.as_ref().is_none_or(|member| entry.member.as_ref() == Some(member))
            && self.kind.is_none_or(|kind| entry.kind == kind)
            && self.id.as_ref().is_none_or(|id| entry.id.as_ref() == Some(id))
            && self.from.is_none_or(|from| entry.at >= from)
            && self.to.is_none_or(|to| entry.at < to)
    }

    /// Whether `position` comes after `cursor` in the order asked for.
    pub fn is_after(&self, position: u64, cursor: Option<u64>) -> bool {
        cursor.is_none_or(|cursor| if self.newest_first { position < cursor } else { position > cursor })
    }
}

/// One of the rows that a store hands over at a start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Loaded {
    /// Which store this is, where it serves many sidecars; comes first.
    Root(Root),
    /// A subscription.
    Subscription(Box<Subscription>),
    /// A team; comes before its members.
    Team(Team),
    /// Some members of a team, removed or not; most stores hand over all of a team at once.
    Members(TeamId, Vec<Member>),
    /// What a member's limit is lent to sidecars, and what it drew through them; only of a store that
    /// serves many.
    MemberFunds(Box<MemberFunds>),
    /// What a member drew on pools in one window that may still change; only of a store that serves one.
    Draws {
        /// The team.
        team: TeamId,
        /// The member.
        member: UserId,
        /// The window's start.
        window: Timestamp,
        /// The sums.
        tally: Tally,
    },
    /// An open hold.
    Hold(Box<Hold>),
}

/// Takes the rows of a start, one by one: subscriptions, teams, members, what they drew, holds.
pub type Visitor<'a> = &'a mut (dyn FnMut(Loaded) + Send);

/// Rows that control has changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Subscriptions, teams and members as they now stand.
    pub rows: Vec<Row>,
    /// All changes up to this number are in them.
    pub upto: u64,
    /// There are later ones.
    pub more: bool,
}

/// No month is longer.
const MONTH_MILLIS_MAX: i64 = 31 * 24 * 3_600_000;

/// The earliest start of a window that may still change at `now` by a refund. Windows with open
/// holds may be older.
pub const fn oldest_window(now: Timestamp) -> i64 {
    now.millis() - ACCOUNT_KEPT_MILLIS as i64 - MONTH_MILLIS_MAX
}
