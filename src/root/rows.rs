//! The rows that a rule reads and writes, loaded on demand and saved as a whole.
//!
//! A rule is a pure function over [`Rows`]. Asking for a row that has not been loaded answers
//! [`Missing`]; the store then loads (and locks) that row and runs the rule again from the start.
//! So a rule stays free of IO, every store loads exactly what is needed, and nothing is written
//! before the rule has gone through.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::abandoned::Abandoned;
use super::begun::{Begun, Sought};
use super::holder::SOLE;
use super::pending::Pending;
use super::sidecar::{MemberFunds, Root, Sidecar};
use super::subscription::Subscription;
use crate::domain::{Credits, Member, Operation, OperationId, SubscriptionId, Team, TeamId, Timestamp, UserId};

/// The name of a row, or of all members of a team.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// A sidecar by its id; [`SOLE`] is whichever there is of a store that serves only one.
    Sidecar(u128),
    /// All sidecars that ever registered.
    Sidecars,
    /// Which store this is.
    Root,
    /// A subscription with its grants and accounts.
    Subscription(SubscriptionId),
    /// Which subscription a user owns.
    Owned(UserId),
    /// A purchase that was made.
    Purchase(SubscriptionId, OperationId),
    /// A team without its members.
    Team(TeamId),
    /// One member, removed or not.
    Member(TeamId, UserId),
    /// All members of a team, removed or not.
    Members(TeamId),
    /// What a member's limit is lent to sidecars.
    MemberFunds(TeamId, UserId),
    /// Which sidecars entered these operations first.
    Begun(Arc<Sought>),
    /// What a sidecar has yet to enter because of what others did; of [`NOBODY`] what is nobody's yet.
    ///
    /// [`NOBODY`]: super::pending::NOBODY
    Pending(u128),
    /// An open hold of a sidecar.
    Hold(u128, Operation),
}

/// Whether a store's credits are all one sidecar's, or lent to many in parts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sharing {
    /// Nobody else can have the store: whoever registers takes over everything.
    #[default]
    Sole,
    /// Any number of sidecars.
    Many,
}

/// A row that the rule needs and that has not been loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing(pub Key);

/// A purchase that was made, kept so that the same id is never granted twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Purchase {
    /// The subscription that was topped up.
    pub subscription: SubscriptionId,
    /// The caller's id of it.
    pub id: OperationId,
    /// How much was bought.
    pub credits: Credits,
    /// When it expires.
    pub expires_at: Option<Timestamp>,
}

/// A set of loaded rows, and which of them a rule has changed.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    loaded: BTreeSet<Key>,
    dirty: BTreeSet<Key>,
    sharing: Sharing,
    sidecars: BTreeMap<u128, Sidecar>,
    root: Option<Root>,
    subscriptions: BTreeMap<SubscriptionId, Subscription>,
    purchases: BTreeMap<(SubscriptionId, OperationId), Purchase>,
    teams: BTreeMap<TeamId, Team>,
    members: BTreeMap<(TeamId, UserId), Member>,
    owned: BTreeMap<UserId, SubscriptionId>,
    funds: BTreeMap<(TeamId, UserId), MemberFunds>,
    begun: BTreeMap<Operation, Begun>,
    pending: BTreeMap<u128, Vec<Pending>>,
    holds: BTreeMap<(u128, Operation), Abandoned>,
    /// Members who had no limit and have one now.
    newly_limited: BTreeSet<(TeamId, UserId)>,
    /// A subscription has been put that was not there.
    puts_subscription: bool,
}

/// One row, for stores that load and save.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Row {
    /// See [`Key::Sidecar`].
    Sidecar(Sidecar),
    /// See [`Key::Subscription`].
    Subscription(Box<Subscription>),
    /// See [`Key::Purchase`].
    Purchase(Purchase),
    /// See [`Key::Team`].
    Team(Team),
    /// See [`Key::Member`].
    Member(TeamId, Member),
    /// See [`Key::Owned`]; follows from the subscription, so stores save nothing for it.
    Owned(UserId, SubscriptionId),
    /// See [`Key::Root`].
    Root(Root),
    /// See [`Key::MemberFunds`].
    MemberFunds(Box<MemberFunds>),
    /// See [`Key::Begun`]; follows from the entries, so stores save nothing for it.
    Begun(Operation, Begun),
    /// See [`Key::Pending`]; saved by [`PendingChanges`](super::pending::PendingChanges).
    Pending(Box<Pending>),
    /// See [`Key::Hold`]; ended by [`Change::HoldEnded`](super::command::Change::HoldEnded).
    Hold(Box<Abandoned>),
}

impl Row {
    /// The key of a row that every sidecar's engine follows; `None` for the root's own.
    pub fn followed(&self) -> Option<Key> {
        match self {
            Self::Subscription(row) => Some(Key::Subscription(row.id.clone())),
            Self::Team(row) => Some(Key::Team(row.id.clone())),
            Self::Member(team, row) => Some(Key::Member(team.clone(), row.user.clone())),
            Self::Sidecar(_) | Self::Root(_) | Self::MemberFunds(_) | Self::Purchase(_) | Self::Owned(..) => None,
            Self::Begun(..) | Self::Pending(_) | Self::Hold(_) => None,
        }
    }
}

impl Rows {
    /// Rows of a store that shares its credits so.
    pub fn of(sharing: Sharing) -> Self {
        Self { sharing, ..Self::default() }
    }

    /// How the store's credits are shared.
    pub fn sharing(&self) -> Sharing {
        self.sharing
    }

    /// Under which id a sidecar's row is found.
    fn slot(&self, sidecar: u128) -> u128 {
        match self.sharing {
            Sharing::Sole => SOLE,
            Sharing::Many => sidecar,
        }
    }

    /// Takes what a store found under `key`: nothing, one row, or all members of a team.
    pub fn load(&mut self, key: Key, rows: impl IntoIterator<Item = Row>) {
        for row in rows {
            match row {
                Row::Sidecar(row) => drop(self.sidecars.insert(self.slot(row.id), row)),
                Row::Root(row) => self.root = Some(row),
                Row::MemberFunds(row) => drop(self.funds.insert((row.team.clone(), row.user.clone()), *row)),
                Row::Subscription(row) => drop(self.subscriptions.insert(row.id.clone(), *row)),
                Row::Purchase(row) => drop(self.purchases.insert((row.subscription.clone(), row.id.clone()), row)),
                Row::Team(row) => drop(self.teams.insert(row.id.clone(), row)),
                Row::Member(team, row) => drop(self.members.insert((team, row.user.clone()), row)),
                Row::Owned(user, subscription) => drop(self.owned.insert(user, subscription)),
                Row::Begun(operation, begun) => drop(self.begun.insert(operation, begun)),
                Row::Pending(row) => self.pending.entry(row.owner).or_default().push(*row),
                Row::Hold(row) => drop(self.holds.insert((row.sidecar, row.operation.clone()), *row)),
            }
        }
        self.loaded.insert(key);
    }

    /// The rows that a rule has changed, in the order of their keys.
    pub fn changed(&self) -> Vec<Row> {
        self.dirty.iter().map(|key| self.row(key)).collect()
    }

    fn row(&self, key: &Key) -> Row {
        let found = match key {
            Key::Sidecar(id) => self.sidecars.get(id).cloned().map(Row::Sidecar),
            Key::Root => self.root.clone().map(Row::Root),
            Key::MemberFunds(team, user) => {
                let funds = self.funds.get(&(team.clone(), user.clone())).cloned();
                funds.map(|row| Row::MemberFunds(Box::new(row)))
            }
            Key::Subscription(id) => self.subscriptions.get(id).cloned().map(|row| Row::Subscription(Box::new(row))),
            Key::Purchase(subscription, id) => {
                self.purchases.get(&(subscription.clone(), id.clone())).cloned().map(Row::Purchase)
            }
            Key::Team(id) => self.teams.get(id).cloned().map(Row::Team),
            Key::Member(team, user) => {
                let member = self.members.get(&(team.clone(), user.clone())).cloned();
                member.map(|member| Row::Member(team.clone(), member))
            }
            Key::Owned(_) | Key::Members(_) | Key::Sidecars => None,
            Key::Begun(_) | Key::Pending(_) | Key::Hold(..) => None,
        };
        found.expect("only rows that were put are changed")
    }

    fn need(&self, key: Key) -> Result<(), Missing> {
        if self.loaded.contains(&key) { Ok(()) } else { Err(Missing(key)) }
    }

    fn mark(&mut self, key: Key) {
        self.loaded.insert(key.clone());
        self.dirty.insert(key);
    }

    /// Saves a row of any kind.
    pub fn put(&mut self, row: Row) {
        match row {
            Row::Sidecar(row) => self.put_sidecar(row),
            Row::Root(row) => self.put_root(row),
            Row::MemberFunds(row) => self.put_member_funds(*row),
            Row::Subscription(row) => self.put_subscription(*row),
            Row::Purchase(row) => self.put_purchase(row),
            Row::Team(row) => self.put_team(row),
            Row::Member(team, row) => self.put_member(&team, row),
            // Follow from the subscription and from entries.
            Row::Owned(..) | Row::Begun(..) | Row::Pending(_) | Row::Hold(_) => {}
        }
    }

    /// Asks for all of [`Key::Begun`]; what there is is among [`Rows::all_begun`].
    pub(super) fn begun(&self, key: &Key) -> Result<(), Missing> {
        self.need(key.clone())
    }

    /// Who entered operations first, of all that were asked for.
    pub(super) fn all_begun(&self) -> &BTreeMap<Operation, Begun> {
        &self.begun
    }

    /// An open hold of a sidecar.
    pub fn hold(&self, sidecar: u128, operation: &Operation) -> Result<Option<&Abandoned>, Missing> {
        let key = (sidecar, operation.clone());
        self.need(Key::Hold(sidecar, operation.clone()))?;
        Ok(self.holds.get(&key))
    }

    /// What a sidecar has yet to do, oldest first.
    pub fn pending(&self, owner: u128) -> Result<&[Pending], Missing> {
        self.need(Key::Pending(owner))?;
        Ok(self.pending.get(&owner).map_or(&[], Vec::as_slice))
    }

    /// A sidecar's row.
    pub fn sidecar(&self, id: u128) -> Result<Option<&Sidecar>, Missing> {
        let slot = self.slot(id);
        if !self.loaded.contains(&Key::Sidecars) {
            self.need(Key::Sidecar(slot))?;
        }
        Ok(self.sidecars.get(&slot))
    }

    /// All sidecars, by id.
    pub fn sidecars(&self) -> Result<impl Iterator<Item = &Sidecar>, Missing> {
        self.need(Key::Sidecars)?;
        Ok(self.sidecars.values())
    }

    /// Saves a sidecar.
    pub fn put_sidecar(&mut self, sidecar: Sidecar) {
        let slot = self.slot(sidecar.id);
        self.sidecars.insert(slot, sidecar);
        self.mark(Key::Sidecar(slot));
    }

    /// Which store this is.
    pub fn root(&self) -> Result<Root, Missing> {
        self.need(Key::Root)?;
        Ok(self.root.clone().unwrap_or_default())
    }

    /// Saves which store this is.
    pub fn put_root(&mut self, root: Root) {
        self.root = Some(root);
        self.mark(Key::Root);
    }

    /// What a member's limit is lent to sidecars.
    pub fn member_funds(&self, team: &TeamId, user: &UserId) -> Result<Option<&MemberFunds>, Missing> {
        self.need(Key::MemberFunds(team.clone(), user.clone()))?;
        Ok(self.funds.get(&(team.clone(), user.clone())))
    }

    /// Saves what a member's limit is lent to sidecars.
    pub fn put_member_funds(&mut self, funds: MemberFunds) {
        self.mark(Key::MemberFunds(funds.team.clone(), funds.user.clone()));
        self.funds.insert((funds.team.clone(), funds.user.clone()), funds);
    }

    /// Members who had no limit when they were loaded and have been given one.
    pub(super) fn newly_limited(&self) -> impl Iterator<Item = &(TeamId, UserId)> {
        self.newly_limited.iter()
    }

    /// Whether a subscription has been put that was not there.
    pub(super) fn puts_subscription(&self) -> bool {
        self.puts_subscription
    }

    /// A subscription.
    pub fn subscription(&self, id: &SubscriptionId) -> Result<Option<&Subscription>, Missing> {
        self.need(Key::Subscription(id.clone()))?;
        Ok(self.subscriptions.get(id))
    }

    /// Saves a subscription.
    pub fn put_subscription(&mut self, subscription: Subscription) {
        let owner = subscription.terms.owner.clone();
        self.owned.insert(owner, subscription.id.clone());
        self.mark(Key::Subscription(subscription.id.clone()));
        self.puts_subscription |= self.subscriptions.insert(subscription.id.clone(), subscription).is_none();
    }

    /// Which subscription a user owns.
    pub fn owned(&self, user: &UserId) -> Result<Option<&SubscriptionId>, Missing> {
        self.need(Key::Owned(user.clone()))?;
        Ok(self.owned.get(user))
    }

    /// A purchase that was made.
    pub fn purchase(&self, subscription: &SubscriptionId, id: &OperationId) -> Result<Option<&Purchase>, Missing> {
        self.need(Key::Purchase(subscription.clone(), id.clone()))?;
        Ok(self.purchases.get(&(subscription.clone(), id.clone())))
    }

    /// Saves a purchase.
    pub fn put_purchase(&mut self, purchase: Purchase) {
        self.mark(Key::Purchase(purchase.subscription.clone(), purchase.id.clone()));
        self.purchases.insert((purchase.subscription.clone(), purchase.id.clone()), purchase);
    }

    /// A team.
    pub fn team(&self, id: &TeamId) -> Result<Option<&Team>, Missing> {
        self.need(Key::Team(id.clone()))?;
        Ok(self.teams.get(id))
    }

    /// Saves a team.
    pub fn put_team(&mut self, team: Team) {
        self.mark(Key::Team(team.id.clone()));
        self.teams.insert(team.id.clone(), team);
    }

    /// One member, removed or not.
    pub fn member(&self, team: &TeamId, user: &UserId) -> Result<Option<&Member>, Missing> {
        if !self.loaded.contains(&Key::Members(team.clone())) {
            self.need(Key::Member(team.clone(), user.clone()))?;
        }
        Ok(self.members.get(&(team.clone(), user.clone())))
    }

    /// All members of a team, removed or not, by user id.
    pub fn members(&self, team: &TeamId) -> Result<Vec<&Member>, Missing> {
        self.need(Key::Members(team.clone()))?;
        Ok(self.members.iter().filter(|((of, _), _)| of == team).map(|(_, member)| member).collect())
    }

    /// Saves a member.
    pub fn put_member(&mut self, team: &TeamId, member: Member) {
        let user = member.user.clone();
        let known = self.members.get(&(team.clone(), user.clone()));
        if member.limit.is_some() && known.is_some_and(|known| known.limit.is_none()) {
            self.newly_limited.insert((team.clone(), user.clone()));
        }
        self.mark(Key::Member(team.clone(), user.clone()));
        self.members.insert((team.clone(), user), member);
    }
}
