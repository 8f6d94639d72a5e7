//! Writes a commit within the caller's transaction: changed rows and holds, then the ledger.

use sqlx::postgres::PgConnection;

use super::failure::Failure;
use super::{append, holds, member_funds, pending, people, purchases, sidecars, subscriptions};
use crate::root::{Row, Rows};
use crate::store::commit::Commit;

/// Writes all of a commit; `loaded` are the rows as they were found.
pub async fn save(conn: &mut PgConnection, commit: &Commit, loaded: &Rows) -> Result<(), Failure> {
    save_rows(conn, &commit.rows, loaded).await?;
    holds::save(conn, &commit.holds).await?;
    pending::save(conn, &commit.pending).await?;
    if commit.pushes {
        sqlx::query("SELECT pg_notify('purser', '')").execute(&mut *conn).await?;
    }
    // Last, because readers of the ledger see nothing after the first position that this draws until
    // the transaction has ended.
    append::append(conn, &commit.entries).await
}

async fn save_rows(conn: &mut PgConnection, rows: &[Row], loaded: &Rows) -> Result<(), Failure> {
    let (mut edits, mut bought, mut teams, mut members) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut roots, mut registered, mut funds) = (Vec::new(), Vec::new(), Vec::new());
    for row in rows {
        match row {
            Row::Root(row) => roots.push(row),
            Row::Sidecar(row) => registered.push(row),
            Row::MemberFunds(row) => {
                funds.push((loaded.member_funds(&row.team, &row.user).ok().flatten(), &**row));
            }
            Row::Subscription(row) => edits.push((loaded.subscription(&row.id).ok().flatten(), &**row)),
            Row::Purchase(row) => bought.push(row),
            Row::Team(row) => teams.push(row),
            Row::Member(team, row) => members.push((team, row)),
            Row::Owned(..) | Row::Begun(..) | Row::Pending(_) | Row::Hold(_) => {}
        }
    }
    let known = loaded.root().unwrap_or_default();
    let changed_by = roots.first().map_or(known.config, |root| root.config);
    sidecars::save_root(conn, &roots).await?;
    sidecars::save(conn, &registered).await?;
    subscriptions::save(conn, &edits, changed_by).await?;
    people::save(conn, &teams, &members, changed_by).await?;
    member_funds::save(conn, &funds).await?;
    purchases::add(conn, &bought).await
}
