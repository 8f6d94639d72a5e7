//! A PostgreSQL database, shared by as many sidecars as like. A verb is one transaction over rows that
//! are locked in one order; what is answered has been committed. The statements are plain SQL without
//! compile-time checks, so that building needs no database.
//!
//! The rules are in `root`; no credit is computed here. docs/store-postgres.md explains the tables.

mod append;
mod changes;
mod copy;
mod failure;
mod fetch;
mod holders;
mod holds;
mod ledger;
mod load;
mod locks;
mod member_funds;
mod months;
mod open;
mod options;
mod pending;
mod people;
mod pool;
mod purchases;
mod pushes;
mod row;
mod runs;
mod save;
mod sidecars;
mod subscriptions;
mod table;
mod transact;
mod values;

use std::future::Future;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;

use self::failure::Failure;
use self::months::Months;
use self::pool::Pool;
use self::pushes::Pushes;
use self::transact::Verb;
use super::audit::Audit;
use super::commit::{Commit, changed};
use super::deadline::bounded;
use super::error::StoreError;
use super::ledger::LedgerEntry;
use super::read::{Changes, Filter, Visitor, page};
use super::{Controlled, Hold, Rule, Store};
use crate::domain::{Member, SubscriptionId, Team, TeamId, Timestamp, UserId};
use crate::root::subscription::Subscription;
use crate::root::sync::{self, Reply, Request, SyncRefusal, Synced};
use crate::root::{Actor, Key, MemberFunds, Pending, Row, Rows, Sharing, Sidecar};

pub use options::Options;

/// Reads what each statement finds committed.
const READ: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY";

/// Reads everything as of one instant.
const SCAN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// Holds of a sidecar that was given up that are read at once; the others follow when these have ended.
const ABANDONED_MAX: i64 = 100_000;

/// Ends a transaction that has only read.
const END: &str = "COMMIT";

/// A store in a PostgreSQL database.
#[derive(Debug)]
pub struct Postgres {
    pool: Pool,
    months: Months,
    pushes: Pushes,
}

/// Reads in a transaction of its own: `$begin`, then an expression over `$conn`.
macro_rules! read {
    ($store:ident, $begin:expr, |$conn:ident| $work:expr) => {
        async {
            let mut used = $store.pool.begin($begin).await?;
            let $conn = &mut *used;
            let found = $work;
            used.end(END).await?;
            Ok(found)
        }
    };
}

impl Postgres {
    /// Connects, and brings the tables up to date.
    pub async fn open(options: Options) -> Result<Self, StoreError> {
        let pool = Pool::new(options);
        let pushes = Pushes::begin(pool.options());
        let store = Self { pool, months: Months::default(), pushes };
        store.within("opening the store", store.pool.options().scan_timeout, open::open(&store.pool)).await?;
        Ok(store)
    }

    /// Closes all connections.
    pub fn close(self) {
        self.pool.close();
    }

    async fn verb<T>(
        &self,
        doing: &'static str,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, StoreError> {
        self.within(doing, self.pool.options().verb_timeout, work).await
    }

    async fn scan<T>(
        &self,
        doing: &'static str,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, StoreError> {
        self.within(doing, self.pool.options().scan_timeout, work).await
    }

    async fn within<T>(
        &self,
        doing: &'static str,
        limit: Duration,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, StoreError> {
        let place = self.pool.options().place();
        let work = async { work.await.map_err(|failure| failure.at(doing, place)) };
        bounded(doing, place, limit, work).await
    }

    async fn register_now(
        &self,
        id: u128,
        incarnation: u64,
        nonce: u128,
    ) -> Result<Result<Sidecar, SyncRefusal>, Failure> {
        let verb = Verb {
            first: vec![Key::Root, Key::Sidecar(id)],
            is_alone: false,
            report: None,
            rule: |rows: &mut Rows| sync::register(rows, id, incarnation, nonce),
            finish: |answer: Result<_, _>, loaded: &Rows, rows: &Rows| {
                let commit = answer.is_ok().then(|| Commit { rows: changed(loaded, rows), ..Commit::default() });
                Ok((answer, commit))
            },
        };
        verb.run(&self.pool).await
    }

    async fn sync_now(&self, request: &Request, now: Timestamp) -> Result<Result<Reply, SyncRefusal>, Failure> {
        let verb = Verb {
            first: request.rows(now),
            is_alone: false,
            report: Some(request),
            rule: |rows: &mut Rows| sync::sync(rows, request, now),
            finish: |answer: Result<(Reply, Synced), SyncRefusal>, loaded: &Rows, rows: &Rows| match answer {
                Ok((reply, synced)) => {
                    let commit = Commit::beside_entries(request, loaded, rows, synced, now)?;
                    let commit = Commit { pushes: commit.pushes || reply.calls_back(), ..commit };
                    Ok((Ok(reply), Some(commit)))
                }
                Err(refusal) => Ok((Err(refusal), None)),
            },
        };
        self.months.follow(&self.pool, now).await;
        verb.run(&self.pool).await
    }

    async fn control_now(&self, rule: Rule<'_>, actor: &Actor, now: Timestamp) -> Result<Controlled, Failure> {
        let verb = Verb {
            first: vec![Key::Root],
            is_alone: true,
            report: None,
            rule,
            finish: |answer, loaded: &Rows, rows: &Rows| {
                let commit = match &answer {
                    Ok(done) => Some(Commit::of_control(done, actor, loaded, rows, now)),
                    Err(_) => None,
                };
                let mut rows = if answer.is_ok() { rows.changed() } else { Vec::new() };
                // Which store this is was looked at beside the rule.
                rows.retain(|row| !matches!(row, Row::Root(_)));
                Ok((Controlled { answer, rows }, commit))
            },
        };
        self.months.follow(&self.pool, now).await;
        verb.run(&self.pool).await
    }
}

#[async_trait]
impl Store for Postgres {
    async fn register(
        &self,
        id: u128,
        incarnation: u64,
        nonce: u128,
    ) -> Result<Result<Sidecar, SyncRefusal>, StoreError> {
        self.verb("registering the sidecar", Box::pin(self.register_now(id, incarnation, nonce))).await
    }

    async fn sync(&self, request: &Request, now: Timestamp) -> Result<Result<Reply, SyncRefusal>, StoreError> {
        self.verb("taking a report", Box::pin(self.sync_now(request, now))).await
    }

    async fn control(&self, rule: Rule<'_>, actor: &Actor, now: Timestamp) -> Result<Controlled, StoreError> {
        self.verb("making a change", Box::pin(self.control_now(rule, actor, now))).await
    }

    async fn load(&self, sidecar: u128, _now: Timestamp, visit: Visitor<'_>) -> Result<(), StoreError> {
        let work = read!(self, SCAN, |conn| load::visit(conn, &[sidecar], visit).await?);
        self.scan("loading", work).await
    }

    fn sharing(&self) -> Sharing {
        Sharing::Many
    }

    fn name(&self) -> &'static str {
        "postgres"
    }

    async fn sidecars(&self) -> Result<Vec<Sidecar>, StoreError> {
        let work = read!(self, READ, |conn| sidecars::all(conn).await?);
        self.verb("reading the sidecars", work).await
    }

    async fn member_funds(&self, team: &TeamId, users: &[UserId]) -> Result<Vec<MemberFunds>, StoreError> {
        let people: Vec<_> = users.iter().map(|user| (team.clone(), user.clone())).collect();
        let work = read!(self, SCAN, |conn| member_funds::by_people(conn, &people.iter().collect::<Vec<_>>()).await?);
        self.verb("reading what members drew", work).await
    }

    async fn abandoned(&self, sidecar: u128) -> Result<(Vec<Hold>, Vec<Pending>), StoreError> {
        let work = read!(self, SCAN, |conn| {
            let holds = holds::page(conn, sidecar, ("", ""), ABANDONED_MAX).await?;
            (holds.into_iter().map(|(_, hold)| hold).collect(), pending::of(conn, sidecar).await?)
        });
        self.verb("reading what a sidecar left behind", work).await
    }

    async fn changes(&self, since: u64) -> Result<Changes, StoreError> {
        let work = read!(self, SCAN, |conn| changes::after(conn, since).await?);
        self.verb("reading what control has changed", work).await
    }

    fn pushes(&self) -> Option<watch::Receiver<u64>> {
        Some(self.pushes.receiver())
    }

    async fn subscription(&self, id: &SubscriptionId) -> Result<Option<Subscription>, StoreError> {
        let ids = std::slice::from_ref(id);
        let work = read!(self, SCAN, |conn| subscriptions::by_ids(conn, ids).await?.pop());
        self.verb("reading a subscription", work).await
    }

    async fn team(&self, id: &TeamId) -> Result<Option<Team>, StoreError> {
        let work = read!(self, READ, |conn| people::team(conn, id).await?);
        self.verb("reading a team", work).await
    }

    async fn members(&self, team: &TeamId, after: Option<&UserId>, limit: usize) -> Result<Vec<Member>, StoreError> {
        let work = read!(self, READ, |conn| people::member_page(conn, team, after, page(limit)).await?);
        self.verb("reading members", work).await
    }

    async fn teams(&self, of: Option<&UserId>, after: Option<&TeamId>, limit: usize) -> Result<Vec<Team>, StoreError> {
        let work = read!(self, READ, |conn| people::team_page(conn, of, after, page(limit)).await?);
        self.verb("reading teams", work).await
    }

    async fn entries(&self, filter: &Filter, after: Option<u64>, limit: usize) -> Result<Vec<LedgerEntry>, StoreError> {
        let work = read!(self, READ, |conn| {
            // Who reads on from a cursor must not miss what becomes visible late; who looks at the newest
            // entries sees what there is.
            let horizon = if filter.newest_first { None } else { Some(ledger::horizon(conn).await?) };
            ledger::page(conn, filter, after, page(limit), horizon).await?
        });
        self.verb("reading entries", work).await
    }

    async fn audit(&self) -> Result<Audit, StoreError> {
        let work = read!(self, SCAN, |conn| {
            let mut recount = load::recount(conn).await?;
            let sidecars = sidecars::all(conn).await?;
            sidecars.iter().for_each(|row| recount.check_sidecar(row.id, Some(row)));
            let ids: Vec<_> = sidecars.iter().map(|row| row.id).collect();
            load::visit(conn, &ids, &mut |row| recount.check(&row)).await?;
            recount.finish()
        });
        self.scan("auditing", work).await
    }
}
