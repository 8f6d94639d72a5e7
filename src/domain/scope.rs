//! Within what an operation's id is unique: a team, or a user where no team is named.

use std::fmt;

use super::entry::Drawer;
use super::ids::{OperationId, TeamId, UserId};

/// Where an operation id counts: in a team, or in a user where no team is named.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// A team.
    Team(TeamId),
    /// A user's own credits.
    User(UserId),
}

impl Scope {
    /// The scope of what a drawer draws.
    pub fn of(drawer: &Drawer) -> Self {
        match &drawer.team {
            Some(team) => Self::Team(team.clone()),
            None => Self::User(drawer.member.clone()),
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Team(team) => write!(f, "team:{team}"),
            Self::User(user) => write!(f, "user:{user}"),
        }
    }
}

/// An operation as all sidecars name it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Operation {
    /// Within what its id is unique.
    pub scope: Scope,
    /// The caller's id of it.
    pub id: OperationId,
}
