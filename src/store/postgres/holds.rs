//! Holds whose end has not been entered.

use sqlx::Arguments;
use sqlx::AssertSqlSafe;
use sqlx::postgres::{PgArguments, PgConnection, PgRow};

use super::failure::Failure;
use super::holders::{text, uuid};
use super::table::Holds::{Int, Text, Time as At, Uuid as Id};
use super::table::Table;
use super::values::{Reader, Time};
use crate::domain::ids::Model;
use crate::domain::{Drawer, Operation, OperationId, Payer, SubscriptionId, TeamId, UserId};
use crate::store::Hold;
use crate::store::hold::{HoldChanges, HoldKey};

const TABLE: Table = Table {
    name: "holds",
    columns: &[
        ("sidecar", Id),
        ("scope", Text),
        ("id", Text),
        ("team", Text),
        ("member", Text),
        ("payer", Text),
        ("subscription", Text),
        ("window_start", At),
        ("credits", Int),
        ("expires_at", At),
        ("model", Text),
        ("content", Int),
        ("held_at", At),
        ("rates", Text),
    ],
    key: 3,
};

/// The next holds of a sidecar after a key, each with its scope.
pub async fn page(
    conn: &mut PgConnection,
    sidecar: u128,
    (scope, id): (&str, &str),
    limit: i64,
) -> Result<Vec<(String, Hold)>, Failure> {
    let after = "sidecar = $1::text::uuid AND (scope, id) > ($2, $3)";
    let sql = format!("SELECT {} FROM holds WHERE {after} ORDER BY scope, id LIMIT $4", TABLE.list());
    let query = sqlx::query(AssertSqlSafe(sql)).bind(text(sidecar)).bind(scope).bind(id).bind(limit);
    query.fetch_all(conn).await?.iter().map(read).collect()
}

/// One hold of a sidecar.
pub async fn one(conn: &mut PgConnection, sidecar: u128, operation: &Operation) -> Result<Option<Hold>, Failure> {
    let key = "sidecar = $1::text::uuid AND scope = $2 AND id = $3";
    let sql = format!("SELECT {} FROM holds WHERE {key}", TABLE.list());
    let query = sqlx::query(AssertSqlSafe(sql)).bind(text(sidecar));
    let query = query.bind(operation.scope.to_string()).bind(operation.id.as_str());
    let found = query.fetch_optional(conn).await?;
    Ok(found.as_ref().map(read).transpose()?.map(|(_, hold)| hold))
}

fn read(row: &PgRow) -> Result<(String, Hold), Failure> {
    let mut row = Reader::new(row);
    let sidecar = row.word_by(uuid)?;
    let scope = row.text()?.to_owned();
    let id = row.id(OperationId::new)?;
    let drawer = Drawer {
        team: row.maybe(|row| row.id(TeamId::new))?,
        member: row.id(UserId::new)?,
        payer: row.word_by(|text| [Payer::Pool, Payer::Wallet].into_iter().find(|payer| payer.as_str() == text))?,
        subscription: row.id(SubscriptionId::new)?,
    };
    let hold = Hold {
        sidecar,
        id,
        drawer,
        window: row.time()?,
        credits: row.credits()?,
        expires_at: row.time()?,
        model: row.maybe(|row| row.id(Model::new))?,
        content: row.int()?.cast_unsigned(),
        held_at: row.time()?,
        rates: row.maybe(Reader::word)?,
    };
    Ok((scope, hold))
}

/// Writes what becomes of holds: those that end go first.
pub async fn save(conn: &mut PgConnection, changes: &HoldChanges) -> Result<(), Failure> {
    let ended: Vec<_> = changes.ended.iter().collect();
    let forget = TABLE.forget(conn, &ended, |arrays| {
        arrays.put(&ended, |_| text(changes.sidecar));
        arrays.put(&ended, |(scope, _)| scope.as_str()).put(&ended, |(_, id)| id.as_str());
    });
    forget.await?;
    extend(conn, changes).await?;
    let opened: Vec<_> = changes.opened.iter().collect();
    open(conn, &opened).await
}

async fn extend(conn: &mut PgConnection, changes: &HoldChanges) -> Result<(), Failure> {
    if changes.extended.is_empty() {
        return Ok(());
    }
    let sql = "UPDATE holds SET expires_at = new.expires_at \
               FROM unnest($1::text[], $2::text[], $3::timestamptz[]) AS new (scope, id, expires_at) \
               WHERE holds.scope = new.scope AND holds.id = new.id AND holds.sidecar = $4::text::uuid";
    let keys = changes.extended.keys();
    let mut arguments = PgArguments::default();
    let scopes: Vec<_> = keys.clone().map(|(scope, _)| scope.as_str()).collect();
    let ids: Vec<_> = keys.map(|(_, id)| id.as_str()).collect();
    let expiries: Vec<_> = changes.extended.values().map(|&at| Time::from(at)).collect();
    let added = arguments.add(scopes).and_then(|()| arguments.add(ids)).and_then(|()| arguments.add(expiries));
    let added = added.and_then(|()| arguments.add(text(changes.sidecar)));
    added.expect("texts and times can always be bound");
    sqlx::query_with(sql, arguments).execute(conn).await?;
    Ok(())
}

async fn open(conn: &mut PgConnection, rows: &[(&HoldKey, &Hold)]) -> Result<(), Failure> {
    let add = TABLE.add(conn, rows, |arrays| {
        arrays
            .put(rows, |(_, row)| text(row.sidecar))
            .put(rows, |((scope, _), _)| scope.as_str())
            .put(rows, |((_, id), _)| id.as_str());
        arrays.put(rows, |(_, row)| row.drawer.team.as_ref().map(TeamId::as_str));
        arrays.put(rows, |(_, row)| row.drawer.member.as_str()).put(rows, |(_, row)| row.drawer.payer.as_str());
        arrays.put(rows, |(_, row)| SubscriptionId::as_str(&row.drawer.subscription));
        arrays.put(rows, |(_, row)| Time::from(row.window)).put(rows, |(_, row)| row.credits.micros());
        arrays.put(rows, |(_, row)| Time::from(row.expires_at));
        arrays.put(rows, |(_, row)| row.model.as_ref().map(Model::as_str));
        // A fingerprint uses all 64 bits; the table keeps them as they are.
        arrays.put(rows, |(_, row)| row.content.cast_signed()).put(rows, |(_, row)| Time::from(row.held_at));
        arrays.put(rows, |(_, row)| row.rates.map(|rates| rates.to_string()));
    });
    add.await
}
