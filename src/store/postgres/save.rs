//! Writes a commit within the caller's transaction: changed rows, draws and holds, then the ledger.

use sqlx::postgres::PgConnection;

use super::failure::Failure;
use super::{append, draws, holds, people, purchases, sidecars, subscriptions};
use crate::root::{Row, Rows};
use crate::store::commit::Commit;

/// Writes all of a commit; `loaded` are the rows as they were found.
pub async fn save(conn: &mut PgConnection, commit: &Commit, loaded: &Rows) -> Result<(), Failure> {
    let sidecar = save_rows(conn, &commit.rows, loaded).await?;
    draws::save(conn, &commit.draws).await?;
    holds::save(conn, &commit.holds).await?;
    // Last, because readers of the ledger see nothing after the first position that this draws until
    // the transaction has ended.
    append::append(conn, &commit.entries, sidecar).await
}

/// Writes rows; answers which sidecar they are of.
async fn save_rows(conn: &mut PgConnection, rows: &[Row], loaded: &Rows) -> Result<Option<u128>, Failure> {
    let (mut edits, mut bought, mut teams, mut members) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut sidecar = None;
    for row in rows {
        match row {
            Row::Sidecar(row) => {
                sidecars::save(conn, row).await?;
                sidecar = Some(row.id);
            }
            Row::Subscription(row) => edits.push((loaded.subscription(&row.id).ok().flatten(), &**row)),
            Row::Purchase(row) => bought.push(row),
            Row::Team(row) => teams.push(row),
            Row::Member(team, row) => members.push((team, row)),
            Row::Owned(..) => {}
        }
    }
    subscriptions::save(conn, &edits).await?;
    people::save(conn, &teams, &members).await?;
    purchases::add(conn, &bought).await?;
    Ok(sidecar)
}
