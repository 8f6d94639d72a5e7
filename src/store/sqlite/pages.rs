//! Reads the ledger in the order of positions. Who looks for a team or an id looks into the prints of stretch after stretch.

use std::ops::RangeInclusive;

use sqlx::sqlite::{Sqlite, SqliteConnection};
use sqlx::{QueryBuilder, Row};

use super::failure::Failure;
use super::ledger::{COLUMNS, read};
use super::prints::{Wanted, stretch};
use crate::store::ledger::LedgerEntry;
use crate::store::read::{Filter, Scope};

/// Stretches that are looked into at once.
const LOOK_MAX: i64 = 256;

/// Rows that are asked at once.
const ASK_MAX: usize = 512;

/// A page of the ledger.
pub async fn page(
    conn: &mut SqliteConnection,
    filter: &Filter,
    after: Option<u64>,
    limit: usize,
) -> Result<Vec<LedgerEntry>, Failure> {
    let after = after.map(|after| i64::try_from(after).unwrap_or(i64::MAX));
    let page = Page { filter, after };
    let Some(wanted) = Wanted::by(filter) else { return page.read(conn, "", limit).await };
    let mut left = page.stretches(conn).await?;
    let (mut found, mut look) = (Vec::new(), 1);
    while found.len() < limit && !left.is_empty() {
        let next = take(&mut left, look, filter.newest_first);
        let mut positions = wanted.find(conn, next).await?;
        positions.retain(|position| page.is_behind_cursor(*position));
        if filter.newest_first {
            positions.reverse();
        }
        for positions in positions.chunks(ASK_MAX) {
            if found.len() < limit {
                found.extend(page.read_of(conn, positions, limit - found.len()).await?);
            }
        }
        look = LOOK_MAX.min(look * 2);
    }
    Ok(found)
}

/// Takes the next so many stretches.
fn take(left: &mut RangeInclusive<i64>, count: i64, newest_first: bool) -> RangeInclusive<i64> {
    let (first, last) = (*left.start(), *left.end());
    if newest_first {
        let from = first.max(last - count + 1);
        *left = first..=from - 1;
        from..=last
    } else {
        let to = last.min(first + count - 1);
        *left = to + 1..=last;
        first..=to
    }
}

/// What is asked for.
struct Page<'a> {
    filter: &'a Filter,
    after: Option<i64>,
}

impl Page<'_> {
    /// The stretches behind the cursor.
    async fn stretches(&self, conn: &mut SqliteConnection) -> Result<RangeInclusive<i64>, Failure> {
        let last = sqlx::query("SELECT coalesce(max(position), 0) FROM ledger").fetch_one(conn).await?;
        let (last, after): (i64, _) = (last.try_get(0)?, self.after);
        let (from, to) = match self.filter.newest_first {
            true => (0, after.map_or(last, |after| last.min(after))),
            false => (after.unwrap_or(0), last),
        };
        Ok(stretch(from)..=stretch(to))
    }

    fn is_behind_cursor(&self, position: i64) -> bool {
        self.after.is_none_or(|after| if self.filter.newest_first { position < after } else { position > after })
    }

    /// The entries at some positions, in order.
    async fn read_of(
        &self,
        conn: &mut SqliteConnection,
        positions: &[i64],
        limit: usize,
    ) -> Result<Vec<LedgerEntry>, Failure> {
        let positions: Vec<_> = positions.iter().map(i64::to_string).collect();
        self.read(conn, &format!("WHERE position IN ({})", positions.join(",")), limit).await
    }

    /// The entries, of one part of the table where it is named.
    async fn read(&self, conn: &mut SqliteConnection, part: &str, limit: usize) -> Result<Vec<LedgerEntry>, Failure> {
        let mut query = QueryBuilder::new(format!("SELECT {COLUMNS} FROM ledger "));
        query.push(if part.is_empty() { "WHERE 1" } else { part });
        self.admit(&mut query);
        query.push(" LIMIT ").push_bind(limit as i64);
        // Its text names positions, and is hardly ever the same: to keep it prepared would push out what is.
        query.build().persistent(false).fetch_all(conn).await?.iter().map(read).collect()
    }

    fn admit(&self, query: &mut QueryBuilder<Sqlite>) {
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
            query.push(" AND at >= ").push_bind(from.millis());
        }
        if let Some(to) = filter.to {
            query.push(" AND at < ").push_bind(to.millis());
        }
        if let Some(after) = self.after {
            query.push(if filter.newest_first { " AND position < " } else { " AND position > " });
            query.push_bind(after);
        }
        query.push(if filter.newest_first { " ORDER BY position DESC" } else { " ORDER BY position" });
    }
}
