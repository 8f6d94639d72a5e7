//! Reads everything: for a start, page by page behind the root's row, and for an audit, all rows as of
//! one instant and then the ledger up to there.

use std::collections::BTreeMap;

use redis::Value;

use super::failure::Failure;
use super::fetch::{loose, of_value};
use super::keys::Keys;
use super::library;
use super::link::Link;
use super::lists::{ask, row, rows};
use super::pages::Scan;
use super::rows::{Json, hold_of};
use crate::domain::{Member, Team, TeamId};
use crate::root::{Key, MemberFunds, Root, Sidecar, Subscription};
use crate::store::audit::{Audit, Recount};
use crate::store::read::{Loaded, Visitor};

/// Rows that are read at once; bounds what one answer holds.
const SCAN: usize = 1_000;

/// Visits all rows, and the holds of one sidecar. The root's row is read first: every later change of
/// control is told by the changes since then, and the sidecar's own parts change by its own reports only.
pub async fn load(link: &Link, keys: &Keys, sidecar: u128, visit: Visitor<'_>) -> Result<(), Failure> {
    let root = keys.slot(&Key::Root).expect("it is one row");
    visit(Loaded::Root(row::<Root>(link, &root).await?.unwrap_or_default()));
    each(link, &keys.subscriptions(), |row: Subscription| visit(Loaded::Subscription(Box::new(row)))).await?;
    let mut teams = Vec::new();
    each(link, &keys.teams(), |row: Team| teams.push(row)).await?;
    let ids: Vec<TeamId> = teams.iter().map(|team| team.id.clone()).collect();
    teams.into_iter().for_each(|team| visit(Loaded::Team(team)));
    for team in ids {
        let mut members = Vec::new();
        each(link, &keys.members(&team), |row: Member| members.push(row)).await?;
        if !members.is_empty() {
            visit(Loaded::Members(team, members));
        }
    }
    each(link, &keys.funds(), |row: MemberFunds| visit(Loaded::MemberFunds(Box::new(row)))).await?;
    let hash = keys.holds(sidecar);
    let holds: BTreeMap<String, String> = ask(link, redis::cmd("HGETALL").arg(&hash)).await?;
    for (field, value) in holds {
        visit(Loaded::Hold(Box::new(hold_of(&value, &format!("{hash} {field}"))?)));
    }
    Ok(())
}

/// Every row of a hash, in the order of the fields.
async fn each<T: Json>(link: &Link, hash: &str, mut visit: impl FnMut(T)) -> Result<(), Failure> {
    let mut fields: Vec<String> = ask(link, redis::cmd("HKEYS").arg(hash)).await?;
    // A slash comes before what may follow in a longer id; the parts decide, not the whole.
    fields.sort_by(|one, other| one.split('/').cmp(other.split('/')));
    for page in fields.chunks(SCAN) {
        rows(link, hash, page).await?.into_iter().for_each(&mut visit);
    }
    Ok(())
}

/// Recomputes every sum from the ledger and compares it with the rows.
pub async fn audit(link: &Link, keys: &Keys) -> Result<Audit, Failure> {
    let still = match still(link, keys).await {
        Err(failure) if failure.lacks_library() => {
            library::load(link, library::LIBRARY).await?;
            still(link, keys).await?
        }
        still => still?,
    };
    let mut recount = Recount::default();
    let mut scan = Scan::new(keys.ledger(), false, None);
    while let Some(entries) = scan.next(link, keys, SCAN).await? {
        entries.iter().filter(|entry| entry.position <= still.position).for_each(|entry| recount.take(entry));
        if scan.after.is_some_and(|after| after >= still.position) {
            break;
        }
    }
    still.sidecars.iter().for_each(|sidecar| recount.check_sidecar(sidecar.id, Some(sidecar)));
    still.rows.iter().for_each(|row| recount.check(row));
    Ok(recount.finish())
}

/// All rows that an audit compares, as of one instant.
struct Still {
    position: u64,
    sidecars: Vec<Sidecar>,
    rows: Vec<Loaded>,
}

async fn still(link: &Link, keys: &Keys) -> Result<Still, Failure> {
    let answers: Vec<Value> = ask(link, &library::ask_rows(keys)).await?;
    let mut answers = answers.into_iter();
    let mut next = || answers.next().unwrap_or(Value::Nil);
    let meta: String = of_value(next())?;
    let position = meta.rsplit(' ').next().and_then(|position| position.parse().ok()).unwrap_or(0);
    let sidecars: Vec<Sidecar> = hash(next(), &keys.sidecars())?;
    let subscriptions: Vec<Subscription> = hash(next(), &keys.subscriptions())?;
    let funds: Vec<MemberFunds> = hash(next(), &keys.funds())?;
    let mut rows: Vec<_> = subscriptions.into_iter().map(|row| Loaded::Subscription(Box::new(row))).collect();
    rows.extend(funds.into_iter().map(|row| Loaded::MemberFunds(Box::new(row))));
    for _ in &sidecars {
        for (field, value) in of_value::<BTreeMap<String, String>>(next())? {
            rows.push(Loaded::Hold(Box::new(hold_of(&value, &field)?)));
        }
    }
    Ok(Still { position, sidecars, rows })
}

fn hash<T: Json>(answer: Value, key: &str) -> Result<Vec<T>, Failure> {
    let found: BTreeMap<String, String> = of_value(answer)?;
    found.iter().map(|(field, value)| loose(value, &format!("{key} {field}"))).collect()
}
