//! Runs: between which positions the ledger has entries of a team, of a user without a team, or on a subscription. One row
//! for each in each transaction takes the place of an index with a row for each entry.

use std::collections::HashMap;
use std::fmt::Write;

use sqlx::postgres::{PgConnection, Postgres};
use sqlx::{QueryBuilder, Row};

use super::failure::Failure;
use super::table::Holds::{Int, Text, Time as At};
use super::table::Table;
use super::values::Time;
use crate::domain::Timestamp;
use crate::store::ledger::LedgerEntry;
use crate::store::read::{Filter, Scope};

const TABLE: Table = Table {
    name: "ledger_runs",
    columns: &[("scope", Text), ("first", Int), ("last", Int), ("since", At), ("until", At)],
    key: 2,
};

/// Runs that are looked into at once.
const LOOK: i64 = 32;

/// Where entries are, counted from the first of their transaction, and when they were decided.
#[derive(Clone, Copy, Debug)]
struct Run {
    first: i64,
    last: i64,
    since: Timestamp,
    until: Timestamp,
}

impl Run {
    fn take(&mut self, place: i64, at: Timestamp) {
        self.last = place;
        (self.since, self.until) = (self.since.min(at), self.until.max(at));
    }
}

/// The runs of one transaction's entries.
#[derive(Debug, Default)]
pub struct Runs {
    by_scope: HashMap<String, Run>,
    all: Option<Run>,
    scope: String,
}

impl Runs {
    /// Takes the next entry.
    pub fn take(&mut self, entry: &LedgerEntry) {
        let place = self.all.map_or(0, |all| all.last + 1);
        let run = Run { first: place, last: place, since: entry.at, until: entry.at };
        self.all.get_or_insert(run).take(place, entry.at);
        match (&entry.team, &entry.member) {
            (Some(team), _) => self.take_scope("team", team.as_str(), run),
            (None, Some(user)) => self.take_scope("user", user.as_str(), run),
            (None, None) => {}
        }
        if let Some(subscription) = &entry.subscription {
            self.take_scope("subscription", subscription.as_str(), run);
        }
    }

    fn take_scope(&mut self, kind: &str, id: &str, run: Run) {
        self.scope.clear();
        write!(self.scope, "{kind}:{id}").expect("memory takes all that is written");
        match self.by_scope.get_mut(&self.scope) {
            Some(known) => known.take(run.last, run.since),
            None => drop(self.by_scope.insert(self.scope.clone(), run)),
        }
    }

    /// Between which times the entries were decided; `None`: there are none.
    pub fn times(&self) -> Option<(Timestamp, Timestamp)> {
        self.all.map(|all| (all.since, all.until))
    }

    /// Writes them; the first entry is at position `first`.
    pub async fn save(&self, conn: &mut PgConnection, first: i64) -> Result<(), Failure> {
        let mut rows: Vec<_> = self.by_scope.iter().collect();
        rows.sort_unstable_by_key(|(scope, _)| *scope);
        let add = TABLE.add(conn, &rows, |arrays| {
            arrays.put(&rows, |(scope, _)| scope.as_str());
            arrays.put(&rows, |(_, run)| first + run.first).put(&rows, |(_, run)| first + run.last);
            arrays.put(&rows, |(_, run)| Time::from(run.since)).put(&rows, |(_, run)| Time::from(run.until));
        });
        add.await
    }
}

/// The scope whose runs have all that a filter admits, where that is quicker than what it asks for otherwise.
pub fn scope(filter: &Filter) -> Option<String> {
    if filter.id.is_some() {
        return None;
    }
    match &filter.scope {
        Scope::All => None,
        Scope::Team(team) => Some(format!("team:{team}")),
        Scope::User(user) => Some(format!("user:{user}")),
        Scope::Subscription(id) => Some(format!("subscription:{id}")),
    }
}

/// The next runs of a scope that reach beyond a position, in the filter's direction; where these end, if there may be more.
pub async fn after(
    conn: &mut PgConnection,
    scope: &str,
    filter: &Filter,
    after: i64,
) -> Result<(Vec<(i64, i64)>, Option<i64>), Failure> {
    let mut query = QueryBuilder::<Postgres>::new("SELECT first, last FROM ledger_runs WHERE scope = ");
    query.push_bind(scope.to_owned());
    if filter.newest_first {
        query.push(" AND first < ").push_bind(after);
    } else {
        // The run that begins before the position may go on behind it; no other does.
        query.push(" AND first >= coalesce((SELECT max(first) FROM ledger_runs WHERE scope = ");
        query.push_bind(scope.to_owned()).push(" AND first <= ").push_bind(after).push("), 0) AND last > ");
        query.push_bind(after);
    }
    if let Some(from) = filter.from {
        query.push(" AND until >= ").push_bind(Time::from(from));
    }
    if let Some(to) = filter.to {
        query.push(" AND since < ").push_bind(Time::from(to));
    }
    query.push(" ORDER BY first ").push(if filter.newest_first { "DESC" } else { "ASC" });
    query.push(" LIMIT ").push_bind(LOOK);
    let rows = query.build().fetch_all(conn).await?;
    let runs = rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect::<Result<Vec<_>, Failure>>()?;
    let end = runs.last().filter(|_| runs.len() as i64 == LOOK);
    let end = end.map(|&(first, last)| if filter.newest_first { first } else { last });
    Ok((runs, end))
}
