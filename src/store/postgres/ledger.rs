//! Reads the ledger's table in the order of positions. How entries come into it is in `append`.
//!
//! Positions are drawn from a sequence, so that transactions do not wait for each other, and may become
//! visible in another order. `ledger_begin` shows that positions are about to be drawn, `ledger_horizon`
//! says up to which position nothing can come any more; see docs/decisions/0007-postgres.md.

use sqlx::postgres::{PgConnection, PgRow, Postgres};
use sqlx::{QueryBuilder, Row};

use super::failure::Failure;
use super::holders::uuid;
use super::runs;
use super::values::{Reader, Time};
use crate::domain::ids::Model;
use crate::domain::{Credits, OperationId, Payer, Set, SubscriptionId, TeamId, Timestamp, UserId};
use crate::store::ledger::{LedgerEntry, Moves};
use crate::store::read::{Filter, Scope};

fn read(row: &PgRow) -> Result<LedgerEntry, Failure> {
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
    entry.late = row.flag()?;
    entry.refers_to = row.maybe(|row| row.id(OperationId::new))?;
    entry.model = row.maybe(|row| row.id(Model::new))?;
    entry.grant = row.maybe(Reader::count)?;
    entry.actor = row.maybe(Reader::any_text)?;
    entry.incarnation = row.maybe(Reader::count)?;
    entry.seq = row.maybe(Reader::count)?;
    entry.detail = row.maybe(|row| row.text().map(str::to_owned))?;
    entry.sidecar = row.maybe(|row| row.word_by(uuid))?;
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

/// Up to which position every entry is there for good. Read the ledger in a later statement, outside of
/// a transaction that sees one instant only.
pub async fn horizon(conn: &mut PgConnection) -> Result<i64, Failure> {
    Ok(sqlx::query("SELECT ledger_horizon()").fetch_one(conn).await?.try_get(0)?)
}

/// A page of the ledger, up to a position where one is given.
pub async fn page(
    conn: &mut PgConnection,
    filter: &Filter,
    after: Option<u64>,
    limit: usize,
    horizon: Option<i64>,
) -> Result<Vec<LedgerEntry>, Failure> {
    let none = if filter.newest_first { i64::MAX } else { 0 };
    let mut page = Page {
        filter,
        after: after.map_or(none, |after| i64::try_from(after).unwrap_or(i64::MAX)),
        horizon: horizon.unwrap_or(i64::MAX),
        limit,
    };
    let Some(scope) = runs::scope(filter) else { return page.read(conn, None).await };
    let mut found = Vec::new();
    loop {
        let (runs, end) = runs::after(conn, &scope, filter, page.after).await?;
        found.extend(page.read(conn, Some(runs)).await?);
        page.limit = limit.saturating_sub(found.len());
        match end {
            Some(end) if page.limit > 0 => page.after = end,
            _ => return Ok(found),
        }
    }
}

/// What is asked for next.
struct Page<'a> {
    filter: &'a Filter,
    after: i64,
    horizon: i64,
    limit: usize,
}

impl Page<'_> {
    /// The entries, of these runs where any are named.
    async fn read(&self, conn: &mut PgConnection, runs: Option<Vec<(i64, i64)>>) -> Result<Vec<LedgerEntry>, Failure> {
        let mut query = QueryBuilder::new(
            "SELECT position, at, kind, team, member, payer, subscription, id, credits, window_start, spent, refunded, \
             held, unheld, unheld_until, above_window, above, expires_at, returned, debt, late, refers_to, model, \
             grant_number, actor, incarnation, seq, detail::text, sidecar::text, rates FROM ",
        );
        match runs {
            None => {
                query.push("ledger WHERE true");
                self.admit(&mut query);
            }
            Some(runs) => {
                let (firsts, lasts): (Vec<i64>, Vec<i64>) = runs.into_iter().unzip();
                query.push("unnest(").push_bind(firsts).push(", ").push_bind(lasts).push(") AS run (first, last) ");
                query.push("CROSS JOIN LATERAL (SELECT * FROM ledger WHERE position BETWEEN run.first AND run.last");
                self.admit(&mut query);
                self.order(&mut query);
                query.push(") AS entry");
            }
        }
        self.order(&mut query);
        query.build().fetch_all(conn).await?.iter().map(read).collect()
    }

    fn order(&self, query: &mut QueryBuilder<Postgres>) {
        query.push(if self.filter.newest_first { " ORDER BY position DESC" } else { " ORDER BY position" });
        query.push(" LIMIT ").push_bind(self.limit as i64);
    }

    fn admit(&self, query: &mut QueryBuilder<Postgres>) {
        let filter = self.filter;
        match &filter.scope {
            Scope::All => {}
            Scope::Team(team) => drop(query.push(" AND team = ").push_bind(team.as_str().to_owned())),
            Scope::Subscription(id) => drop(query.push(" AND subscription = ").push_bind(id.as_str().to_owned())),
            Scope::User(user) => {
                query.push(" AND team IS NULL AND member = ").push_bind(user.as_str().to_owned());
            }
        }
        if let Some(member) = &filter.member {
            query.push(" AND member = ").push_bind(member.as_str().to_owned());
        }
        if let Some(kind) = filter.kind {
            query.push(" AND kind = ").push_bind(kind.as_str());
        }
        if let Some(id) = &filter.id {
            query.push(" AND id = ").push_bind(id.as_str().to_owned());
        }
        if let Some(from) = filter.from {
            query.push(" AND at >= ").push_bind(Time::from(from));
        }
        if let Some(to) = filter.to {
            query.push(" AND at < ").push_bind(Time::from(to));
        }
        query.push(if filter.newest_first { " AND position < " } else { " AND position > " }).push_bind(self.after);
        if self.horizon < i64::MAX {
            query.push(" AND position <= ").push_bind(self.horizon);
        }
    }
}
