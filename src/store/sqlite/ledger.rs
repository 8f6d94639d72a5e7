//! The ledger's table: one row per entry, appended in the order of positions. Which rows are read is in `pages`.

use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::failure::Failure;
use super::prints::Prints;
use super::values::{Bulk, ROWS_MAX, Reader, Values};
use crate::domain::ids::Model;
use crate::domain::{Credits, OperationId, Payer, RateVersion, Set, SubscriptionId, TeamId, Timestamp, UserId};
use crate::store::StoreError;
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

/// Columns but the position.
const WIDTH: usize = 28;

/// Appends entries in order. They are made ready as many at a time as one statement takes, in the same memory.
pub async fn append(
    conn: &mut SqliteConnection,
    mut entries: impl Iterator<Item = Result<LedgerEntry, StoreError>> + Send,
) -> Result<(), Failure> {
    let Some(first) = entries.next().transpose()? else { return Ok(()) };
    let mut prints = Prints::behind_ledger(conn).await?;
    let mut ready = Vec::with_capacity((1 + entries.size_hint().0).min(ROWS_MAX));
    ready.push(first);
    while !ready.is_empty() {
        for entry in entries.by_ref().take(ROWS_MAX - ready.len()) {
            ready.push(entry?);
        }
        ready.iter().for_each(|entry| prints.put(entry));
        append_ready(conn, &ready).await?;
        ready.clear();
        ready.extend(entries.next().transpose()?);
    }
    prints.save(conn).await
}

/// Only columns are named of which an entry has a value: to bind a null takes as long as to bind a number. What all entries of a
/// whole statement have alike is bound once.
async fn append_ready(conn: &mut SqliteConnection, entries: &[LedgerEntry]) -> Result<(), Failure> {
    let used = used(entries);
    let mut alike = used;
    let is_whole = entries.len() == ROWS_MAX;
    columns!().split(", ").zip(&mut alike).for_each(|(name, is)| *is &= is_whole && are_alike(name, entries));
    let each: Columns = std::array::from_fn(|at| used[at] && !alike[at]);
    let (once, many) = (names(&alike), names(&each));
    let parameters: String = once.iter().map(|_| "?, ").collect();
    let rows: Vec<_> = (1..=many.len()).map(|at| format!("column{at}")).collect();
    let columns = [once, many].concat().join(", ");
    // `OR ROLLBACK` spares SQLite a journal of each statement: what fails here rolls back as a whole anyway.
    let head =
        format!("INSERT OR ROLLBACK INTO ledger ({columns}) SELECT {parameters}{} FROM (VALUES", rows.join(", "));
    let append = Bulk { head: &head, columns: rows.len(), tail: ")" };
    let begin = |values: &mut Values| put(&mut Named { values, columns: alike, next: 0 }, &entries[0]);
    append
        .execute_with(conn, entries, begin, |values, entry| put(&mut Named { values, columns: each, next: 0 }, entry))
        .await
}

/// Yes or no for each column.
type Columns = [bool; WIDTH];

fn names(columns: &Columns) -> Vec<&'static str> {
    columns!().split(", ").zip(columns).filter_map(|(name, is_in)| is_in.then_some(name)).collect()
}

/// Columns of which an entry has a value.
fn used(entries: &[LedgerEntry]) -> Columns {
    let mut used = Used::default();
    for entry in entries {
        used.next = 0;
        put(&mut used, entry);
    }
    used.columns
}

/// Whether all have the same in a column. Of few columns alone, and of as many entries as a statement takes, so that there are
/// few statements to prepare.
fn are_alike(column: &str, entries: &[LedgerEntry]) -> bool {
    let all =
        |is_same: fn(&LedgerEntry, &LedgerEntry) -> bool| entries.windows(2).all(|pair| is_same(&pair[0], &pair[1]));
    match column {
        "kind" => all(|a, b| a.kind == b.kind),
        "team" => all(|a, b| a.team == b.team),
        "payer" => all(|a, b| a.payer == b.payer),
        "subscription" => all(|a, b| a.subscription == b.subscription),
        "window_start" => all(|a, b| a.moves.map(|m| m.window) == b.moves.map(|m| m.window)),
        "refunded" => all(|a, b| a.moves.map(|m| m.refunded) == b.moves.map(|m| m.refunded)),
        "incarnation" => all(|a, b| a.incarnation == b.incarnation),
        _ => false,
    }
}

/// Takes a row's values one after the other.
trait Row {
    fn int(&mut self, value: Option<i64>);
    fn text(&mut self, value: Option<&str>);
}

/// Columns of which there is a value.
#[derive(Default)]
struct Used {
    columns: Columns,
    next: usize,
}

impl Used {
    fn take(&mut self, is_used: bool) {
        self.columns[self.next] |= is_used;
        self.next += 1;
    }
}

impl Row for Used {
    fn int(&mut self, value: Option<i64>) {
        self.take(value.is_some());
    }

    fn text(&mut self, value: Option<&str>) {
        self.take(value.is_some());
    }
}

/// Binds the values of some columns.
struct Named<'a> {
    values: &'a mut Values,
    columns: Columns,
    next: usize,
}

impl Named<'_> {
    fn is_next_named(&mut self) -> bool {
        self.next += 1;
        self.columns[self.next - 1]
    }
}

impl Row for Named<'_> {
    fn int(&mut self, value: Option<i64>) {
        if self.is_next_named() {
            self.values.put(value);
        }
    }

    fn text(&mut self, value: Option<&str>) {
        if self.is_next_named() {
            self.values.put_text(value);
        }
    }
}

fn put(row: &mut impl Row, entry: &LedgerEntry) {
    let micros = |credits: Option<Credits>| credits.map(Credits::micros);
    let millis = |at: Option<Timestamp>| at.map(Timestamp::millis);
    let count = |count: Option<u64>| count.map(|count| i64::try_from(count).expect("counters stay below 2^63"));
    row.int(Some(entry.at.millis()));
    row.text(Some(entry.kind.as_str()));
    row.text(entry.team.as_ref().map(TeamId::as_str));
    row.text(entry.member.as_ref().map(UserId::as_str));
    row.text(entry.payer.map(Payer::as_str));
    row.text(entry.subscription.as_ref().map(SubscriptionId::as_str));
    row.text(entry.id.as_ref().map(OperationId::as_str));
    row.int(micros(entry.credits));
    put_moves(row, entry.moves);
    row.int(millis(entry.expires_at));
    row.int(micros(entry.returned));
    row.int(micros(entry.debt));
    row.int(entry.late.then_some(1));
    row.text(entry.refers_to.as_ref().map(OperationId::as_str));
    row.text(entry.model.as_ref().map(Model::as_str));
    row.int(count(entry.grant));
    row.text(entry.actor.as_deref());
    row.int(count(entry.incarnation));
    row.int(count(entry.seq));
    row.text(entry.detail.as_deref());
    row.text(entry.rates.as_ref().map(RateVersion::to_string).as_deref());
}

fn put_moves(row: &mut impl Row, moves: Option<Moves>) {
    let (held, unheld) = (moves.and_then(|m| m.held), moves.and_then(|m| m.unheld));
    let above = moves.and_then(|m| m.above);
    row.int(moves.map(|m| m.window.millis()));
    row.int(moves.map(|m| m.spent.micros()));
    row.int(moves.map(|m| m.refunded.micros()));
    row.int(held.map(|set| set.credits.micros()));
    row.int(unheld.map(|set| set.credits.micros()));
    row.int(unheld.map(|set| set.expires_at.millis()));
    row.int(above.map(|(window, _)| window.millis()));
    row.int(above.map(|(_, spent)| spent.micros()));
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
