//! One transaction over rows: begin, run a rule until no row is missing, save what it changed, commit.

use std::collections::BTreeMap;
use std::iter;

use sqlx::sqlite::{Sqlite, SqliteConnection};
use sqlx::{Connection, Transaction};

use super::failure::Failure;
use super::{fetch, save, subscriptions};
use crate::root::gather::distinct;
use crate::root::sync::Request;
use crate::root::{Key, Missing, Row, Rows, SOLE};
use crate::store::commit::Commit;
use crate::store::ledger::LedgerEntry;
use crate::store::{RULE_RUNS_MAX, StoreError, widened};

/// What a rule answered, and the rows before and after it.
pub type Ran<T> = (T, Rows, Rows);

/// Begins a transaction that may write: at once, so that no later statement finds another writer.
pub async fn begin(conn: &mut SqliteConnection) -> Result<Transaction<'_, Sqlite>, Failure> {
    Ok(conn.begin_with("BEGIN IMMEDIATE").await?)
}

/// Saves and commits; without a change, nothing needs to reach the disk.
pub async fn finish(tx: Transaction<'_, Sqlite>, commit: &Commit, loaded: &Rows) -> Result<(), Failure> {
    finish_report(tx, iter::empty(), commit, loaded).await
}

/// As [`finish`], with the entries of a report, whose sidecar's row is in the commit.
pub async fn finish_report(
    mut tx: Transaction<'_, Sqlite>,
    reported: impl Iterator<Item = Result<LedgerEntry, StoreError>> + Send,
    commit: &Commit,
    loaded: &Rows,
) -> Result<(), Failure> {
    if commit.is_empty() {
        return Ok(tx.rollback().await?);
    }
    save::save(&mut tx, reported, commit, loaded).await?;
    Ok(tx.commit().await?)
}

/// Runs a rule until no row is missing.
pub async fn run<T>(
    conn: &mut SqliteConnection,
    mut loaded: Rows,
    rule: impl Fn(&mut Rows) -> Result<T, Missing>,
) -> Result<Ran<T>, Failure> {
    for runs in 0..RULE_RUNS_MAX {
        let mut rows = loaded.clone();
        match rule(&mut rows) {
            Ok(answer) => return Ok((answer, loaded, rows)),
            Err(Missing(key)) => {
                let key = widened(key, runs);
                let found = fetch::fetch(conn, &key).await?;
                loaded.load(key, found);
            }
        }
    }
    let cause = format!("it asked for more than {RULE_RUNS_MAX} rows");
    Err(StoreError::rejected("running a rule", "the store", cause).into())
}

/// Loads in few statements what a sync will ask for.
pub async fn prefetch(conn: &mut SqliteConnection, request: &Request) -> Result<Rows, Failure> {
    let mut rows = Rows::default();
    rows.load(Key::Sidecar(SOLE), fetch::sidecar(conn).await?.map(Row::Sidecar));
    let drawn = request.batch.entries.iter().map(|entry| &entry.drawer.subscription);
    let ids: Vec<_> = distinct(drawn.chain(request.wants.keys())).into_iter().cloned().collect();
    let found = subscriptions::by_ids(conn, &ids).await?;
    let mut found: BTreeMap<_, _> = found.into_iter().map(|row| (row.id.clone(), Box::new(row))).collect();
    for id in ids {
        let row = found.remove(&id).map(Row::Subscription);
        rows.load(Key::Subscription(id), row);
    }
    Ok(rows)
}
