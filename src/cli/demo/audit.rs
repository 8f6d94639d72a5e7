//! Recomputes every balance of a demo from the ledger alone, and compares with what the balance
//! routes say. It adds up what the kinds of entries mean and uses none of the server's own sums.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use tokio::task::JoinSet;

use super::recount::{Line, Recount, Sums};
use crate::api::wire::{Amount, WireTime};
use crate::cli::client::{Ask, Client, ClientError};
use crate::cli::town::{Team, Town};
use crate::domain::{Credits, Timestamp};

/// Teams that are audited at the same time.
const AT_ONCE: usize = 4;

/// Differences that are listed; all are counted.
const LISTED_MAX: usize = 20;

/// What the ledger and the balances say.
#[derive(Debug, Default)]
pub(super) struct Audit {
    pub(super) teams: u64,
    pub(super) entries: u64,
    /// Numbers that were compared.
    pub(super) compared: u64,
    pub(super) differences: u64,
    /// The first of them.
    pub(super) listed: Vec<String>,
    /// Entries by kind.
    pub(super) kinds: BTreeMap<String, u64>,
}

/// What the balance routes say, as far as it is compared.
#[derive(Debug, Deserialize)]
struct Balance {
    used: Amount,
    held: Amount,
}

/// The same of a pool or a user's own credits.
#[derive(Debug, Deserialize)]
struct Funds {
    total: Amount,
    debt: Amount,
    used: Amount,
    held: Amount,
    remaining: Amount,
    /// `None` without a subscription.
    window: Option<Window>,
}

#[derive(Debug, Deserialize)]
struct Window {
    start: WireTime,
}

impl Funds {
    fn window(&self) -> Timestamp {
        self.window.as_ref().map_or(Timestamp::MIN, |window| window.start.0)
    }
}

/// Audits every team. Holds that have expired at `now` count as returned, as everywhere.
pub(super) async fn audit(client: &Client, town: &Arc<Town>, now: Timestamp) -> Result<Audit, ClientError> {
    let mut tasks = JoinSet::new();
    for first in 0..AT_ONCE {
        let (client, town) = (client.clone(), town.clone());
        tasks.spawn(async move {
            let mut audit = Audit::default();
            for team in town.teams.iter().skip(first).step_by(AT_ONCE) {
                audit.team(&client, team, now).await?;
            }
            Ok(audit)
        });
    }
    let mut whole = Audit::default();
    while let Some(done) = tasks.join_next().await {
        whole.add(done.map_err(|stopped| ClientError::Unavailable(stopped.to_string()))??);
    }
    Ok(whole)
}

impl Audit {
    async fn team(&mut self, client: &Client, team: &Team, now: Timestamp) -> Result<(), ClientError> {
        let path = format!("/v1/teams/{}", team.id);
        // Asking for the pool first brings all that was decided into the ledger.
        let pool: Funds = client.read(&Ask::get(format!("{path}/pool"))).await?;
        let recount = ledger(client, &path).await?;
        self.teams += 1;
        self.entries += recount.entries;
        recount.kinds.iter().for_each(|(kind, count)| *self.kinds.entry(kind.clone()).or_default() += count);
        let window = pool.window();
        self.funds(&format!("pool of {}", team.id), recount.account(&team.subscription, window, now), &pool);
        for member in &team.members {
            let balance: Balance = client.read(&Ask::get(format!("{path}/members/{}/balance", member.id))).await?;
            let sums = recount.member(&member.id, window, now);
            let what = |of: &str| format!("{of} of {}", member.id);
            self.compare(|| what("used"), sums.used, balance.used);
            self.compare(|| what("held"), sums.held, balance.held);
            if let Some((subscription, _)) = &member.own {
                let own: Funds = client.read(&Ask::get(format!("/v1/users/{}/balance", member.id))).await?;
                let sums = recount.account(subscription, own.window(), now);
                self.funds(&format!("own credits of {}", member.id), sums, &own);
            }
        }
        Ok(())
    }

    fn funds(&mut self, whose: &str, sums: Sums, funds: &Funds) {
        let micros = |Amount(credits): Amount| i128::from(credits.micros());
        let left = micros(funds.total) + micros(funds.debt) - sums.used - sums.held;
        self.compare(|| format!("used of the {whose}"), sums.used, funds.used);
        self.compare(|| format!("held of the {whose}"), sums.held, funds.held);
        self.compare(|| format!("remaining of the {whose}"), left.max(0), funds.remaining);
    }

    fn compare(&mut self, what: impl Fn() -> String, ledger: i128, Amount(balance): Amount) {
        self.expect(|| format!("{} in credits", what()), text(ledger), balance.to_string());
    }

    /// Compares how many the server answered with how many the ledger has.
    pub(super) fn answered(&mut self, kind: &str, answered: u64) {
        let entered = self.kinds.get(kind).copied().unwrap_or_default();
        self.expect(|| format!("number of {kind}"), entered.to_string(), answered.to_string());
    }

    fn expect(&mut self, what: impl Fn() -> String, ledger: String, said: String) {
        self.compared += 1;
        if ledger != said {
            self.differences += 1;
            if self.listed.len() < LISTED_MAX {
                self.listed.push(format!("{}: the ledger says {ledger}, the server said {said}", what()));
            }
        }
    }

    fn add(&mut self, other: Self) {
        self.teams += other.teams;
        self.entries += other.entries;
        self.compared += other.compared;
        self.differences += other.differences;
        self.listed.extend(other.listed);
        self.listed.truncate(LISTED_MAX);
        other.kinds.into_iter().for_each(|(kind, count)| *self.kinds.entry(kind).or_default() += count);
    }
}

/// Micro-credits as credits; a sum that no balance can have is shown as it is.
fn text(micros: i128) -> String {
    let credits = i64::try_from(micros).ok().and_then(Credits::from_micros);
    credits.map_or_else(|| format!("{micros} micro-credits"), |credits| credits.to_string())
}

/// Adds up a team's whole ledger, line by line as it comes.
async fn ledger(client: &Client, path: &str) -> Result<Recount, ClientError> {
    let mut recount = Recount::default();
    let mut rest = Vec::new();
    let take = |bytes: &[u8]| {
        rest.extend_from_slice(bytes);
        let whole = rest.iter().rposition(|&byte| byte == b'\n').map_or(0, |last| last + 1);
        for line in rest[..whole].split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
            recount.take(serde_json::from_slice::<Line>(line)?);
        }
        rest.drain(..whole);
        Ok(true)
    };
    client.stream(&Ask::get(format!("{path}/entries")).accept("application/x-ndjson"), take).await?;
    Ok(recount)
}
