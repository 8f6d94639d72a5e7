//! Appends entries to the ledger: a few as arrays of one `INSERT`, which is one message to the server and
//! one back; many by `COPY`, which takes the server less work for each. Then the runs by which they are found.

use std::borrow::Cow;

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Row as _};

use super::copy::{Copy, Used};
use super::failure::Failure;
use super::row::{Row, RowArrays};
use super::runs::Runs;
use super::table::Holds::{Flag, Int, Json, Text, Time as At, Uuid as Id};
use super::table::Table;
use super::values::{Time, kept};
use crate::domain::ids::Model;
use crate::domain::{Credits, OperationId, Payer, SubscriptionId, TeamId, UserId};
use crate::store::StoreError;
use crate::store::ledger::{LedgerEntry, Moves};

const TABLE: Table = Table {
    name: "ledger",
    columns: &[
        ("position", Int),
        ("at", At),
        ("kind", Text),
        ("team", Text),
        ("member", Text),
        ("payer", Text),
        ("subscription", Text),
        ("id", Text),
        ("credits", Int),
        ("window_start", At),
        ("spent", Int),
        ("refunded", Int),
        ("held", Int),
        ("unheld", Int),
        ("unheld_until", At),
        ("above_window", At),
        ("above", Int),
        ("expires_at", At),
        ("returned", Int),
        ("debt", Int),
        ("late", Flag),
        ("refers_to", Text),
        ("model", Text),
        ("grant_number", Int),
        ("actor", Text),
        ("incarnation", Int),
        ("seq", Int),
        ("detail", Json),
        ("sidecar", Id),
        ("rates", Text),
    ],
    key: 0,
};

/// From how many entries on they are copied. The driver sends the end of a `COPY` in a packet of its own,
/// which the system holds back until the one before is acknowledged: up to 40 ms where that was small.
pub const COPIED_FROM: u64 = 256;

/// Appends entries in order.
pub async fn append(conn: &mut PgConnection, entries: &[LedgerEntry]) -> Result<(), Failure> {
    append_while(conn, entries.iter().map(|entry| Ok(Cow::Borrowed(entry))), || ()).await
}

/// Appends entries in order, and works while the server takes them: of many, once it has been sent as much as it
/// takes at once.
pub async fn append_while<'e, I, T>(
    conn: &mut PgConnection,
    entries: I,
    work: impl FnOnce() -> T + Send,
) -> Result<T, Failure>
where
    I: ExactSizeIterator<Item = Result<Cow<'e, LedgerEntry>, StoreError>> + Clone + Send,
    T: Send,
{
    let count = entries.len() as u64;
    let (mut runs, mut used) = (Runs::default(), Used::default());
    for entry in entries.clone() {
        let entry = entry?;
        runs.take(&entry);
        put(&mut used, 0, &entry);
        used.end_row();
    }
    let Some((first, part)) = begin(conn, count, &runs).await? else { return Ok(work()) };
    let positions = (first..).zip(entries);
    let (came, done) = if count < COPIED_FROM {
        (insert(conn, positions).await, work())
    } else {
        let copy = Copy::begin(conn, &TABLE, &part, used).await?;
        tokio::join!(biased; send(copy, positions), async { work() })
    };
    assert_eq!(came?, count, "every entry is in the ledger");
    runs.save(conn, first).await?;
    Ok(done)
}

/// Draws positions; answers the first one, and into which table to copy.
async fn begin(conn: &mut PgConnection, count: u64, runs: &Runs) -> Result<Option<(i64, String)>, Failure> {
    let Some((since, until)) = runs.times() else { return Ok(None) };
    let query = sqlx::query("SELECT first, part FROM ledger_begin($1, $2, $3)").bind(count.cast_signed());
    let row = query.bind(Time::from(since)).bind(Time::from(until)).fetch_one(conn).await?;
    Ok(Some((row.try_get(0)?, row.try_get(1)?)))
}

/// An entry and its position.
type Placed<'e> = (i64, Result<Cow<'e, LedgerEntry>, StoreError>);

async fn insert<'e>(conn: &mut PgConnection, entries: impl Iterator<Item = Placed<'e>>) -> Result<u64, Failure> {
    let entries = entries.map(|(position, entry)| Ok((position, entry?)));
    let entries = entries.collect::<Result<Vec<_>, StoreError>>()?;
    let mut arrays = RowArrays::new(&TABLE);
    entries.iter().for_each(|(position, entry)| put(&mut arrays, *position, entry));
    Ok(sqlx::query_with(AssertSqlSafe(TABLE.insert()), arrays.finish()).execute(conn).await?.rows_affected())
}

async fn send<'e>(mut copy: Copy<'_>, entries: impl Iterator<Item = Placed<'e>>) -> Result<u64, Failure> {
    for (position, entry) in entries {
        put(copy.row(), position, &*entry?);
        copy.next().await?;
    }
    copy.finish().await
}

fn put<'a>(row: &mut impl Row<'a>, position: i64, entry: &'a LedgerEntry) {
    let text = |text: Option<&'a str>| text.map(Cow::Borrowed);
    let micros = |credits: Option<Credits>| credits.map(Credits::micros);
    let count = |count: Option<u64>| count.map(|count| i64::try_from(count).expect("counters stay below 2^63"));
    row.int(Some(position));
    row.time(Some(entry.at.into()));
    row.text(text(Some(entry.kind.as_str())));
    row.text(text(entry.team.as_ref().map(TeamId::as_str)));
    row.text(text(entry.member.as_ref().map(UserId::as_str)));
    row.text(text(entry.payer.map(Payer::as_str)));
    row.text(text(entry.subscription.as_ref().map(SubscriptionId::as_str)));
    row.text(text(entry.id.as_ref().map(OperationId::as_str)));
    row.int(micros(entry.credits));
    put_moves(row, entry.moves);
    row.time(entry.expires_at.map(Time::from));
    row.int(micros(entry.returned));
    row.int(micros(entry.debt));
    row.flag(entry.late);
    row.text(text(entry.refers_to.as_ref().map(OperationId::as_str)));
    row.text(text(entry.model.as_ref().map(Model::as_str)));
    row.int(count(entry.grant));
    row.text(entry.actor.as_deref().map(kept));
    row.int(count(entry.incarnation));
    row.int(count(entry.seq));
    row.text(text(entry.detail.as_deref()));
    row.uuid(entry.sidecar);
    row.text(entry.rates.map(|rates| Cow::Owned(rates.to_string())));
}

fn put_moves<'a>(row: &mut impl Row<'a>, moves: Option<Moves>) {
    let (held, unheld) = (moves.and_then(|m| m.held), moves.and_then(|m| m.unheld));
    let above = moves.and_then(|m| m.above);
    row.time(moves.map(|m| m.window.into()));
    row.int(moves.map(|m| m.spent.micros()));
    row.int(moves.map(|m| m.refunded.micros()));
    row.int(held.map(|set| set.credits.micros()));
    row.int(unheld.map(|set| set.credits.micros()));
    row.time(unheld.map(|set| set.expires_at.into()));
    row.time(above.map(|(window, _)| window.into()));
    row.int(above.map(|(_, spent)| spent.micros()));
}
