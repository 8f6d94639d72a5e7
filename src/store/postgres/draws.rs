//! What members drew on pools, by window.

use sqlx::postgres::{PgConnection, PgRow};

use super::failure::Failure;
use super::table::Holds::{Int, Text, Time as At};
use super::table::Table;
use super::values::{Reader, Time};
use crate::domain::{Tally, TeamId, Timestamp, UserId};
use crate::store::commit::MemberDraws;

const TABLE: Table = Table {
    name: "draws",
    columns: &[
        ("window_start", At),
        ("team", Text),
        ("member", Text),
        ("spent", Int),
        ("refunded", Int),
        ("held", Int),
    ],
    key: 3,
};

/// One row: whose, in which window, and how much.
pub type Draws = ((TeamId, UserId, Timestamp), Tally);

/// The next draws after a key, of windows up to `last`.
pub async fn page(
    conn: &mut PgConnection,
    (window, team, member): (i64, &str, &str),
    last: i64,
    limit: i64,
) -> Result<Vec<Draws>, Failure> {
    let sql = "SELECT window_start, team, member, spent, refunded, held FROM draws \
               WHERE (window_start, team, member) > ($1, $2, $3) AND window_start <= $4 \
               ORDER BY window_start, team, member LIMIT $5";
    let query = sqlx::query(sql).bind(Time(window)).bind(team).bind(member).bind(Time(last)).bind(limit);
    query.fetch_all(conn).await?.iter().map(read).collect()
}

fn read(row: &PgRow) -> Result<Draws, Failure> {
    let mut row = Reader::new(row);
    let window = row.time()?;
    let key = (row.id(TeamId::new)?, row.id(UserId::new)?, window);
    Ok((key, Tally { spent: row.credits()?, refunded: row.credits()?, held: row.credits()? }))
}

/// Writes the last sums.
pub async fn save(conn: &mut PgConnection, draws: &MemberDraws) -> Result<(), Failure> {
    let rows: Vec<_> = draws.iter().collect();
    let save = TABLE.save(conn, &rows, |arrays| {
        arrays.put(&rows, |((_, _, window), _)| Time::from(*window));
        arrays.put(&rows, |((team, _, _), _)| team.as_str()).put(&rows, |((_, member, _), _)| member.as_str());
        arrays.put(&rows, |(_, sums)| sums.spent.micros()).put(&rows, |(_, sums)| sums.refunded.micros());
        arrays.put(&rows, |(_, sums)| sums.held.micros());
    });
    save.await
}
