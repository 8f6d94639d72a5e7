//! The system of record: keeps what the rules of `root` decide and the ledger of all entries.
//!
//! A store locks rows, loads them, runs a rule and saves what it changed, all in one transaction. It
//! decides nothing itself, knows no clock, and serves no debit: the hot path is the engine's.

pub mod audit;
pub mod blocks;
pub mod commit;
mod deadline;
pub mod detail;
pub mod error;
pub mod hold;
pub mod holding;
pub mod kind;
pub mod ledger;
pub mod memory;
mod packed;
pub mod pending;
pub mod postgres;
pub mod read;
pub mod redis;
pub mod sqlite;

use std::collections::BTreeMap;

use async_trait::async_trait;
use tokio::sync::watch;

use crate::domain::{Credits, Member, SubscriptionId, Team, TeamId, Timestamp, UserId};
use crate::root::blocks::Asked;
use crate::root::shelf::Pool;
use crate::root::subscription::Subscription;
use crate::root::sync::{Reply, Request, SyncRefusal};
use crate::root::{
    Actor, Done, Key, MemberFunds, Missing, Pending, Refusal, Row, Rows, SOLE, Shares, Sharing, Sidecar,
};

pub use self::redis::Redis;
pub use audit::{Audit, Difference};
pub use blocks::Blocks;
pub use error::StoreError;
pub use hold::Hold;
pub use holding::Holding;
pub use kind::Kind;
pub use ledger::{LedgerEntry, Moves};
pub use memory::Memory;
pub use postgres::Postgres;
pub use read::{Changes, Filter, Loaded, Scope, Visitor};
pub use sqlite::Sqlite;

/// A rule of control: a pure function over rows, run again whenever a row is missing.
pub type Rule<'a> = &'a (dyn Fn(&mut Rows) -> Result<Result<Done, Refusal>, Missing> + Send + Sync);

/// The most often that one rule may ask for a further row. Rules ask for a handful; those that ask for
/// many members soon get them all.
pub const RULE_RUNS_MAX: usize = 1_000;

/// From which run on a rule that asks for one more member gets all members of the team.
const WIDEN_FROM_RUN: usize = 256;

/// What to load for a rule that has been run `runs` times and asks for `key`. A bulk change asks for
/// members one by one, and every time costs another run.
fn widened(key: Key, runs: usize) -> Key {
    match key {
        Key::Member(team, _) if runs >= WIDEN_FROM_RUN => Key::Members(team),
        key => key,
    }
}

/// What came of a change of control.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Controlled {
    /// What was done, or why nothing was.
    pub answer: Result<Done, Refusal>,
    /// The rows that the rule put, as they now stand; none after a refusal.
    pub rows: Vec<Row>,
}

/// What came of borrowing from a lender beside the store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Borrowing {
    /// What was borrowed of which account.
    pub credits: Vec<(Pool, Credits)>,
    /// How often the lender was asked.
    pub asked: u64,
    /// How often it did not answer.
    pub failed: u64,
}

/// A system of record. Every verb is one transaction, takes bounded time, may be repeated, and saves
/// either everything or nothing.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Makes an incarnation the newest of the sidecar; answers the last entry that the ledger has.
    async fn register(
        &self,
        id: u128,
        incarnation: u64,
        nonce: u128,
    ) -> Result<Result<Sidecar, SyncRefusal>, StoreError>;

    /// Takes a sidecar's report and lends.
    async fn sync(&self, request: &Request, now: Timestamp) -> Result<Result<Reply, SyncRefusal>, StoreError>;

    /// Whether there is a lender beside the store, of which may be borrowed.
    fn has_lender(&self) -> bool {
        false
    }

    /// Adds what only the store knows to what a sidecar is about to say: what it has borrowed of a lender
    /// beside the store. Comes before every [`Store::sync`] of one of many.
    fn tell(&self, _shares: &mut Shares) {}

    /// Borrows from a lender beside the store, where there is one and it has something; waits for it no
    /// longer than a waiting decision may. The store hears of it by [`Store::tell`].
    async fn borrow(&self, _asked: &BTreeMap<SubscriptionId, Asked>, _now: Timestamp) -> Borrowing {
        Borrowing::default()
    }

    /// Borrows all that a lender beside the store has left of what this sidecar borrowed of: it stops, may be
    /// the last, and returns it.
    async fn call_in(&self) -> Borrowing {
        Borrowing::default()
    }

    /// Runs a rule of control for `actor` and saves what it did, with one entry for each change.
    async fn control(&self, rule: Rule<'_>, actor: &Actor, now: Timestamp) -> Result<Controlled, StoreError>;

    /// Hands over all that a sidecar's engine needs at a start, as of one instant: members' draws only
    /// of windows that may still change at `now`, holds only its own.
    async fn load(&self, sidecar: u128, now: Timestamp, visit: Visitor<'_>) -> Result<(), StoreError>;

    /// Whether this store serves one sidecar or many.
    fn sharing(&self) -> Sharing {
        Sharing::Sole
    }

    /// What control has changed after the change `since`, in order, some of it: see [`Changes::more`].
    /// A store that serves one sidecar has nothing to tell it.
    async fn changes(&self, since: u64) -> Result<Changes, StoreError> {
        Ok(Changes { upto: since, ..Changes::default() })
    }

    /// Changes whenever there may be something to sync for: control has changed rows, or credits are
    /// called back. `None`: nothing is pushed, the next beat tells.
    fn pushes(&self) -> Option<watch::Receiver<u64>> {
        None
    }

    /// The word for this kind of store in metrics.
    fn name(&self) -> &'static str;

    /// Sidecars that ever registered, by id; of a store that serves one, that one.
    async fn sidecars(&self) -> Result<Vec<Sidecar>, StoreError>;

    /// What is lent of these members' limits and what they drew, in any order; none of who drew nothing.
    /// A store that serves one sidecar lends no limits.
    async fn member_funds(&self, _team: &TeamId, _users: &[UserId]) -> Result<Vec<MemberFunds>, StoreError> {
        Ok(Vec::new())
    }

    /// Hands over what every sidecar holds, account by account. Takes as long as [`Store::load`].
    async fn holdings(&self, now: Timestamp, visit: &mut (dyn FnMut(Holding) + Send)) -> Result<(), StoreError> {
        self.load(SOLE, now, &mut |row| holding::holdings(&row).into_iter().for_each(&mut *visit)).await
    }

    /// The open holds of a sidecar, and what it has yet to enter: of one that was given up. A store that serves
    /// one sidecar gives none up.
    async fn abandoned(&self, _sidecar: u128) -> Result<(Vec<Hold>, Vec<Pending>), StoreError> {
        Ok(Default::default())
    }

    /// A subscription as it was last saved.
    async fn subscription(&self, id: &SubscriptionId) -> Result<Option<Subscription>, StoreError>;

    /// A team as it was last saved.
    async fn team(&self, id: &TeamId) -> Result<Option<Team>, StoreError>;

    /// Members of a team that have not been removed, by user id, after the cursor.
    async fn members(&self, team: &TeamId, after: Option<&UserId>, limit: usize) -> Result<Vec<Member>, StoreError>;

    /// Teams, or those in which a user is a member, by id, after the cursor.
    async fn teams(&self, of: Option<&UserId>, after: Option<&TeamId>, limit: usize) -> Result<Vec<Team>, StoreError>;

    /// Entries of the ledger in the order of their positions, after the cursor's position.
    async fn entries(&self, filter: &Filter, after: Option<u64>, limit: usize) -> Result<Vec<LedgerEntry>, StoreError>;

    /// Recomputes every sum from the ledger alone and compares it with the tables.
    async fn audit(&self) -> Result<Audit, StoreError>;
}
