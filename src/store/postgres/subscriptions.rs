//! Subscriptions with their grants and accounts: three tables that are read and saved together. Only
//! what changed is written.

use std::collections::BTreeMap;

use sqlx::AssertSqlSafe;
use sqlx::postgres::{PgConnection, PgRow};

use super::failure::Failure;
use super::holders::{self, holder_columns};
use super::table::Holds::{Flag, Int, Json, Text, Time as At};
use super::table::Table;
use super::values::{Reader, Time, kept};
use crate::domain::{Credits, Features, SubscriptionId, TeamId, UserId, Window};
use crate::root::subscription::{Account, Burn, Grant, GrantKind, Rollover, Status, Subscription, Terms};
use crate::store::detail::status_text;

const SUBSCRIPTIONS: Table = Table {
    name: "subscriptions",
    columns: &[
        ("id", Text),
        ("owner", Text),
        ("plan", Text),
        ("status", Text),
        ("seats", Int),
        ("credits_per_seat", Int),
        ("anchor", At),
        ("rollover_cap", Int),
        ("rollover_windows", Int),
        ("private_workflows", Flag),
        ("save_history", Flag),
        ("model_whitelist", Flag),
        ("team", Text),
        ("next_grant", Int),
        ("epoch", Int),
        ("changed_by", Int),
    ],
    key: 1,
};

const GRANTS: Table = Table {
    name: "grants",
    columns: &[
        ("subscription", Text),
        ("number", Int),
        ("kind", Text),
        ("purchase", Text),
        ("origin", At),
        ("credits", Int),
        ("burned", Int),
        ("opened", Int),
        ("expires_at", At),
    ],
    key: 2,
};

const ACCOUNTS: Table = Table {
    name: "accounts",
    columns: &[("subscription", Text), ("window_start", At), ("window_end", At), ("short_at", At), ("burns", Json)],
    key: 2,
};

const HOLDERS: Table =
    Table { name: "holders", columns: holder_columns!(("subscription", Text), ("window_start", At)), key: 3 };

/// Subscriptions by id; those that do not exist are missing.
pub async fn by_ids(conn: &mut PgConnection, ids: &[SubscriptionId]) -> Result<Vec<Subscription>, Failure> {
    let ids: Vec<_> = ids.iter().map(SubscriptionId::as_str).collect();
    let mut found = Vec::with_capacity(4);
    let parts = [&GRANTS, &ACCOUNTS, &HOLDERS].map(|table| (table, "subscription"));
    for (table, key) in [(&SUBSCRIPTIONS, "id")].into_iter().chain(parts) {
        let sql = format!("SELECT {} FROM {} WHERE {key} = ANY ($1)", table.list(), table.name);
        found.push(sqlx::query(AssertSqlSafe(sql)).bind(ids.clone()).fetch_all(&mut *conn).await?);
    }
    assemble(&found[0], &found[1], &found[2], &found[3])
}

/// The next subscriptions by id after a cursor.
pub async fn page(conn: &mut PgConnection, after: &str, limit: i64) -> Result<Vec<Subscription>, Failure> {
    let next = format!("SELECT {} FROM subscriptions WHERE id > $1 ORDER BY id LIMIT $2", SUBSCRIPTIONS.list());
    let subscriptions = sqlx::query(AssertSqlSafe(next)).bind(after).bind(limit).fetch_all(&mut *conn).await?;
    let Some(last) = subscriptions.last() else { return Ok(Vec::new()) };
    let last = Reader::new(last).text()?;
    let mut parts = Vec::with_capacity(3);
    for table in [&GRANTS, &ACCOUNTS, &HOLDERS] {
        let sql = format!("SELECT {} FROM {} WHERE subscription > $1 AND subscription <= $2", table.list(), table.name);
        parts.push(sqlx::query(AssertSqlSafe(sql)).bind(after).bind(last).fetch_all(&mut *conn).await?);
    }
    assemble(&subscriptions, &parts[0], &parts[1], &parts[2])
}

/// Subscriptions that control has changed after one change, up to another.
pub async fn changed(conn: &mut PgConnection, (since, upto): (i64, i64)) -> Result<Vec<Subscription>, Failure> {
    let sql = "SELECT id FROM subscriptions WHERE changed_by > $1 AND changed_by <= $2";
    let rows = sqlx::query(sql).bind(since).bind(upto).fetch_all(&mut *conn).await?;
    let ids = rows.iter().map(|row| Reader::new(row).id(SubscriptionId::new)).collect::<Result<Vec<_>, _>>()?;
    by_ids(conn, &ids).await
}

fn assemble(
    subscriptions: &[PgRow],
    grants: &[PgRow],
    accounts: &[PgRow],
    lent: &[PgRow],
) -> Result<Vec<Subscription>, Failure> {
    let mut found = BTreeMap::new();
    for row in subscriptions {
        let subscription = read_subscription(row)?;
        found.insert(subscription.id.as_str().to_owned(), subscription);
    }
    for row in grants {
        let (of, grant) = read_grant(row)?;
        found.get_mut(of).into_iter().for_each(|subscription| subscription.grants.push(grant.clone()));
    }
    for row in accounts {
        let (of, account) = read_account(row)?;
        found.get_mut(of).into_iter().for_each(|subscription| subscription.accounts.push(account.clone()));
    }
    for row in lent {
        let mut row = Reader::new(row);
        let (of, start) = (row.text()?, row.time()?);
        let holder = holders::read(&mut row)?;
        let accounts = found.get_mut(of).into_iter().flat_map(|subscription| &mut subscription.accounts);
        accounts.filter(|account| account.window.start == start).for_each(|account| account.holders.push(holder));
    }
    for subscription in found.values_mut() {
        subscription.accounts.iter_mut().for_each(|account| account.holders.sort_by_key(|holder| holder.sidecar));
        subscription.grants.sort_by_key(|grant| grant.number);
        subscription.accounts.sort_by_key(|account| account.window.start);
    }
    Ok(found.into_values().collect())
}

fn read_subscription(row: &PgRow) -> Result<Subscription, Failure> {
    let mut row = Reader::new(row);
    let id = row.id(SubscriptionId::new)?;
    let terms = Terms {
        owner: row.id(UserId::new)?,
        plan: row.any_text()?,
        status: row.word_by(status)?,
        seats: row.count()?,
        credits_per_seat: row.credits()?,
        anchor: row.time()?,
        rollover: Rollover { cap: row.maybe(Reader::credits)?, windows: row.count()? },
        features: Features { private_workflows: row.flag()?, save_history: row.flag()?, model_whitelist: row.flag()? },
    };
    let team = row.maybe(|row| row.id(TeamId::new))?;
    let (next_grant, epoch) = (row.count()?, row.count()?);
    Ok(Subscription { id, terms, team, grants: Vec::new(), accounts: Vec::new(), next_grant, epoch })
}

fn status(text: &str) -> Option<Status> {
    [Status::Active, Status::Canceled].into_iter().find(|&status| status_text(status) == text)
}

fn grant_kind(text: &str) -> Option<GrantKind> {
    [GrantKind::Rollover, GrantKind::Monthly, GrantKind::Purchased].into_iter().find(|kind| kind.as_str() == text)
}

fn read_grant(row: &PgRow) -> Result<(&str, Grant), Failure> {
    let mut row = Reader::new(row);
    let of = row.text()?;
    let grant = Grant {
        number: row.count()?,
        kind: row.word_by(grant_kind)?,
        purchase: row.any_text()?,
        origin: row.time()?,
        credits: row.credits()?,
        burned: row.credits()?,
        opened: row.credits()?,
        expires_at: row.maybe(Reader::time)?,
    };
    Ok((of, grant))
}

fn read_account(row: &PgRow) -> Result<(&str, Account), Failure> {
    let mut row = Reader::new(row);
    let of = row.text()?;
    let window = Window { start: row.time()?, end: row.time()? };
    let account = Account { window, holders: Vec::new(), short_at: row.time()?, burns: burns(row.json()?)? };
    Ok((of, account))
}

fn burns(pairs: Vec<(u64, i64)>) -> Result<Vec<Burn>, Failure> {
    let burn = |(grant, micros)| Credits::from_micros(micros).map(|credits| Burn { grant, credits });
    let burns: Option<Vec<_>> = pairs.into_iter().map(burn).collect();
    let cause = "an amount is not one of micro-credits".to_owned();
    burns.ok_or_else(|| Failure::Value { column: "burns".to_owned(), cause })
}

/// A subscription as it was loaded, if it was there, and as it is to be.
pub type Edit<'a> = (Option<&'a Subscription>, &'a Subscription);

/// Writes what differs, as of the change of control `changed_by`.
pub async fn save(conn: &mut PgConnection, edits: &[Edit<'_>], changed_by: u64) -> Result<(), Failure> {
    let own: Vec<_> = edits.iter().filter(|edit| own_columns_differ(edit)).map(|(_, after)| *after).collect();
    save_own(conn, &own, changed_by).await?;
    let grants = differing(edits, |s| &s.grants, |grant| grant.number, PartialEq::eq);
    let forget = GRANTS.forget(conn, &grants.gone, |arrays| {
        arrays.put(&grants.gone, |(of, _)| of.as_str()).put_count(&grants.gone, |(_, row)| row.number);
    });
    forget.await?;
    save_grants(conn, &grants.put).await?;
    let is_same = |a: &Account, b: &Account| (a.window, a.short_at, &a.burns) == (b.window, b.short_at, &b.burns);
    let accounts = differing(edits, |s| &s.accounts, |account| account.window.start, is_same);
    let forget = ACCOUNTS.forget(conn, &accounts.gone, |arrays| {
        arrays.put(&accounts.gone, |(of, _)| of.as_str());
        arrays.put(&accounts.gone, |(_, row)| Time::from(row.window.start));
    });
    forget.await?;
    save_accounts(conn, &accounts.put).await?;
    save_holders(conn, edits, &accounts.gone).await
}

/// Writes holders that are not as they were loaded; those of accounts that are gone go.
async fn save_holders(conn: &mut PgConnection, edits: &[Edit<'_>], gone: &[Part<'_, Account>]) -> Result<(), Failure> {
    let lent: Vec<_> = gone.iter().flat_map(|&(of, row)| row.holders.iter().map(move |h| (of, row, h))).collect();
    let forget = HOLDERS.forget(conn, &lent, |arrays| {
        arrays.put(&lent, |(of, _, _)| of.as_str()).put(&lent, |(_, row, _)| Time::from(row.window.start));
        arrays.put(&lent, |(_, _, holder)| holders::text(holder.sidecar));
    });
    forget.await?;
    let mut put = Vec::new();
    for &(before, after) in edits {
        for account in &after.accounts {
            let old = before.and_then(|before| before.accounts.iter().find(|old| old.window == account.window));
            let old = old.map_or(&[][..], |old| &old.holders);
            let changed = account.holders.iter().filter(|holder| !old.contains(holder));
            put.extend(changed.map(|holder| (&after.id, account.window.start, holder)));
        }
    }
    let save = HOLDERS.save(conn, &put, |arrays| {
        arrays.put(&put, |(of, _, _)| of.as_str()).put(&put, |(_, start, _)| Time::from(*start));
        holders::put(arrays, &put, |(_, _, holder)| *holder);
    });
    save.await
}

fn own_columns_differ((before, after): &Edit<'_>) -> bool {
    before.is_none_or(|before| {
        (&before.terms, &before.team, before.next_grant, before.epoch)
            != (&after.terms, &after.team, after.next_grant, after.epoch)
    })
}

/// A part of a subscription, and of which.
type Part<'a, T> = (&'a SubscriptionId, &'a T);

/// Parts of subscriptions that are to be written, and those that are to go.
struct Differing<'a, T> {
    put: Vec<Part<'a, T>>,
    gone: Vec<Part<'a, T>>,
}

fn differing<'a, T, K: PartialEq>(
    edits: &[Edit<'a>],
    parts: fn(&Subscription) -> &Vec<T>,
    key: fn(&T) -> K,
    is_same: fn(&T, &T) -> bool,
) -> Differing<'a, T> {
    let mut differing = Differing { put: Vec::new(), gone: Vec::new() };
    for &(before, after) in edits {
        let (old, new) = (before.map_or(&[][..], |before| parts(before)), parts(after));
        differing
            .put
            .extend(new.iter().filter(|part| !old.iter().any(|old| is_same(old, part))).map(|part| (&after.id, part)));
        let is_gone = |part: &&T| !new.iter().any(|kept| key(kept) == key(part));
        differing.gone.extend(old.iter().filter(is_gone).map(|part| (&after.id, part)));
    }
    differing
}

async fn save_own(conn: &mut PgConnection, rows: &[&Subscription], changed_by: u64) -> Result<(), Failure> {
    let save = SUBSCRIPTIONS.save(conn, rows, |arrays| {
        arrays.put(rows, |row| row.id.as_str()).put(rows, |row| row.terms.owner.as_str());
        arrays.put(rows, |row| kept(&row.terms.plan)).put(rows, |row| status_text(row.terms.status));
        arrays.put(rows, |row| i64::from(row.terms.seats)).put(rows, |row| row.terms.credits_per_seat.micros());
        arrays.put(rows, |row| Time::from(row.terms.anchor));
        arrays.put(rows, |row| row.terms.rollover.cap.map(Credits::micros));
        arrays.put(rows, |row| i64::from(row.terms.rollover.windows));
        arrays.put(rows, |row| row.terms.features.private_workflows);
        arrays.put(rows, |row| row.terms.features.save_history);
        arrays.put(rows, |row| row.terms.features.model_whitelist);
        arrays.put(rows, |row| row.team.as_ref().map(TeamId::as_str));
        arrays.put_count(rows, |row| row.next_grant).put_count(rows, |row| row.epoch);
        arrays.put_count(rows, |_| changed_by);
    });
    save.await
}

async fn save_grants(conn: &mut PgConnection, rows: &[Part<'_, Grant>]) -> Result<(), Failure> {
    let save = GRANTS.save(conn, rows, |arrays| {
        arrays.put(rows, |(of, _)| of.as_str()).put_count(rows, |(_, row)| row.number);
        arrays.put(rows, |(_, row)| row.kind.as_str()).put(rows, |(_, row)| kept(&row.purchase));
        arrays.put(rows, |(_, row)| Time::from(row.origin)).put(rows, |(_, row)| row.credits.micros());
        arrays.put(rows, |(_, row)| row.burned.micros()).put(rows, |(_, row)| row.opened.micros());
        arrays.put(rows, |(_, row)| row.expires_at.map(Time::from));
    });
    save.await
}

async fn save_accounts(conn: &mut PgConnection, rows: &[Part<'_, Account>]) -> Result<(), Failure> {
    let burns = |row: &Account| {
        let burns: Vec<_> = row.burns.iter().map(|burn| (burn.grant, burn.credits.micros())).collect();
        serde_json::to_string(&burns).expect("pairs of integers are JSON")
    };
    let save = ACCOUNTS.save(conn, rows, |arrays| {
        arrays.put(rows, |(of, _)| of.as_str());
        arrays.put(rows, |(_, row)| Time::from(row.window.start)).put(rows, |(_, row)| Time::from(row.window.end));
        arrays.put(rows, |(_, row)| Time::from(row.short_at)).put(rows, |(_, row)| burns(row));
    });
    save.await
}
