//! What stands under one lock: a team with its members and operations, or a book with its
//! owner's operations.

use std::sync::Arc;

use super::fetch;
use super::known::By;
use super::lock::Mutex;
use super::members::{Members, Paces};
use super::numbered::Numbered;
use super::operations::Operations;
use super::pace::Pace;
use crate::domain::{Book, Drawer, Features, Payer, SubscriptionId, Team, TeamId, UserId};

/// A team as this sidecar sees it. What a draw touches comes first, so that it lies together in memory.
#[derive(Debug)]
#[repr(C)]
pub struct TeamCell {
    /// The assigned subscription.
    pub pool: Option<Pool>,
    /// Features of the assigned subscription.
    pub features: Features,
    /// Members, removed ones too.
    pub members: Members,
    /// What was done in the team's name.
    pub operations: Operations,
    /// What was drawn on in the team's name.
    pub sources: Numbered<Source>,
    /// As control last left it.
    pub team: Team,
    /// How its members' limits are asked of.
    pub paces: Paces,
}

/// The subscription that is assigned to a team.
#[derive(Clone, Debug)]
pub struct Pool {
    /// Its book, so that a draw on it needs no look-up.
    pub book: Arc<Mutex<BookCell>>,
    /// Its number among the team's sources.
    pub source: u32,
}

impl Pool {
    /// Begins to fetch the book from memory: who locks it a little later waits for it and for all that is read
    /// meanwhile at once, not one after the other.
    #[inline]
    pub fn fetch(&self) {
        fetch::book(&self.book);
    }
}

/// What is drawn on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Source {
    /// Whose credits pay.
    pub payer: Payer,
    /// The subscription.
    pub subscription: SubscriptionId,
}

impl TeamCell {
    /// A team without members.
    pub fn new(team: Team) -> Self {
        let (members, sources, operations) = (Members::default(), Numbered::default(), Operations::default());
        Self { team, pool: None, features: Features::default(), members, sources, operations, paces: Paces::default() }
    }

    /// Asks for what a draw of a member touches apart from the team itself.
    #[inline]
    pub fn fetch(&self, member: u32) {
        self.pool.iter().for_each(Pool::fetch);
        self.members.fetch(member);
    }

    /// Takes note of the assigned subscription's book.
    pub fn set_pool(&mut self, book: Option<Arc<Mutex<BookCell>>>) {
        let assigned = self.team.subscription.clone().zip(book);
        self.pool = assigned.map(|(subscription, book)| {
            let (source, _) = self.sources.number(&Source { payer: Payer::Pool, subscription });
            Pool { book, source }
        });
    }
}

/// Who drew in a team's name, and on what.
pub(super) fn drawer_in(team: &TeamId, members: &Members, sources: &Numbered<Source>, by: By) -> Drawer {
    let Source { payer, subscription } = sources[by.source].clone();
    Drawer { team: Some(team.clone()), member: members.user(by.member).clone(), payer, subscription }
}

/// A book, and what its owner did without naming a team.
#[derive(Debug)]
#[repr(C)]
pub struct BookCell {
    /// The funds.
    pub book: Book,
    /// Who has owned it, of those who did something without naming a team.
    pub owners: Numbered<UserId>,
    /// The owner's operations.
    pub operations: Operations,
    /// How it is asked of, where many sidecars share it.
    pub pace: Option<Box<Pace>>,
}

impl BookCell {
    /// A book of which nothing was drawn.
    pub fn new(book: Book) -> Self {
        Self { book, owners: Numbered::default(), operations: Operations::default(), pace: None }
    }
}

/// Which owner of a book drew on it without naming a team.
pub(super) fn drawer_of(book: &Book, owners: &Numbered<UserId>, by: By) -> Drawer {
    let (member, subscription) = (owners[by.member].clone(), book.subscription.clone());
    Drawer { team: None, member, payer: Payer::Wallet, subscription }
}

/// What a user owns.
#[derive(Clone, Debug)]
pub struct Owned {
    /// The subscription.
    pub subscription: SubscriptionId,
    /// What it unlocks for its owner: nothing while it is a team's pool.
    pub features: Features,
}
