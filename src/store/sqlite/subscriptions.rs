//! Subscriptions with their grants and accounts: three tables that are read and saved together. Only
//! what changed is written.

use std::collections::BTreeMap;

use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::failure::Failure;
use super::values::{Bulk, Reader, Values};
use crate::domain::{Credits, Features, SubscriptionId, TeamId, UserId, Window};
use crate::root::subscription::{Account, Burn, Grant, GrantKind, Rollover, Status, Subscription, Terms};
use crate::root::{Holder, SOLE};
use crate::store::detail::status_text;

macro_rules! columns {
    (subscriptions) => {
        "id, owner, plan, status, seats, credits_per_seat, anchor, rollover_cap, rollover_windows, \
         private_workflows, save_history, model_whitelist, team, next_grant, epoch"
    };
    (grants) => {
        "subscription, number, kind, purchase, origin, credits, burned, opened, expires_at"
    };
    (accounts) => {
        "subscription, window_start, window_end, granted, spent, refunded, returned, held, until, burns"
    };
}

macro_rules! by_id {
    ($table:tt, $key:literal) => {
        Bulk {
            head: concat!("SELECT ", columns!($table), " FROM ", stringify!($table), " WHERE ", $key, " IN (VALUES"),
            columns: 1,
            tail: ")",
        }
    };
}

macro_rules! page {
    ($table:tt, $key:literal, $order:literal) => {
        concat!(
            "SELECT ",
            columns!($table),
            " FROM ",
            stringify!($table),
            " WHERE ",
            $key,
            " > ? AND ",
            $key,
            " <= ? ORDER BY ",
            $order
        )
    };
}

/// Subscriptions by id; those that do not exist are missing.
pub async fn by_ids(conn: &mut SqliteConnection, ids: &[SubscriptionId]) -> Result<Vec<Subscription>, Failure> {
    let bind = |values: &mut Values, id: &SubscriptionId| {
        values.put(id.as_str());
    };
    let subscriptions = by_id!(subscriptions, "id").fetch(conn, ids, bind).await?;
    let grants = by_id!(grants, "subscription").fetch(conn, ids, bind).await?;
    let accounts = by_id!(accounts, "subscription").fetch(conn, ids, bind).await?;
    assemble(&subscriptions, &grants, &accounts)
}

/// The next subscriptions by id after a cursor; at most as many as one page of a scan.
pub async fn page(conn: &mut SqliteConnection, after: &str) -> Result<Vec<Subscription>, Failure> {
    let next = concat!("SELECT ", columns!(subscriptions), " FROM subscriptions WHERE id > ? ORDER BY id LIMIT 512");
    let subscriptions = sqlx::query(next).bind(after).fetch_all(&mut *conn).await?;
    let Some(last) = subscriptions.last() else { return Ok(Vec::new()) };
    let last = Reader::new(last).text()?;
    let grants = sqlx::query(page!(grants, "subscription", "subscription, number"));
    let grants = grants.bind(after).bind(last).fetch_all(&mut *conn).await?;
    let accounts = sqlx::query(page!(accounts, "subscription", "subscription, window_start"));
    let accounts = accounts.bind(after).bind(last).fetch_all(&mut *conn).await?;
    assemble(&subscriptions, &grants, &accounts)
}

fn assemble(
    subscriptions: &[SqliteRow],
    grants: &[SqliteRow],
    accounts: &[SqliteRow],
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
    for subscription in found.values_mut() {
        subscription.grants.sort_by_key(|grant| grant.number);
        subscription.accounts.sort_by_key(|account| account.window.start);
    }
    Ok(found.into_values().collect())
}

fn read_subscription(row: &SqliteRow) -> Result<Subscription, Failure> {
    let mut row = Reader::new(row);
    let id = row.id(SubscriptionId::new)?;
    let terms = Terms {
        owner: row.id(UserId::new)?,
        plan: row.text()?.to_owned(),
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

fn read_grant(row: &SqliteRow) -> Result<(&str, Grant), Failure> {
    let mut row = Reader::new(row);
    let of = row.text()?;
    let grant = Grant {
        number: row.count()?,
        kind: row.word_by(grant_kind)?,
        purchase: row.text()?.to_owned(),
        origin: row.time()?,
        credits: row.credits()?,
        burned: row.credits()?,
        opened: row.credits()?,
        expires_at: row.maybe(Reader::time)?,
    };
    Ok((of, grant))
}

fn read_account(row: &SqliteRow) -> Result<(&str, Account), Failure> {
    let mut row = Reader::new(row);
    let of = row.text()?;
    let window = Window { start: row.time()?, end: row.time()? };
    let sole = Holder {
        granted: row.credits()?,
        spent: row.credits()?,
        refunded: row.credits()?,
        returned: row.credits()?,
        held: row.credits()?,
        until: row.time()?,
        ..Holder::new(SOLE)
    };
    let holders = if sole == Holder::new(SOLE) { Vec::new() } else { vec![sole] };
    Ok((of, Account { holders, burns: burns(row.json()?)?, ..Account::new(window) }))
}

fn burns(pairs: Vec<(u64, i64)>) -> Result<Vec<Burn>, Failure> {
    let burn = |(grant, micros)| Credits::from_micros(micros).map(|credits| Burn { grant, credits });
    let burns: Option<Vec<_>> = pairs.into_iter().map(burn).collect();
    let cause = "an amount is not one of micro-credits".to_owned();
    burns.ok_or_else(|| Failure::Value { column: "burns".to_owned(), cause })
}

const SAVE_SUBSCRIPTION: Bulk = Bulk {
    head: concat!("INSERT INTO subscriptions (", columns!(subscriptions), ") VALUES"),
    columns: 15,
    tail: "ON CONFLICT (id) DO UPDATE SET owner = excluded.owner, plan = excluded.plan, status = excluded.status, \
           seats = excluded.seats, credits_per_seat = excluded.credits_per_seat, anchor = excluded.anchor, \
           rollover_cap = excluded.rollover_cap, rollover_windows = excluded.rollover_windows, \
           private_workflows = excluded.private_workflows, save_history = excluded.save_history, \
           model_whitelist = excluded.model_whitelist, team = excluded.team, next_grant = excluded.next_grant, \
           epoch = excluded.epoch",
};

const SAVE_GRANT: Bulk = Bulk {
    head: concat!("INSERT INTO grants (", columns!(grants), ") VALUES"),
    columns: 9,
    tail: "ON CONFLICT (subscription, number) DO UPDATE SET kind = excluded.kind, purchase = excluded.purchase, \
           origin = excluded.origin, credits = excluded.credits, burned = excluded.burned, \
           opened = excluded.opened, expires_at = excluded.expires_at",
};

const SAVE_ACCOUNT: Bulk = Bulk {
    head: concat!("INSERT INTO accounts (", columns!(accounts), ") VALUES"),
    columns: 10,
    tail: "ON CONFLICT (subscription, window_start) DO UPDATE SET window_end = excluded.window_end, \
           granted = excluded.granted, spent = excluded.spent, refunded = excluded.refunded, \
           returned = excluded.returned, held = excluded.held, until = excluded.until, burns = excluded.burns",
};

const FORGET_GRANT: Bulk =
    Bulk::delete("DELETE FROM grants WHERE (subscription, number) IN (SELECT column1, column2 FROM (VALUES");

const FORGET_ACCOUNT: Bulk =
    Bulk::delete("DELETE FROM accounts WHERE (subscription, window_start) IN (SELECT column1, column2 FROM (VALUES");

/// A subscription as it was loaded, if it was there, and as it is to be.
pub type Edit<'a> = (Option<&'a Subscription>, &'a Subscription);

/// Writes what differs.
pub async fn save(conn: &mut SqliteConnection, edits: &[Edit<'_>]) -> Result<(), Failure> {
    let own: Vec<_> = edits.iter().filter(|edit| own_columns_differ(edit)).map(|(_, after)| *after).collect();
    SAVE_SUBSCRIPTION.execute(conn, &own, |values, row| bind_subscription(values, row)).await?;

    let grants = differing(edits, |s| &s.grants, |grant| grant.number);
    let bind_key = |values: &mut Values, (of, grant): &(&SubscriptionId, &Grant)| {
        values.put(of.as_str()).put_count(grant.number);
    };
    FORGET_GRANT.execute(conn, &grants.gone, bind_key).await?;
    SAVE_GRANT.execute(conn, &grants.put, |values, (of, grant)| bind_grant(values, of, grant)).await?;

    let accounts = differing(edits, |s| &s.accounts, |account| account.window.start);
    let bind_key = |values: &mut Values, (of, account): &(&SubscriptionId, &Account)| {
        values.put(of.as_str()).put(account.window.start.millis());
    };
    FORGET_ACCOUNT.execute(conn, &accounts.gone, bind_key).await?;
    SAVE_ACCOUNT.execute(conn, &accounts.put, |values, (of, account)| bind_account(values, of, account)).await
}

fn own_columns_differ((before, after): &Edit<'_>) -> bool {
    before.is_none_or(|before| {
        (&before.terms, &before.team, before.next_grant, before.epoch)
            != (&after.terms, &after.team, after.next_grant, after.epoch)
    })
}

/// Parts of subscriptions that are to be written, and those that are to go.
struct Differing<'a, T> {
    put: Vec<(&'a SubscriptionId, &'a T)>,
    gone: Vec<(&'a SubscriptionId, &'a T)>,
}

fn differing<'a, T: PartialEq, K: PartialEq>(
    edits: &[Edit<'a>],
    parts: fn(&Subscription) -> &Vec<T>,
    key: fn(&T) -> K,
) -> Differing<'a, T> {
    let mut differing = Differing { put: Vec::new(), gone: Vec::new() };
    for &(before, after) in edits {
        let (old, new) = (before.map_or(&[][..], |before| parts(before)), parts(after));
        differing.put.extend(new.iter().filter(|part| !old.contains(part)).map(|part| (&after.id, part)));
        let is_gone = |part: &&T| !new.iter().any(|kept| key(kept) == key(part));
        differing.gone.extend(old.iter().filter(is_gone).map(|part| (&after.id, part)));
    }
    differing
}

fn bind_subscription(values: &mut Values, row: &Subscription) {
    let (terms, features) = (&row.terms, row.terms.features);
    values.put(row.id.as_str()).put(terms.owner.as_str()).put(terms.plan.as_str()).put(status_text(terms.status));
    values.put(i64::from(terms.seats)).put(terms.credits_per_seat.micros()).put(terms.anchor.millis());
    values.put(terms.rollover.cap.map(Credits::micros)).put(i64::from(terms.rollover.windows));
    values.put(features.private_workflows).put(features.save_history).put(features.model_whitelist);
    values.put(row.team.as_ref().map(TeamId::as_str)).put_count(row.next_grant).put_count(row.epoch);
}

fn bind_grant(values: &mut Values, of: &SubscriptionId, row: &Grant) {
    values.put(of.as_str()).put_count(row.number).put(row.kind.as_str()).put(row.purchase.as_str());
    values.put(row.origin.millis()).put(row.credits.micros()).put(row.burned.micros()).put(row.opened.micros());
    values.put(row.expires_at.map(|at| at.millis()));
}

fn bind_account(values: &mut Values, of: &SubscriptionId, row: &Account) {
    let burns: Vec<_> = row.burns.iter().map(|burn| (burn.grant, burn.credits.micros())).collect();
    // The file's one sidecar has no row of its own in an account.
    let sole = row.of(SOLE);
    values.put(of.as_str()).put(row.window.start.millis()).put(row.window.end.millis()).put(sole.granted.micros());
    values.put(sole.spent.micros()).put(sole.refunded.micros()).put(sole.returned.micros()).put(sole.held.micros());
    values.put(sole.until.millis()).put(serde_json::to_string(&burns).expect("pairs of integers are JSON"));
}
