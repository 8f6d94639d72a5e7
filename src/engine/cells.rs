//! What stands under one lock: a team with its members and operations, or a book with its
//! owner's operations.

use std::collections::HashMap;
use std::sync::Arc;

use super::lock::Mutex;
use super::operations::Operations;
use super::pace::Pace;
use crate::domain::{Book, Drawer, Features, Member, MemberDraws, Payer, SubscriptionId, Team, TeamId, UserId};

/// A team as this sidecar sees it.
#[derive(Debug)]
pub struct TeamCell {
    /// As control last left it.
    pub team: Team,
    /// The book of the assigned subscription, so that a draw on the pool needs one look-up.
    pub pool: Option<Arc<Mutex<BookCell>>>,
    /// Features of the assigned subscription.
    pub features: Features,
    /// Members, removed ones too: what they used in a window is kept.
    pub members: HashMap<UserId, MemberCell, foldhash::fast::RandomState>,
    /// What was done in the team's name.
    pub operations: Operations,
}

impl TeamCell {
    /// A team without members.
    pub fn new(team: Team) -> Self {
        let (members, operations) = (HashMap::default(), Operations::default());
        Self { team, pool: None, features: Features::default(), members, operations }
    }
}

/// A member and what it drew on the pool.
#[derive(Debug)]
pub struct MemberCell {
    /// As control last left it.
    pub member: Member,
    /// By window.
    pub draws: MemberDraws,
    /// As of its last draw; its entries share it.
    pub drawer: Option<Arc<Drawer>>,
    /// How its limit is asked of, where many sidecars share it.
    pub pace: Option<Box<Pace>>,
}

impl MemberCell {
    /// A member that has drawn nothing.
    pub fn new(member: Member) -> Self {
        Self { member, draws: MemberDraws::default(), drawer: None, pace: None }
    }
}

/// A book, and what its owner did without naming a team.
#[derive(Debug)]
pub struct BookCell {
    /// The funds.
    pub book: Book,
    /// The owner's operations.
    pub operations: Operations,
    /// As of its owner's last draw without a team.
    pub drawer: Option<Arc<Drawer>>,
    /// How it is asked of, where many sidecars share it.
    pub pace: Option<Box<Pace>>,
}

impl BookCell {
    /// A book of which nothing was drawn.
    pub fn new(book: Book) -> Self {
        Self { book, operations: Operations::default(), drawer: None, pace: None }
    }
}

/// The drawer of a draw: the last one again where nothing has changed.
pub fn drawer(
    last: &mut Option<Arc<Drawer>>,
    team: Option<&TeamId>,
    member: &UserId,
    payer: Payer,
    subscription: &SubscriptionId,
) -> Arc<Drawer> {
    match last {
        Some(drawer) if drawer.payer == payer && drawer.subscription == *subscription => Arc::clone(drawer),
        _ => {
            let (team, member, subscription) = (team.cloned(), member.clone(), subscription.clone());
            Arc::clone(last.insert(Arc::new(Drawer { team, member, payer, subscription })))
        }
    }
}

/// What a user owns.
#[derive(Clone, Debug)]
pub struct Owned {
    /// The subscription.
    pub subscription: SubscriptionId,
    /// What it unlocks for its owner: nothing while it is a team's pool.
    pub features: Features,
}
