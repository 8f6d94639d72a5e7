//! The embedded default: one SQLite file. One connection writes, a few read; what is committed is on
//! disk. The statements are plain SQL without compile-time checks, so that building needs no database.
//!
//! The rules are in `root`; no credit is computed here. docs/store-sqlite.md explains the tables.

mod failure;
mod fetch;
mod ledger;
mod load;
mod open;
mod pages;
mod people;
mod prints;
mod save;
mod subscriptions;
mod transact;
mod values;

use std::fs::File;
use std::future::Future;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::sqlite::SqliteConnection;
use sqlx::{Connection, SqlitePool};
use tokio::sync::Mutex;

use self::failure::Failure;
use self::transact::{begin, finish, finish_report, prefetch, run};
use super::audit::Audit;
use super::commit::{Commit, changed, new_entries};
use super::deadline::bounded;
use super::error::StoreError;
use super::ledger::LedgerEntry;
use super::read::{Filter, Visitor, oldest_window, page};
use super::{Controlled, Rule, Store};
use crate::domain::{Member, SubscriptionId, Team, TeamId, Timestamp, UserId};
use crate::root::subscription::Subscription;
use crate::root::sync::{self, Reply, Request, SyncRefusal};
use crate::root::{Actor, Rows, SOLE, Sidecar};

pub use open::Options;

/// A store in one SQLite file.
#[derive(Debug)]
pub struct Sqlite {
    options: Options,
    /// Taken out while in use, so that a write that fails or is given up leaves no half-used connection.
    writer: Mutex<Option<SqliteConnection>>,
    readers: SqlitePool,
    /// No other process opens the file while this lives.
    _claim: File,
}

impl Sqlite {
    /// Opens a file, makes it when it is missing, and brings its tables up to date.
    pub async fn open(options: Options) -> Result<Self, StoreError> {
        const DOING: &str = "opening the store";
        options.create_file()?;
        let claim = options.claim()?;
        let open = async {
            let mut conn = options.writer().await.map_err(|failure| failure.at(DOING, &options.place()))?;
            options.migrate(&mut conn).await?;
            prints::catch_up(&mut conn).await.map_err(|failure| failure.at(DOING, &options.place()))?;
            Ok(conn)
        };
        let writer = bounded(DOING, &options.place(), options.scan_timeout, open).await?;
        let readers = options.readers();
        Ok(Self { options, writer: Mutex::new(Some(writer)), readers, _claim: claim })
    }

    /// Closes all connections and folds the write-ahead log into the file.
    pub async fn close(self) {
        self.readers.close().await;
        if let Some(writer) = self.writer.into_inner() {
            // Nothing is lost where this fails: the next opening reads the log.
            drop(writer.close().await);
        }
    }

    async fn verb<T>(
        &self,
        doing: &'static str,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, StoreError> {
        self.within(doing, self.options.verb_timeout, work).await
    }

    async fn scan<T>(
        &self,
        doing: &'static str,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, StoreError> {
        self.within(doing, self.options.scan_timeout, work).await
    }

    async fn within<T>(
        &self,
        doing: &'static str,
        limit: Duration,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, StoreError> {
        let place = self.options.place();
        let work = async { work.await.map_err(|failure| failure.at(doing, &place)) };
        bounded(doing, &place, limit, work).await
    }

    async fn connect(&self, idle: Option<SqliteConnection>) -> Result<SqliteConnection, Failure> {
        match idle {
            Some(conn) => Ok(conn),
            None => self.options.writer().await,
        }
    }

    async fn register_now(
        &self,
        id: u128,
        incarnation: u64,
        nonce: u128,
    ) -> Result<Result<Sidecar, SyncRefusal>, Failure> {
        let mut writer = self.writer.lock().await;
        let mut conn = self.connect(writer.take()).await?;
        let mut tx = begin(&mut conn).await?;
        let rule = |rows: &mut Rows| sync::register(rows, id, incarnation, nonce);
        let (answer, loaded, rows) = run(&mut tx, Rows::default(), rule).await?;
        if answer.is_ok() {
            let commit = Commit { rows: changed(&loaded, &rows), ..Commit::default() };
            finish(tx, &commit, &loaded).await?;
        } else {
            tx.rollback().await?;
        }
        *writer = Some(conn);
        Ok(answer)
    }

    async fn sync_now(&self, request: &Request, now: Timestamp) -> Result<Result<Reply, SyncRefusal>, Failure> {
        let mut writer = self.writer.lock().await;
        let mut conn = self.connect(writer.take()).await?;
        let mut tx = begin(&mut conn).await?;
        let loaded = prefetch(&mut tx, request).await?;
        let (answer, loaded, rows) = run(&mut tx, loaded, |rows| sync::sync(rows, request, now)).await?;
        let answer = match answer {
            Ok((reply, synced)) => {
                let reported = new_entries(request, synced.new_from, rows.sharing());
                let commit = Commit::beside_entries(request, &loaded, &rows, synced, now)?;
                finish_report(tx, reported, &commit, &loaded).await?;
                Ok(reply)
            }
            Err(refusal) => {
                tx.rollback().await?;
                Err(refusal)
            }
        };
        *writer = Some(conn);
        Ok(answer)
    }

    async fn control_now(&self, rule: Rule<'_>, actor: &Actor, now: Timestamp) -> Result<Controlled, Failure> {
        let mut writer = self.writer.lock().await;
        let mut conn = self.connect(writer.take()).await?;
        let mut tx = begin(&mut conn).await?;
        let (answer, loaded, rows) = run(&mut tx, Rows::default(), rule).await?;
        let rows = match &answer {
            Ok(done) => {
                finish(tx, &Commit::of_control(done, actor, &loaded, &rows, now), &loaded).await?;
                rows.changed()
            }
            Err(_) => {
                tx.rollback().await?;
                Vec::new()
            }
        };
        *writer = Some(conn);
        Ok(Controlled { answer, rows })
    }
}

#[async_trait]
impl Store for Sqlite {
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

    async fn load(&self, _sidecar: u128, now: Timestamp, visit: Visitor<'_>) -> Result<(), StoreError> {
        let work = async {
            let mut tx = self.readers.begin().await?;
            load::visit(&mut tx, oldest_window(now), visit).await
        };
        self.scan("loading", work).await
    }

    fn name(&self) -> &'static str {
        "sqlite"
    }

    async fn sidecars(&self) -> Result<Vec<Sidecar>, StoreError> {
        let work = async {
            let mut conn = self.readers.acquire().await?;
            Ok(fetch::sidecar(&mut conn).await?.into_iter().collect())
        };
        self.verb("reading the sidecar", work).await
    }

    async fn subscription(&self, id: &SubscriptionId) -> Result<Option<Subscription>, StoreError> {
        let work = async {
            let mut tx = self.readers.begin().await?;
            Ok(subscriptions::by_ids(&mut tx, std::slice::from_ref(id)).await?.pop())
        };
        self.verb("reading a subscription", work).await
    }

    async fn team(&self, id: &TeamId) -> Result<Option<Team>, StoreError> {
        let work = async { people::team(&mut *self.readers.acquire().await?, id).await };
        self.verb("reading a team", work).await
    }

    async fn members(&self, team: &TeamId, after: Option<&UserId>, limit: usize) -> Result<Vec<Member>, StoreError> {
        let work = async {
            let mut conn = self.readers.acquire().await?;
            people::member_page(&mut conn, team, after, page(limit)).await
        };
        self.verb("reading members", work).await
    }

    async fn teams(&self, of: Option<&UserId>, after: Option<&TeamId>, limit: usize) -> Result<Vec<Team>, StoreError> {
        let work = async {
            let mut conn = self.readers.acquire().await?;
            people::team_page(&mut conn, of, after, page(limit)).await
        };
        self.verb("reading teams", work).await
    }

    async fn entries(&self, filter: &Filter, after: Option<u64>, limit: usize) -> Result<Vec<LedgerEntry>, StoreError> {
        let work = async {
            let mut conn = self.readers.acquire().await?;
            pages::page(&mut conn, filter, after, page(limit)).await
        };
        self.verb("reading entries", work).await
    }

    async fn audit(&self) -> Result<Audit, StoreError> {
        let work = async {
            let mut tx = self.readers.begin().await?;
            let mut recount = load::recount(&mut tx).await?;
            recount.check_sidecar(SOLE, fetch::sidecar(&mut tx).await?.as_ref());
            load::visit(&mut tx, i64::MIN, &mut |row| recount.check(&row)).await?;
            Ok(recount.finish())
        };
        self.scan("auditing", work).await
    }
}
