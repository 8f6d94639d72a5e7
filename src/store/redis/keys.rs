//! Where everything is: the names of Redis' keys and of the fields of its hashes. All keys carry one
//! hash tag, so that they are in one slot and one commit can take any of them.

use crate::domain::{OperationId, SubscriptionId, TeamId, UserId};
use crate::root::{Key, PendingKey};
use crate::store::hold::HoldKey;

/// One row's place: a hash and a field of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Slot {
    /// The hash.
    pub key: String,
    /// The field.
    pub field: String,
}

/// The names of all keys.
#[derive(Clone, Debug)]
pub struct Keys {
    prefix: String,
}

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident $text:literal;)*) => {
        $($(#[$doc])* pub fn $name(&self) -> String { self.named($text) })*
    };
}

impl Keys {
    /// Names that begin with `prefix`, which has a hash tag.
    pub fn new(prefix: &str) -> Self {
        Self { prefix: prefix.to_owned() }
    }

    fn named(&self, name: &str) -> String {
        format!("{}:{name}", self.prefix)
    }

    names! {
        /// A text: the fence, how many commits there were, and the ledger's last position.
        meta "meta";
        /// A hash: all that a lender of blocks keeps.
        lender "lender";
        /// A hash of one row: which store this is.
        root "root";
        /// A hash: sidecars by id.
        sidecars "sidecars";
        /// A hash: subscriptions by id.
        subscriptions "subscriptions";
        /// A hash: each owner's subscription.
        owners "owners";
        /// A hash: purchases by `SUBSCRIPTION/ID`.
        purchases "purchases";
        /// A hash: teams by id.
        teams "teams";
        /// A hash: what is lent of members' limits, by `TEAM/USER`.
        funds "funds";
        /// A sorted set: ids of teams.
        team_names "names:teams";
        /// A sorted set: rows that control changed, by the number of the change.
        changed "changed";
        /// A stream: all entries.
        ledger "ledger";
        /// A text that soon expires: who asks the others to leave which row alone.
        turn "turn";
        /// A channel: there may be something to sync for.
        pushes "pushes";
    }

    /// A hash: a team's members by user, removed or not.
    pub fn members(&self, team: &TeamId) -> String {
        self.named(&format!("members:{team}"))
    }

    /// A sorted set: a team's members that have not been removed.
    pub fn member_names(&self, team: &TeamId) -> String {
        self.named(&format!("names:members:{team}"))
    }

    /// A sorted set: the teams in which a user is.
    pub fn teams_of(&self, user: &UserId) -> String {
        self.named(&format!("names:of:{user}"))
    }

    /// A hash: a sidecar's open holds.
    pub fn holds(&self, sidecar: u128) -> String {
        self.holds_of() + &hex(sidecar)
    }

    /// What the names of the hashes of holds have before the sidecar's id.
    pub fn holds_of(&self) -> String {
        self.named("holds:")
    }

    /// A hash: who entered the operations of a day first, by `SCOPE ID`.
    pub fn begun(&self, day: i64) -> String {
        self.named(&format!("begun:{day}"))
    }

    /// A hash: what a sidecar has yet to enter, by the entry that brought it about.
    pub fn pending(&self, owner: u128) -> String {
        self.named(&format!("pending:{}", hex(owner)))
    }

    /// A stream: a team's entries.
    pub fn team_ledger(&self, team: &TeamId) -> String {
        self.named(&format!("ledger:{team}"))
    }

    /// Where the row of a key is; `None` for keys of many rows.
    pub fn slot(&self, key: &Key) -> Option<Slot> {
        let (key, field) = match key {
            Key::Sidecar(id) => (self.sidecars(), hex(*id)),
            Key::Root => (self.root(), "root".to_owned()),
            Key::Subscription(id) => (self.subscriptions(), id.to_string()),
            Key::Owned(user) => (self.owners(), user.to_string()),
            Key::Purchase(subscription, id) => (self.purchases(), purchase(subscription, id)),
            Key::Team(id) => (self.teams(), id.to_string()),
            Key::Member(team, user) => (self.members(team), user.to_string()),
            Key::MemberFunds(team, user) => (self.funds(), person(team, user)),
            Key::Hold(sidecar, operation) => {
                (self.holds(*sidecar), hold(&(operation.scope.to_string(), operation.id.clone())))
            }
            Key::Members(_) | Key::Sidecars | Key::Begun(_) | Key::Pending(_) => return None,
        };
        Some(Slot { key, field })
    }
}

/// An id of a sidecar.
pub fn hex(id: u128) -> String {
    format!("{id:032x}")
}

/// `TEAM/USER`: neither has a slash.
pub fn person(team: &TeamId, user: &UserId) -> String {
    format!("{team}/{user}")
}

fn purchase(subscription: &SubscriptionId, id: &OperationId) -> String {
    format!("{subscription}/{id}")
}

/// `SCOPE ID`: neither has a space.
pub fn hold((scope, id): &HoldKey) -> String {
    format!("{scope} {id}")
}

/// `SIDECAR/NUMBER` of an entry.
pub fn pending(key: &PendingKey) -> String {
    format!("{}/{}", hex(key.by), key.seq)
}

/// The member of the set of changes for a row that engines follow.
pub fn change(key: &Key) -> Option<String> {
    match key {
        Key::Subscription(id) => Some(format!("subscription {id}")),
        Key::Team(id) => Some(format!("team {id}")),
        Key::Member(team, user) => Some(format!("member {team}/{user}")),
        _ => None,
    }
}

/// What [`change`] named.
pub fn changed(text: &str) -> Option<Key> {
    let (kind, name) = text.split_once(' ')?;
    match kind {
        "subscription" => SubscriptionId::new(name).ok().map(Key::Subscription),
        "team" => TeamId::new(name).ok().map(Key::Team),
        "member" => {
            let (team, user) = name.split_once('/')?;
            Some(Key::Member(TeamId::new(team).ok()?, UserId::new(user).ok()?))
        }
        _ => None,
    }
}
