//! Writes a commit within the caller's transaction: changed rows, then the ledger, then draws and holds.

use sqlx::sqlite::SqliteConnection;
use uuid::Uuid;

use super::failure::Failure;
use super::values::{Bulk, Values};
use super::{ledger, people, subscriptions};
use crate::domain::ids::Model;
use crate::domain::{SubscriptionId, TeamId};
use crate::root::{Row, Rows, Sidecar};
use crate::store::commit::{Commit, MemberDraws};
use crate::store::hold::{HoldChanges, HoldKey};
use crate::store::ledger::LedgerEntry;
use crate::store::{Hold, StoreError};

/// Writes all of a commit, and before its entries those of a report; `loaded` are the rows as they were found.
pub async fn save(
    conn: &mut SqliteConnection,
    reported: impl Iterator<Item = Result<LedgerEntry, StoreError>> + Send,
    commit: &Commit,
    loaded: &Rows,
) -> Result<(), Failure> {
    save_rows(conn, &commit.rows, loaded).await?;
    ledger::append(conn, reported.chain(commit.entries.iter().cloned().map(Ok))).await?;
    save_draws(conn, &commit.draws).await?;
    save_holds(conn, &commit.holds).await
}

async fn save_rows(conn: &mut SqliteConnection, rows: &[Row], loaded: &Rows) -> Result<(), Failure> {
    let (mut edits, mut purchases, mut teams, mut members) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for row in rows {
        match row {
            Row::Sidecar(row) => save_sidecar(conn, row).await?,
            Row::Subscription(row) => edits.push((loaded.subscription(&row.id).ok().flatten(), &**row)),
            Row::Purchase(row) => purchases.push(row),
            Row::Team(row) => teams.push(row),
            Row::Member(team, row) => members.push((team, row)),
            // A file serves one sidecar; rules of many are not run here.
            Row::Owned(..) | Row::Root(_) | Row::MemberFunds(_) | Row::Begun(..) | Row::Pending(_) => {}
            Row::Hold(_) => {}
        }
    }
    subscriptions::save(conn, &edits).await?;
    people::save(conn, &teams, &members).await?;
    SAVE_PURCHASE
        .execute(conn, &purchases, |values, row| {
            values.put(row.subscription.as_str()).put(row.id.as_str());
            values.put(row.credits.micros()).put(row.expires_at.map(|at| at.millis()));
        })
        .await
}

const SAVE_PURCHASE: Bulk =
    Bulk { head: "INSERT INTO purchases (subscription, id, credits, expires_at) VALUES", columns: 4, tail: "" };

async fn save_sidecar(conn: &mut SqliteConnection, row: &Sidecar) -> Result<(), Failure> {
    const SAVE: Bulk = Bulk {
        head: "INSERT INTO sidecar (only, id, incarnation, nonce, last) VALUES",
        columns: 5,
        tail: "ON CONFLICT (only) DO UPDATE SET id = excluded.id, incarnation = excluded.incarnation, \
               nonce = excluded.nonce, last = excluded.last",
    };
    let bind = |values: &mut Values, row: &Sidecar| {
        values.put(1_i64).put(Uuid::from_u128(row.id).to_string()).put_count(row.incarnation);
        values.put(Uuid::from_u128(row.nonce).to_string()).put_count(row.last);
    };
    SAVE.execute(conn, std::slice::from_ref(row), bind).await
}

async fn save_draws(conn: &mut SqliteConnection, draws: &MemberDraws) -> Result<(), Failure> {
    const SAVE: Bulk = Bulk {
        head: "INSERT INTO draws (window_start, team, member, spent, refunded, held) VALUES",
        columns: 6,
        tail: "ON CONFLICT (window_start, team, member) DO UPDATE SET spent = excluded.spent, \
               refunded = excluded.refunded, held = excluded.held",
    };
    let rows: Vec<_> = draws.iter().collect();
    let write = SAVE.execute(conn, &rows, |values, ((team, member, window), tally)| {
        values.put(window.millis()).put(team.as_str()).put(member.as_str());
        values.put(tally.spent.micros()).put(tally.refunded.micros()).put(tally.held.micros());
    });
    write.await
}

async fn save_holds(conn: &mut SqliteConnection, changes: &HoldChanges) -> Result<(), Failure> {
    const END: Bulk = Bulk::delete("DELETE FROM holds WHERE (scope, id) IN (SELECT column1, column2 FROM (VALUES");
    const OPEN: Bulk = Bulk {
        head: "INSERT INTO holds (scope, id, team, member, payer, subscription, window_start, credits, expires_at, \
               model, content, held_at, rates) VALUES",
        columns: 13,
        tail: "",
    };
    let ended: Vec<_> = changes.ended.iter().collect();
    let bind_key = |values: &mut Values, (scope, id): &&HoldKey| {
        values.put(scope.as_str()).put(id.as_str());
    };
    END.execute(conn, &ended, bind_key).await?;
    for ((scope, id), expires_at) in &changes.extended {
        let extend = sqlx::query("UPDATE holds SET expires_at = ? WHERE scope = ? AND id = ?");
        extend.bind(expires_at.millis()).bind(scope.as_str()).bind(id.as_str()).execute(&mut *conn).await?;
    }
    let opened: Vec<_> = changes.opened.iter().collect();
    OPEN.execute(conn, &opened, |values, (key, hold)| bind_hold(values, key, hold)).await
}

fn bind_hold(values: &mut Values, (scope, id): &HoldKey, row: &Hold) {
    values.put(scope.as_str()).put(id.as_str()).put(row.drawer.team.as_ref().map(TeamId::as_str));
    values.put(row.drawer.member.as_str()).put(row.drawer.payer.as_str());
    values.put(SubscriptionId::as_str(&row.drawer.subscription)).put(row.window.millis());
    values.put(row.credits.micros()).put(row.expires_at.millis()).put(row.model.as_ref().map(Model::as_str));
    // A fingerprint uses all 64 bits; the table keeps them as they are.
    values.put(row.content.cast_signed()).put(row.held_at.millis()).put(row.rates.map(|rates| rates.to_string()));
}
