//! The ledger's table: one row per entry, appended in the order of positions. Which rows are read is in `pages`.

use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::failure::Failure;
use super::values::{Bulk, Reader, Values};
use crate::domain::ids::Model;
use crate::domain::{Credits, OperationId, Payer, RateVersion, Set, SubscriptionId, TeamId, Timestamp, UserId};
use crate::store::ledger::{LedgerEntry, Moves};

macro_rules! columns {
    () => {
        "at, kind, team, member, payer, subscription, id, credits, window_start, spent, refunded, held, unheld, \
         unheld_until, above_window, above, expires_at, returned, debt, late, refers_to, model, grant_number, actor, \
         incarnation, seq, detail, rates"
    };
}

/// What to select of an entry, for [`read`].
pub const COLUMNS: &str = concat!("position, ", columns!());

// `OR ROLLBACK` spares SQLite a journal of each statement: what fails here rolls back as a whole anyway.
const APPEND: Bulk =
    Bulk { head: concat!("INSERT OR ROLLBACK INTO ledger (", columns!(), ") VALUES"), columns: 28, tail: "" };

/// Appends entries in order.
pub async fn append(conn: &mut SqliteConnection, entries: &[LedgerEntry]) -> Result<(), Failure> {
    APPEND.execute(conn, entries, bind).await
}

fn bind(values: &mut Values, row: &LedgerEntry) {
    let micros = |credits: Option<Credits>| credits.map(Credits::micros);
    let millis = |at: Option<Timestamp>| at.map(Timestamp::millis);
    let count = |count: Option<u64>| count.map(|count| i64::try_from(count).expect("counters stay below 2^63"));
    values.put(row.at.millis()).put(row.kind.as_str());
    values.put(row.team.as_ref().map(TeamId::as_str)).put(row.member.as_ref().map(UserId::as_str));
    values.put(row.payer.map(Payer::as_str)).put(row.subscription.as_ref().map(SubscriptionId::as_str));
    values.put(row.id.as_ref().map(OperationId::as_str)).put(micros(row.credits));
    bind_moves(values, row.moves);
    values.put(millis(row.expires_at)).put(micros(row.returned)).put(micros(row.debt));
    values.put(row.late.then_some(true)).put(row.refers_to.as_ref().map(OperationId::as_str));
    values.put(row.model.as_ref().map(Model::as_str)).put(count(row.grant)).put(row.actor.as_deref());
    values.put(count(row.incarnation)).put(count(row.seq)).put(row.detail.as_deref());
    values.put(row.rates.as_ref().map(RateVersion::to_string));
}

fn bind_moves(values: &mut Values, moves: Option<Moves>) {
    let (held, unheld) = (moves.and_then(|m| m.held), moves.and_then(|m| m.unheld));
    let above = moves.and_then(|m| m.above);
    values.put(moves.map(|m| m.window.millis()));
    values.put(moves.map(|m| m.spent.micros())).put(moves.map(|m| m.refunded.micros()));
    values.put(held.map(|set| set.credits.micros()));
    values.put(unheld.map(|set| set.credits.micros())).put(unheld.map(|set| set.expires_at.millis()));
    values.put(above.map(|(window, _)| window.millis())).put(above.map(|(_, spent)| spent.micros()));
}

/// Reads an entry.
pub fn read(row: &SqliteRow) -> Result<LedgerEntry, Failure> {
    let row = &mut Reader::new(row);
    let position = row.count()?;
    let at = row.time()?;
    let mut entry = LedgerEntry { position, ..LedgerEntry::new(row.word()?, at) };
    entry.team = row.maybe(|row| row.id(TeamId::new))?;
    entry.member = row.maybe(|row| row.id(UserId::new))?;
    entry.payer = row.maybe(|row| row.word_by(payer))?;
    entry.subscription = row.maybe(|row| row.id(SubscriptionId::new))?;
    entry.id = row.maybe(|row| row.id(OperationId::new))?;
    entry.credits = row.maybe(Reader::credits)?;
    let moves = read_moves(row)?;
    entry.expires_at = row.maybe(Reader::time)?;
    entry.moves = moves.finish(entry.expires_at)?;
    entry.returned = row.maybe(Reader::credits)?;
    entry.debt = row.maybe(Reader::credits)?;
    entry.late = row.maybe(Reader::flag)?.unwrap_or_default();
    entry.refers_to = row.maybe(|row| row.id(OperationId::new))?;
    entry.model = row.maybe(|row| row.id(Model::new))?;
    entry.grant = row.maybe(Reader::count)?;
    entry.actor = row.maybe(|row| row.text().map(str::to_owned))?;
    entry.incarnation = row.maybe(Reader::count)?;
    entry.seq = row.maybe(Reader::count)?;
    entry.detail = row.maybe(|row| row.text().map(str::to_owned))?;
    entry.rates = row.maybe(Reader::word)?;
    Ok(entry)
}

fn payer(text: &str) -> Option<Payer> {
    [Payer::Pool, Payer::Wallet].into_iter().find(|payer| payer.as_str() == text)
}

/// The columns of an entry's postings; what is set aside expires with the entry's own hold.
struct MoveColumns {
    window: Option<Timestamp>,
    spent: Option<Credits>,
    refunded: Option<Credits>,
    held: Option<Credits>,
    unheld: (Option<Credits>, Option<Timestamp>),
    above: (Option<Timestamp>, Option<Credits>),
}

fn read_moves(row: &mut Reader<'_>) -> Result<MoveColumns, Failure> {
    Ok(MoveColumns {
        window: row.maybe(Reader::time)?,
        spent: row.maybe(Reader::credits)?,
        refunded: row.maybe(Reader::credits)?,
        held: row.maybe(Reader::credits)?,
        unheld: (row.maybe(Reader::credits)?, row.maybe(Reader::time)?),
        above: (row.maybe(Reader::time)?, row.maybe(Reader::credits)?),
    })
}

impl MoveColumns {
    fn finish(self, expires_at: Option<Timestamp>) -> Result<Option<Moves>, Failure> {
        let Some(window) = self.window else { return Ok(None) };
        Ok(Some(Moves {
            window,
            spent: self.spent.unwrap_or_default(),
            refunded: self.refunded.unwrap_or_default(),
            held: both(self.held, self.held.and(expires_at), "held")?.map(set),
            unheld: both(self.unheld.0, self.unheld.1, "unheld")?.map(set),
            above: both(self.above.0, self.above.1, "above")?,
        }))
    }
}

const fn set((credits, expires_at): (Credits, Timestamp)) -> Set {
    Set { credits, expires_at }
}

/// Two columns that are there together or not at all.
fn both<A, B>(one: Option<A>, other: Option<B>, column: &str) -> Result<Option<(A, B)>, Failure> {
    match (one, other) {
        (Some(one), Some(other)) => Ok(Some((one, other))),
        (None, None) => Ok(None),
        _ => Err(Failure::Value { column: column.to_owned(), cause: "its companion is missing".to_owned() }),
    }
}
