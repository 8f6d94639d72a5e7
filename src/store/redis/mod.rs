//! The store in Redis, shared by any number of sidecars: rows as values with versions, read, decided over
//! here, and written by one function inside of Redis if nothing has changed meanwhile. No rule is inside of
//! Redis. What it keeps where is in docs/store-redis.md, why in docs/decisions/0009-redis.md.

mod begun;
mod check;
mod failure;
mod fetch;
mod keys;
mod ledger;
mod lender;
mod library;
mod link;
mod lists;
mod load;
mod message;
mod pages;
mod payload;
mod pending;
mod rows;
mod save;
pub mod target;
mod text;
mod transact;
mod turn;

use std::future::Future;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;

use super::commit::{self, Commit};
use super::ledger::LedgerEntry;
use super::read::{Changes, Filter, Visitor};
use super::{Audit, Controlled, Hold, Rule, Store, StoreError};
use crate::domain::{Member, SubscriptionId, Team, TeamId, Timestamp, UserId};
use crate::root::subscription::Subscription;
use crate::root::sync::{self, Reply, Request, SyncRefusal};
use crate::root::{Actor, Key, MemberFunds, Pending, Row, Sharing, Sidecar};
use begun::Days;
use failure::Failure;
use keys::Keys;
use link::Link;
use save::Push;
use transact::{Desk, Repeat, Saving};

pub use lender::Lender;
pub use target::{Discovery, Options, Target};

/// The store in Redis.
pub struct Redis {
    desk: Desk,
    timeout: Duration,
}

impl std::fmt::Debug for Redis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Redis({})", self.desk.link.place())
    }
}

impl Redis {
    /// Connects, brings the functions, and looks at the server's settings.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn open(options: Options) -> Result<Self, StoreError> {
        let names = Keys::new(&options.prefix);
        let link = Link::new(options.target, &names, options.verb_timeout);
        let store = Self { desk: Desk::new(link, names), timeout: options.verb_timeout };
        let opening = async {
            library::load(&store.desk.link, library::LIBRARY).await?;
            check::settings(&store.desk.link).await
        };
        store.within("opening the store", opening).await?;
        Ok(store)
    }

    /// Ends a verb at its deadline. What is under way then may or may not be done; the connection is given
    /// up, because a server that hangs would take what comes next as late.
    async fn within<T>(
        &self,
        doing: &'static str,
        verb: impl Future<Output = Result<T, Failure>> + Send,
    ) -> Result<T, StoreError> {
        let place = self.desk.link.place();
        let done = match tokio::time::timeout(self.timeout, Box::pin(verb)).await {
            Ok(done) => done,
            Err(_) => {
                self.desk.link.drop_connection().await;
                let cause = format!("no answer within {} ms", self.timeout.as_millis());
                Err(Failure::away(doing, &place, cause))
            }
        };
        done.map_err(|failure| failure.at(doing, &place))
    }

    fn link(&self) -> &Link {
        &self.desk.link
    }

    fn names(&self) -> &Keys {
        &self.desk.names
    }
}

/// Nothing, and nobody is told.
fn nothing() -> Saving {
    Saving { commit: Commit::default(), push: Push::Nobody, days: None }
}

#[async_trait]
impl Store for Redis {
    async fn register(
        &self,
        id: u128,
        incarnation: u64,
        nonce: u128,
    ) -> Result<Result<Sidecar, SyncRefusal>, StoreError> {
        let registering = self.desk.transact(
            vec![Key::Sidecar(id), Key::Root],
            Repeat::Harmless,
            |rows| sync::register(rows, id, incarnation, nonce),
            |answer, loaded, rows| match answer {
                Ok(_) => {
                    let commit = Commit { rows: commit::changed(loaded, rows), ..Commit::default() };
                    Ok(Saving { commit, push: Push::Nobody, days: None })
                }
                Err(_) => Ok(nothing()),
            },
        );
        self.within("registering a sidecar", async { Ok(registering.await?.0) }).await
    }

    async fn sync(&self, request: &Request, now: Timestamp) -> Result<Result<Reply, SyncRefusal>, StoreError> {
        let syncing = self.desk.transact(
            request.rows(now),
            Repeat::Harmless,
            |rows| sync::sync(rows, request, now),
            |answer, loaded, rows| {
                let Ok((reply, synced)) = answer else { return Ok(nothing()) };
                let commit = Commit::of_sync(request, loaded, rows, synced.clone(), now)?;
                let push = if commit.pushes || reply.calls_back() { Push::Call } else { Push::Nobody };
                let remembers_millis = request.shares.as_ref().map_or(0, |shares| shares.remembers_millis);
                let days = (remembers_millis > 0).then_some(Days { now, remembers_millis });
                Ok(Saving { commit, push, days })
            },
        );
        self.within("syncing", async { Ok(syncing.await?.0.map(|(reply, _)| reply)) }).await
    }

    async fn control(&self, rule: Rule<'_>, actor: &Actor, now: Timestamp) -> Result<Controlled, StoreError> {
        let controlling = self.desk.transact(Vec::new(), Repeat::Doubtful, rule, |answer, loaded, rows| {
            let Ok(done) = answer else { return Ok(nothing()) };
            let commit = Commit::of_control(done, actor, loaded, rows, now);
            let push =
                if commit.is_empty() { Push::Nobody } else { Push::Change(rows.root().map_or(0, |root| root.config)) };
            Ok(Saving { commit, push, days: None })
        });
        let controlled = async {
            let (answer, rows) = controlling.await?;
            let rows: Vec<Row> = if answer.is_ok() { rows.changed() } else { Vec::new() };
            Ok(Controlled { answer, rows })
        };
        self.within("changing what control keeps", controlled).await
    }

    async fn load(&self, sidecar: u128, _now: Timestamp, visit: Visitor<'_>) -> Result<(), StoreError> {
        // Many rows in many answers: each has the verb's time, the whole has not.
        let loading = load::load(self.link(), self.names(), sidecar, visit).await;
        loading.map_err(|failure| failure.at("reading everything", &self.link().place()))
    }

    fn sharing(&self) -> Sharing {
        Sharing::Many
    }

    fn name(&self) -> &'static str {
        "redis"
    }

    async fn sidecars(&self) -> Result<Vec<Sidecar>, StoreError> {
        self.within("reading the sidecars", lists::sidecars(self.link(), self.names())).await
    }

    async fn member_funds(&self, team: &TeamId, users: &[UserId]) -> Result<Vec<MemberFunds>, StoreError> {
        self.within("reading what members drew", lists::member_funds(self.link(), self.names(), team, users)).await
    }

    async fn abandoned(&self, sidecar: u128) -> Result<(Vec<Hold>, Vec<Pending>), StoreError> {
        self.within("reading what a sidecar left behind", lists::abandoned(self.link(), self.names(), sidecar)).await
    }

    async fn changes(&self, since: u64) -> Result<Changes, StoreError> {
        self.within("reading changes", lists::changes(self.link(), self.names(), since)).await
    }

    fn pushes(&self) -> Option<watch::Receiver<u64>> {
        Some(self.link().pushes())
    }

    async fn subscription(&self, id: &SubscriptionId) -> Result<Option<Subscription>, StoreError> {
        self.within("reading a subscription", lists::subscription(self.link(), self.names(), id)).await
    }

    async fn team(&self, id: &TeamId) -> Result<Option<Team>, StoreError> {
        self.within("reading a team", lists::team(self.link(), self.names(), id)).await
    }

    async fn members(&self, team: &TeamId, after: Option<&UserId>, limit: usize) -> Result<Vec<Member>, StoreError> {
        self.within("reading members", lists::members(self.link(), self.names(), team, after, limit)).await
    }

    async fn teams(&self, of: Option<&UserId>, after: Option<&TeamId>, limit: usize) -> Result<Vec<Team>, StoreError> {
        self.within("reading teams", lists::teams(self.link(), self.names(), of, after, limit)).await
    }

    async fn entries(&self, filter: &Filter, after: Option<u64>, limit: usize) -> Result<Vec<LedgerEntry>, StoreError> {
        self.within("reading the ledger", pages::entries(self.link(), self.names(), filter, after, limit)).await
    }

    async fn audit(&self) -> Result<Audit, StoreError> {
        let auditing = load::audit(self.link(), self.names()).await;
        auditing.map_err(|failure| failure.at("auditing", &self.link().place()))
    }
}
