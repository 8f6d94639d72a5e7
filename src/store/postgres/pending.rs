//! Operations over all sidecars: who entered an id first, which the ledger tells, and what sidecars have
//! yet to enter because of that.

use std::collections::BTreeMap;

use sqlx::AssertSqlSafe;
use sqlx::postgres::{PgConnection, PgRow};

use super::failure::Failure;
use super::holders::{text, uuid};
use super::table::Holds::{Flag, Int, Json, Text, Time as At, Uuid as Id};
use super::table::Table;
use super::values::{Reader, Time};
use crate::domain::ids::Model;
use crate::domain::{Credits, Operation, OperationId, Scope, TeamId, UserId};
use crate::root::{Begun, Pending, PendingChanges, PendingKey, Sought};
use crate::store::Kind;
use crate::store::ledger::{LedgerEntry, likeness};
use crate::store::pending::{Flat, heard, heard_json, scope};

const TABLE: Table = Table {
    name: "pending",
    columns: &[
        ("owner", Id),
        ("by_sidecar", Id),
        ("by_seq", Int),
        ("scope", Text),
        ("id", Text),
        ("what", Text),
        ("reused", Flag),
        ("credits", Int),
        ("expires_at", At),
        ("refund", Text),
        ("at", At),
        ("heard", Json),
        ("rates", Text),
    ],
    key: 3,
};

/// Who entered operations first, as far as anybody has. The guards of their scopes are held, so that nobody
/// enters one meanwhile: what others have copied without them they look up later. What this transaction has entered itself does
/// not count, nor what its sidecar is to undo. A store that only one sidecar has used looks nothing up.
pub async fn begun(conn: &mut PgConnection, sought: &Sought) -> Result<Vec<(Operation, Begun)>, Failure> {
    let ids: Vec<&str> = sought.operations.iter().map(|operation| operation.id.as_str()).collect();
    // `OFFSET 0` keeps the planner to one look into the index for each id: it knows nothing yet of a young partition, and
    // may read all of it instead.
    let sql = "SELECT at, kind, team, member, entry.id, credits, expires_at, model, sidecar::text, rates \
               FROM unnest($1::text[]) AS sought (id) CROSS JOIN LATERAL ( \
                   SELECT * FROM ledger WHERE ledger.id = sought.id AND at >= $2 AND sidecar IS NOT NULL \
                   AND kind IN ('debited', 'held', 'voided') AND ledger.xmin <> pg_current_xact_id()::xid OFFSET 0) AS entry \
               WHERE (SELECT count(*) > 1 FROM sidecars) AND NOT EXISTS ( \
                   SELECT FROM pending WHERE what = 'void' AND owner = sidecar AND pending.id = entry.id \
                   AND scope = coalesce('team:' || team, 'user:' || member)) ORDER BY position";
    let query = sqlx::query(sql).bind(ids).bind(Time::from(sought.since));
    let mut found: BTreeMap<Operation, Vec<Begun>> = BTreeMap::new();
    for row in query.fetch_all(conn).await? {
        let (operation, begun, is_undone) = read_begun(&row)?;
        let of_operation = found.entry(operation).or_default();
        match is_undone {
            true => of_operation.retain(|known| known.sidecar != begun.sidecar),
            false => of_operation.push(begun),
        }
    }
    let first = |(operation, begun): (Operation, Vec<Begun>)| Some((operation, *begun.first()?));
    Ok(found.into_iter().filter_map(first).collect())
}

fn read_begun(row: &PgRow) -> Result<(Operation, Begun, bool), Failure> {
    let row = &mut Reader::new(row);
    let at = row.time()?;
    let mut entry = LedgerEntry::new(row.word()?, at);
    let team = row.maybe(|row| row.id(TeamId::new))?;
    let member = row.id(UserId::new)?;
    let id = row.id(OperationId::new)?;
    entry.credits = row.maybe(Reader::credits)?;
    entry.expires_at = row.maybe(Reader::time)?;
    entry.model = row.maybe(|row| row.id(Model::new))?;
    entry.member = Some(member.clone());
    let sidecar = row.word_by(uuid)?;
    entry.rates = row.maybe(Reader::word)?;
    let begun = Begun { sidecar, likeness: likeness(&entry) };
    let scope = team.map_or(Scope::User(member), Scope::Team);
    Ok((Operation { scope, id }, begun, entry.kind == Kind::Voided))
}

/// What a sidecar has yet to enter, oldest first.
pub async fn of(conn: &mut PgConnection, owner: u128) -> Result<Vec<Pending>, Failure> {
    let list = TABLE.list();
    let sql = format!("SELECT {list} FROM pending WHERE owner = $1::text::uuid ORDER BY at, by_sidecar, by_seq");
    let query = sqlx::query(AssertSqlSafe(sql)).bind(text(owner));
    query.fetch_all(conn).await?.iter().map(read).collect()
}

fn read(row: &PgRow) -> Result<Pending, Failure> {
    let row = &mut Reader::new(row);
    let owner = row.word_by(uuid)?;
    let key = PendingKey { by: row.word_by(uuid)?, seq: row.count()? };
    let operation = Operation { scope: row.word_by(scope)?, id: row.id(OperationId::new)? };
    let word = row.text()?;
    let flat = Flat {
        what: "",
        reused: row.flag()?,
        credits: row.maybe(Reader::credits)?,
        expires_at: row.maybe(Reader::time)?,
        refund: row.maybe(|row| row.id(OperationId::new))?,
    };
    let wrong = || Failure::Value { column: "what".to_owned(), cause: format!("{word:?} lacks what belongs to it") };
    let what = Flat::read(word, flat).ok_or_else(wrong)?;
    let (at, heard, rates) = (row.time()?, row.word_by(heard)?, row.maybe(Reader::word)?);
    Ok(Pending { owner, key, operation, what, rates, at, heard })
}

/// Writes what becomes of them. What is done with must still be there: of two that find so one begins again.
pub async fn save(conn: &mut PgConnection, changes: &PendingChanges) -> Result<(), Failure> {
    let done = &changes.done;
    if !done.is_empty() {
        let sql = "DELETE FROM pending USING unnest($1::text[]::uuid[], $2::text[]::uuid[], $3::bigint[]) \
                   AS gone (owner, by_sidecar, by_seq) WHERE pending.owner = gone.owner \
                   AND pending.by_sidecar = gone.by_sidecar AND pending.by_seq = gone.by_seq";
        let owners: Vec<_> = done.iter().map(|(owner, _)| text(*owner)).collect();
        let by: Vec<_> = done.iter().map(|(_, key)| text(key.by)).collect();
        let seqs = done.iter().map(|(_, key)| i64::try_from(key.seq).expect("counters stay below 2^63"));
        let query = sqlx::query(sql).bind(owners).bind(by).bind(seqs.collect::<Vec<_>>());
        if query.execute(&mut *conn).await?.rows_affected() != done.len() as u64 {
            return Err(Failure::OutOfOrder);
        }
    }
    let rows: Vec<_> = changes.put.iter().map(|pending| (pending, Flat::of(&pending.what))).collect();
    let put = TABLE.save(conn, &rows, |arrays| {
        arrays.put(&rows, |(row, _)| text(row.owner)).put(&rows, |(row, _)| text(row.key.by));
        arrays.put_count(&rows, |(row, _)| row.key.seq);
        arrays.put(&rows, |(row, _)| row.operation.scope.to_string());
        arrays.put(&rows, |(row, _)| row.operation.id.as_str()).put(&rows, |(_, flat)| flat.what);
        arrays.put(&rows, |(_, flat)| flat.reused).put(&rows, |(_, flat)| flat.credits.map(Credits::micros));
        arrays.put(&rows, |(_, flat)| flat.expires_at.map(Time::from));
        arrays.put(&rows, |(_, flat)| flat.refund.as_ref().map(OperationId::as_str));
        arrays.put(&rows, |(row, _)| Time::from(row.at)).put(&rows, |(row, _)| heard_json(&row.heard));
        arrays.put(&rows, |(row, _)| row.rates.map(|version| version.to_string()));
    });
    put.await
}
