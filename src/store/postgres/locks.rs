//! Locks of one transaction. A guard is a row that is locked before the rows are read that it guards: all
//! rows of a team under the team's, those of a subscription under the subscription's. Where the row is not
//! there yet, its name is locked instead, so that what a rule saw missing stays missing. Both last until
//! the transaction ends.
//!
//! Everybody takes guards in one order, that of [`Guard`]. A rule that asks for an earlier one gets it
//! where nobody has it; else the verb starts over and takes all that it now knows of in order.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Row};

use super::failure::Failure;
use super::holders::text;
use super::pool::run;
use crate::domain::{SubscriptionId, TeamId, UserId};
use crate::root::Key;

/// What is locked, in the order in which it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Guard {
    /// The root's row, to change it.
    RootAlone,
    /// The root's row, to read it: as many as like at once.
    Root,
    /// A sidecar.
    Sidecar(u128),
    /// Whatever subscription a user owns.
    Owned(UserId),
    /// A subscription with its grants, accounts, holders and purchases.
    Subscription(SubscriptionId),
    /// A team with its members and what their limits are lent.
    Team(TeamId),
}

impl Guard {
    /// What guards a row. Others' rows of sidecars are only looked at, as they were last committed.
    pub fn of(key: &Key) -> Option<Self> {
        Some(match key {
            Key::Root => Self::Root,
            Key::Sidecar(id) => Self::Sidecar(*id),
            Key::Sidecars => return None,
            // The first are guarded by their scopes, of the others each row is written once and deleted once.
            // Holds of who was given up are ended by control, one after the other.
            Key::Begun(_) | Key::Pending(_) | Key::Hold(..) => return None,
            Key::Owned(user) => Self::Owned(user.clone()),
            Key::Subscription(id) | Key::Purchase(id, _) => Self::Subscription(id.clone()),
            Key::Team(team) | Key::Member(team, _) | Key::Members(team) | Key::MemberFunds(team, _) => {
                Self::Team(team.clone())
            }
        })
    }

    /// What finds the rows by the texts of `$1`, and under which word their names are locked; of the root
    /// there is only the name.
    const fn rows(&self) -> (&'static str, &'static str) {
        match self {
            Self::RootAlone | Self::Root => ("", "root"),
            Self::Sidecar(_) => {
                ("SELECT id::text FROM sidecars WHERE id = ANY ($1::text[]::uuid[]) ORDER BY id", "sidecar")
            }
            Self::Owned(_) => ("SELECT owner FROM subscriptions WHERE owner = ANY ($1) ORDER BY owner", "owned"),
            Self::Subscription(_) => ("SELECT id FROM subscriptions WHERE id = ANY ($1) ORDER BY id", "subscription"),
            Self::Team(_) => ("SELECT id FROM teams WHERE id = ANY ($1) ORDER BY id", "team"),
        }
    }

    const fn is_of_root(&self) -> bool {
        matches!(self, Self::RootAlone | Self::Root)
    }

    fn name(&self) -> Cow<'_, str> {
        match self {
            Self::RootAlone | Self::Root => Cow::Borrowed(""),
            Self::Sidecar(id) => Cow::Owned(text(*id)),
            Self::Owned(user) => Cow::Borrowed(user.as_str()),
            Self::Subscription(id) => Cow::Borrowed(id.as_str()),
            Self::Team(id) => Cow::Borrowed(id.as_str()),
        }
    }
}

/// Names of locks begin with this number, so that other users of the database do not meet them.
const NAMES: i32 = 1_886_745_205;

/// The root's name has a class of its own: whoever only reads shares it, which writes nothing.
const ROOT: i32 = 1_886_745_206;

/// The guards that a transaction has.
#[derive(Debug, Default)]
pub struct Locks {
    held: BTreeSet<Guard>,
}

impl Locks {
    /// Takes guards at the start of a transaction, waiting for others; answers what tells this server from
    /// one that was restored or has taken over: its timeline.
    pub async fn take_all(&mut self, conn: &mut PgConnection, guards: &BTreeSet<Guard>) -> Result<String, Failure> {
        assert!(self.held.is_empty(), "guards are taken in order");
        let identity = lock_root(conn, guards.contains(&Guard::RootAlone)).await?;
        self.held.insert(Guard::Root);
        self.take_rest(conn, guards, true).await?;
        Ok(identity)
    }

    /// Takes the guards that come after those that are held, in order.
    pub async fn take_rest(
        &mut self,
        conn: &mut PgConnection,
        guards: &BTreeSet<Guard>,
        wait: bool,
    ) -> Result<(), Failure> {
        let mut kinds: BTreeMap<&str, Vec<&Guard>> = BTreeMap::new();
        let mut order = Vec::new();
        for guard in guards.iter().filter(|guard| !guard.is_of_root() && !self.held.contains(guard)) {
            let (find, _) = guard.rows();
            if order.last() != Some(&find) {
                order.push(find);
            }
            kinds.entry(find).or_default().push(guard);
        }
        for find in order {
            lock(conn, &kinds[find], wait).await?;
        }
        self.held.extend(guards.iter().cloned());
        Ok(())
    }

    /// Takes the same guards where nobody has any of them; answers whether it has them all, or none. The savepoint ends
    /// here: what is written later is the transaction's own.
    pub async fn try_rest(&mut self, conn: &mut PgConnection, guards: &BTreeSet<Guard>) -> Result<bool, Failure> {
        run(conn, "SAVEPOINT guards").await?;
        let held = self.held.clone();
        match self.take_rest(conn, guards, false).await {
            Ok(()) => {
                run(conn, "RELEASE SAVEPOINT guards").await?;
                Ok(true)
            }
            Err(failure) if failure.is_passing() => {
                self.held = held;
                run(conn, "ROLLBACK TO SAVEPOINT guards; RELEASE SAVEPOINT guards").await?;
                Ok(false)
            }
            Err(failure) => Err(failure),
        }
    }

    /// Takes one more guard. One that comes before another that is held is not waited for.
    pub async fn take(&mut self, conn: &mut PgConnection, guard: Guard) -> Result<(), Failure> {
        if self.held.contains(&guard) {
            return Ok(());
        }
        let is_next = self.held.last().is_none_or(|last| *last < guard);
        lock(conn, &[&guard], is_next).await?;
        self.held.insert(guard);
        Ok(())
    }
}

async fn lock_root(conn: &mut PgConnection, alone: bool) -> Result<String, Failure> {
    let lock = if alone { "pg_advisory_xact_lock" } else { "pg_advisory_xact_lock_shared" };
    let sql = format!("SELECT substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8), {lock}($1, 0) IS NULL");
    Ok(sqlx::query(AssertSqlSafe(sql)).bind(ROOT).fetch_one(conn).await?.try_get(0)?)
}

/// Locks guards of one kind: rows that are there, then the names of those that are not, and then rows that
/// somebody has made just before.
async fn lock(conn: &mut PgConnection, guards: &[&Guard], wait: bool) -> Result<(), Failure> {
    let Some((find, word)) = guards.first().map(|guard| guard.rows()) else { return Ok(()) };
    let sql = format!("{find} FOR UPDATE{}", if wait { "" } else { " NOWAIT" });
    let names: Vec<_> = guards.iter().map(|guard| guard.name()).collect();
    let missing = lock_rows(conn, &sql, names.iter().map(AsRef::as_ref).collect()).await?;
    if missing.is_empty() {
        return Ok(());
    }
    lock_names(conn, word, &missing, wait).await?;
    lock_rows(conn, &sql, missing).await?;
    Ok(())
}

/// Locks the rows that there are; answers the names of the others.
async fn lock_rows<'n>(conn: &mut PgConnection, sql: &str, names: Vec<&'n str>) -> Result<Vec<&'n str>, Failure> {
    let query = sqlx::query(AssertSqlSafe(sql)).bind(names.clone());
    let rows = query.fetch_all(conn).await?;
    let found = rows.iter().map(|row| row.try_get(0)).collect::<Result<BTreeSet<&str>, _>>()?;
    Ok(names.into_iter().filter(|name| !found.contains(name)).collect())
}

async fn lock_names(conn: &mut PgConnection, word: &str, names: &[&str], wait: bool) -> Result<(), Failure> {
    let names: Vec<_> = names.iter().map(|name| format!("{word}:{name}")).collect();
    let sql = if wait {
        "SELECT pg_advisory_xact_lock($1, hashtext(name)) IS NOT NULL FROM unnest($2) AS name"
    } else {
        "SELECT pg_try_advisory_xact_lock($1, hashtext(name)) FROM unnest($2) AS name"
    };
    let rows = sqlx::query(sql).bind(NAMES).bind(names).fetch_all(conn).await?;
    let taken = rows.iter().map(|row| row.try_get(0)).collect::<Result<Vec<bool>, _>>()?;
    if taken.contains(&false) { Err(Failure::OutOfOrder) } else { Ok(()) }
}
