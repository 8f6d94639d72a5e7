//! One verb as one transaction: begin, take guards, run a rule until no row is missing, save what it
//! changed, commit. A transaction that the server has rolled back because of others is run again.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use sqlx::postgres::PgConnection;

use super::failure::Failure;
use super::locks::{Guard, Locks};
use super::member_funds::Person;
use super::pool::Pool;
use super::{append, fetch, member_funds, people, save, subscriptions};
use crate::domain::{Member, TeamId, UserId};
use crate::root::operate::identify;
use crate::root::sync::{Request, will_take};
use crate::root::{Key, MemberFunds, Missing, Row, Rows, Sharing};
use crate::store::commit::{Commit, new_entries};
use crate::store::{RULE_RUNS_MAX, StoreError, widened};

/// How often one verb is run before it is given up as unavailable. Each run knows more of the guards that
/// it needs, so more than a few mean that many change the same rows.
const RUNS_MAX: u32 = 10;

/// The longest pause before the second run; it doubles with each, and a random part of it is waited.
const PAUSE: Duration = Duration::from_millis(5);

/// A commit may take its time: who gives it up does not know what came of it.
const COMMIT: &str = "SET LOCAL statement_timeout = 0; COMMIT";

const ROLLBACK: &str = "ROLLBACK";

/// A verb: its rule, and what comes of it.
pub struct Verb<'a, R, F> {
    /// Rows that the rule will ask for, as far as they are known beforehand; the root's is among them.
    pub first: Vec<Key>,
    /// It changes the root's row: nobody else reads it meanwhile.
    pub is_alone: bool,
    /// A report: its new entries go to the ledger while the rule runs, and `finish` saves what is beside them.
    pub report: Option<&'a Request>,
    /// The rule, run again whenever a row is missing.
    pub rule: R,
    /// From the rule's answer and the rows before and after: what is answered, and what is saved.
    pub finish: F,
}

impl<R, F> Verb<'_, R, F> {
    /// Runs it until it has gone through or failed for good. What is answered has been committed.
    pub async fn run<A, B>(&self, pool: &Pool) -> Result<B, Failure>
    where
        R: Fn(&mut Rows) -> Result<A, Missing> + Send + Sync,
        F: Fn(A, &Rows, &Rows) -> Result<(B, Option<Commit>), StoreError> + Send + Sync,
        A: Send,
        B: Send,
    {
        let mut guards: BTreeSet<_> = self.first.iter().filter_map(Guard::of).collect();
        guards.extend(self.is_alone.then_some(Guard::RootAlone));
        for run in 1.. {
            match self.run_once(pool, &mut guards).await {
                Err(failure) if failure.is_passing() && run < RUNS_MAX => {
                    let longest = PAUSE * 2_u32.pow(run - 1);
                    tokio::time::sleep(longest.mul_f64(rand::random())).await;
                }
                answer => return answer,
            }
        }
        unreachable!("the last run answers")
    }

    async fn run_once<A, B>(&self, pool: &Pool, guards: &mut BTreeSet<Guard>) -> Result<B, Failure>
    where
        R: Fn(&mut Rows) -> Result<A, Missing> + Send + Sync,
        F: Fn(A, &Rows, &Rows) -> Result<(B, Option<Commit>), StoreError> + Send + Sync,
        A: Send,
        B: Send,
    {
        let mut conn = pool.begin(&begin(pool)).await?;
        match self.work(&mut conn, guards).await {
            Ok((answer, true)) => {
                conn.end(COMMIT).await?;
                Ok(answer)
            }
            Ok((answer, false)) => {
                conn.end(ROLLBACK).await?;
                Ok(answer)
            }
            Err(failure) => {
                if failure.is_answer() {
                    // Where this fails the connection is closed, which rolls back as well.
                    drop(conn.end(ROLLBACK).await);
                }
                Err(failure)
            }
        }
    }

    /// Within the transaction; answers whether anything was saved.
    async fn work<A, B>(&self, conn: &mut PgConnection, guards: &mut BTreeSet<Guard>) -> Result<(B, bool), Failure>
    where
        R: Fn(&mut Rows) -> Result<A, Missing> + Send + Sync,
        F: Fn(A, &Rows, &Rows) -> Result<(B, Option<Commit>), StoreError> + Send + Sync,
        A: Send,
        B: Send,
    {
        let (mut locks, identity, is_appended) = self.guard(conn, guards).await?;
        let mut loaded = prefetch(conn, &self.first).await?;
        let run = |loaded: &Rows| {
            let mut rows = loaded.clone();
            let answer = identify(&mut rows, &identity).and_then(|_| (self.rule)(&mut rows))?;
            Ok((self.finish)(answer, loaded, &rows))
        };
        let mut finished = match is_appended {
            true => run(&loaded),
            false => self.append(conn, &loaded, || run(&loaded)).await?,
        };
        for runs in 0..RULE_RUNS_MAX {
            match finished {
                Ok(finished) => {
                    let (answer, commit) = finished?;
                    let commit = commit.filter(|commit| !commit.is_empty());
                    let is_root = |commit: &Commit| commit.rows.iter().any(|row| matches!(row, Row::Root(_)));
                    if commit.as_ref().is_some_and(is_root) && guards.insert(Guard::RootAlone) {
                        // Others may have read the root as it is to be no longer.
                        return Err(Failure::OutOfOrder);
                    }
                    if let Some(commit) = &commit {
                        save::save(conn, commit, &loaded).await?;
                    }
                    return Ok((answer, commit.is_some()));
                }
                Err(Missing(key)) => {
                    let key = widened(key, runs);
                    if let Some(guard) = Guard::of(&key) {
                        guards.insert(guard.clone());
                        locks.take(conn, guard).await?;
                    }
                    let found = fetch::fetch(conn, &key).await?;
                    loaded.load(key, found);
                    finished = run(&loaded);
                }
            }
        }
        let cause = format!("it asked for more than {RULE_RUNS_MAX} rows");
        Err(StoreError::rejected("running a rule", "the store", cause).into())
    }

    /// Takes the guards. Where others have one of those that a large report needs, its entries go to the ledger first and
    /// the guards come after: so reports of many sidecars on one pool are copied at the same time, and the guards are held
    /// for the rules alone. Answers whether the entries are there.
    async fn guard(&self, conn: &mut PgConnection, guards: &BTreeSet<Guard>) -> Result<(Locks, String, bool), Failure> {
        let mut locks = Locks::default();
        let large = self.report.filter(|request| request.batch.entries.len() >= append::COPIED_FROM as usize);
        let Some(request) = large else {
            let identity = locks.take_all(conn, guards).await?;
            return Ok((locks, identity, false));
        };
        let own = Guard::Sidecar(request.sidecar);
        let first = guards.iter().filter(|guard| **guard <= own).cloned().collect();
        let identity = locks.take_all(conn, &first).await?;
        if locks.try_rest(conn, guards).await? {
            return Ok((locks, identity, false));
        }
        let known = prefetch(conn, &[Key::Root, Key::Sidecar(request.sidecar)]).await?;
        self.append(conn, &known, || Ok(())).await?.expect("what tells whether a report is taken has been read");
        locks.take_rest(conn, guards, true).await?;
        Ok((locks, identity, true))
    }

    /// Does `run` while the server takes the entries of the report, where there are any. They come before all
    /// else of the transaction: readers of the ledger wait longer for what is new, and the server less for us.
    async fn append<T>(
        &self,
        conn: &mut PgConnection,
        loaded: &Rows,
        run: impl Fn() -> Result<T, Missing> + Send,
    ) -> Result<Result<T, Missing>, Failure>
    where
        T: Send,
    {
        let Some(request) = self.report else { return Ok(run()) };
        let Ok(Some(new_from)) = will_take(loaded, request) else { return Ok(run()) };
        let entries = new_entries(request, new_from, loaded.sharing()).map(|entry| entry.map(Cow::Owned));
        append::append_while(conn, entries, run).await
    }
}

/// Statements may take as long as the verb. A client that is gone without a word is rolled back soon
/// after, so that it does not hold its locks for long. Looking up the ids of a large batch looks dear to the
/// planner, and compiling it would be.
fn begin(pool: &Pool) -> String {
    let millis = pool.options().verb_timeout.as_millis().max(1);
    format!(
        "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SET LOCAL statement_timeout = {millis}; \
         SET LOCAL idle_in_transaction_session_timeout = {millis}; SET LOCAL jit = off"
    )
}

/// Loads rows whose guards are held: those of a kind at once.
async fn prefetch(conn: &mut PgConnection, keys: &[Key]) -> Result<Rows, Failure> {
    let mut rows = Rows::of(Sharing::Many);
    let (mut ids, mut members, mut funds) = (Vec::new(), Vec::new(), Vec::new());
    for key in keys {
        match key {
            Key::Subscription(id) => ids.push(id.clone()),
            Key::Member(team, user) => members.push((team.clone(), user.clone())),
            Key::MemberFunds(team, user) => funds.push((team.clone(), user.clone())),
            key => rows.load(key.clone(), fetch::fetch(conn, key).await?),
        }
    }
    if !ids.is_empty() {
        let found = subscriptions::by_ids(conn, &ids).await?;
        let found = found.into_iter().map(|row| (row.id.clone(), Row::Subscription(Box::new(row))));
        take(&mut rows, ids, found.collect(), Key::Subscription);
    }
    let key = |of: fn(TeamId, UserId) -> Key| move |(team, user): Person| of(team, user);
    if !members.is_empty() {
        let found = people::by_people(conn, &members.iter().collect::<Vec<_>>()).await?;
        let row = |(team, member): (TeamId, Member)| ((team.clone(), member.user.clone()), Row::Member(team, member));
        take(&mut rows, members, found.into_iter().map(row).collect(), key(Key::Member));
    }
    if !funds.is_empty() {
        let found = member_funds::by_people(conn, &funds.iter().collect::<Vec<_>>()).await?;
        let row = |row: MemberFunds| ((row.team.clone(), row.user.clone()), Row::MemberFunds(Box::new(row)));
        take(&mut rows, funds, found.into_iter().map(row).collect(), key(Key::MemberFunds));
    }
    Ok(rows)
}

/// Takes what was found under each name: one row, or nothing.
fn take<N: Ord + Clone>(rows: &mut Rows, names: Vec<N>, mut found: BTreeMap<N, Row>, key: impl Fn(N) -> Key) {
    for name in names {
        let row = found.remove(&name);
        rows.load(key(name), row);
    }
}
