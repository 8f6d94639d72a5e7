//! Recomputes from the ledger alone what the tables say: every account's and member's sums, open
//! holds, what grants brought in, and that no entry of the sidecar is missing. Pure; a store feeds it.

use std::collections::BTreeMap;
use std::fmt::Display;

use super::hold::{self, Hold, HoldKey};
use super::kind::Kind;
use super::ledger::LedgerEntry;
use super::read::Loaded;
use crate::domain::{Credits, Drawer, Payer, Posting, SubscriptionId, Tally, TeamId, Timestamp, UserId};
use crate::root::subscription::Subscription;
use crate::root::{Holder, MemberFunds, SOLE, Sidecar};

/// The most differences that are listed; all are counted.
pub const DIFFERENCES_MAX: usize = 100;

/// One thing of which the ledger and the tables say different things.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// What differs, such as `spent of subscription sub_1 in the window of 2026-11-01T00:00:00Z`.
    pub what: String,
    /// What the ledger says.
    pub ledger: String,
    /// What the tables say.
    pub tables: String,
}

/// What came of an audit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Audit {
    /// Entries that were counted.
    pub entries: u64,
    /// Sums, holds and grants that were compared.
    pub compared: u64,
    /// Differences in all.
    pub differences: u64,
    /// The first [`DIFFERENCES_MAX`] of them.
    pub listed: Vec<Difference>,
}

/// Sums in micro-credits that a damaged ledger cannot overflow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sums {
    spent: i128,
    refunded: i128,
    held: i128,
}

impl Sums {
    fn take(&mut self, posting: &Posting) {
        let micros = |credits: Credits| i128::from(credits.micros());
        self.spent += micros(posting.spent);
        self.refunded += micros(posting.refunded);
        self.held += posting.held.map_or(0, |set| micros(set.credits));
        self.held -= posting.unheld.map_or(0, |set| micros(set.credits));
    }
}

/// A hold as the ledger tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Open {
    drawer: Option<Drawer>,
    window: Option<Timestamp>,
    credits: Option<Credits>,
    expires_at: Option<Timestamp>,
}

/// The fold: takes all entries, then all rows, and says where they differ.
#[derive(Debug, Default)]
pub struct Recount {
    audit: Audit,
    accounts: BTreeMap<(SubscriptionId, Timestamp), Sums>,
    draws: BTreeMap<(TeamId, UserId, Timestamp), Sums>,
    holds: BTreeMap<(u128, HoldKey), Open>,
    grants: BTreeMap<(SubscriptionId, u64), i128>,
    /// The last journal entry of each sidecar.
    last: BTreeMap<u128, u64>,
}

impl Recount {
    /// Takes the next entry of the ledger, in the order of positions.
    pub fn take(&mut self, entry: &LedgerEntry) {
        self.audit.entries += 1;
        if let Some(seq) = entry.seq {
            let last = self.last.insert(entry.sidecar.unwrap_or(SOLE), seq).unwrap_or_default();
            self.compare(|| format!("journal entry at position {}", entry.position), last + 1, seq);
        }
        if let (Kind::Granted, Some(subscription), Some(number)) = (entry.kind, &entry.subscription, entry.grant) {
            let credits = entry.credits.unwrap_or_default().micros();
            *self.grants.entry((subscription.clone(), number)).or_default() += i128::from(credits);
        }
        for posting in entry.moves.iter().flat_map(|moves| moves.postings()) {
            self.post(entry, &posting);
        }
        self.follow_hold(entry);
    }

    fn post(&mut self, entry: &LedgerEntry, posting: &Posting) {
        if let Some(subscription) = &entry.subscription {
            self.accounts.entry((subscription.clone(), posting.window)).or_default().take(posting);
        }
        if let (Some(Payer::Pool), Some(team), Some(member)) = (entry.payer, &entry.team, &entry.member) {
            self.draws.entry((team.clone(), member.clone(), posting.window)).or_default().take(posting);
        }
    }

    fn follow_hold(&mut self, entry: &LedgerEntry) {
        let (Some(drawer), Some(id)) = (drawer(entry), &entry.id) else { return };
        let key = (entry.sidecar.unwrap_or(SOLE), (hold::scope(&drawer), id.clone()));
        match entry.kind {
            Kind::Held => {
                let window = entry.moves.map(|moves| moves.window);
                let open = Open { drawer: Some(drawer), window, credits: entry.credits, expires_at: entry.expires_at };
                self.holds.insert(key, open);
            }
            Kind::Extended => {
                if let Some(open) = self.holds.get_mut(&key) {
                    open.expires_at = entry.expires_at;
                }
            }
            kind if kind.ends_hold() => drop(self.holds.remove(&key)),
            _ => {}
        }
    }

    /// Compares how far the ledger has a sidecar's journal; all of a store that serves one are `SOLE`.
    pub fn check_sidecar(&mut self, slot: u128, sidecar: Option<&Sidecar>) {
        let known = sidecar.map_or(0, |sidecar| sidecar.last);
        let last = self.last.remove(&slot).unwrap_or_default();
        self.compare(|| "the last journal entry".to_owned(), last, known);
    }

    /// Compares the next row of the tables.
    pub fn check(&mut self, row: &Loaded) {
        match row {
            Loaded::Subscription(row) => self.check_subscription(row),
            Loaded::Draws { team, member, window, tally } => {
                let sums = self.draws.remove(&(team.clone(), member.clone(), *window)).unwrap_or_default();
                self.compare_sums(|| format!("member {member} of team {team} in the window of {window}"), sums, tally);
            }
            Loaded::Hold(row) => self.check_hold(row),
            Loaded::MemberFunds(row) => self.check_member(row),
            Loaded::Root(_) | Loaded::Team(_) | Loaded::Members(..) => {}
        }
    }

    fn check_subscription(&mut self, row: &Subscription) {
        for account in &row.accounts {
            let window = account.window.start;
            let sums = self.accounts.remove(&(row.id.clone(), window)).unwrap_or_default();
            let tally = Tally { spent: account.spent(), refunded: account.refunded(), held: account.held() };
            self.compare_sums(|| format!("subscription {} in the window of {window}", row.id), sums, &tally);
        }
        for grant in &row.grants {
            let sum = self.grants.remove(&(row.id.clone(), grant.number)).unwrap_or_default();
            let what = || format!("grant {} of subscription {}", grant.number, row.id);
            self.compare(what, sum, i128::from(grant.credits.micros()));
        }
    }

    fn check_member(&mut self, row: &MemberFunds) {
        for account in &row.accounts {
            let window = account.window.start;
            let sums = self.draws.remove(&(row.team.clone(), row.user.clone(), window)).unwrap_or_default();
            let sum =
                |part: fn(&Holder) -> Credits| account.holders.iter().map(part).fold(Credits::ZERO, Credits::plus);
            let tally = Tally { spent: sum(|h| h.spent), refunded: sum(|h| h.refunded), held: sum(|h| h.held) };
            let of = || format!("member {} of team {} in the window of {window}", row.user, row.team);
            self.compare_sums(of, sums, &tally);
        }
    }

    fn check_hold(&mut self, row: &Hold) {
        let key = (row.sidecar, (hold::scope(&row.drawer), row.id.clone()));
        let of_table = Open {
            drawer: Some(row.drawer.clone()),
            window: Some(row.window),
            credits: Some(row.credits),
            expires_at: Some(row.expires_at),
        };
        self.audit.compared += 1;
        let of_ledger = self.holds.remove(&key);
        if of_ledger.as_ref() != Some(&of_table) {
            let ledger = of_ledger.map_or_else(|| "not open".to_owned(), |open| open.to_string());
            self.differ(format!("hold {} of {}", key.1.1, key.1.0), ledger, of_table.to_string());
        }
    }

    /// Ends the audit: what the ledger has and the tables lack. Accounts that are settled may be gone,
    /// and so may what they burned.
    pub fn finish(mut self) -> Audit {
        for (key, sums) in std::mem::take(&mut self.draws) {
            let what = || format!("member {} of team {} in the window of {}", key.1, key.0, key.2);
            self.compare_sums(what, sums, &Tally::default());
        }
        for (key, sums) in std::mem::take(&mut self.accounts) {
            let what = || format!("micro-credits held of subscription {} in the window of {}", key.0, key.1);
            self.compare(what, sums.held, 0);
        }
        for ((_, key), open) in std::mem::take(&mut self.holds) {
            self.differ(format!("hold {} of {}", key.1, key.0), open.to_string(), "not open".to_owned());
        }
        self.audit
    }

    fn compare_sums(&mut self, of: impl Fn() -> String, ledger: Sums, tables: &Tally) {
        let micros = |credits: Credits| i128::from(credits.micros());
        self.compare(|| format!("micro-credits spent of {}", of()), ledger.spent, micros(tables.spent));
        self.compare(|| format!("micro-credits refunded of {}", of()), ledger.refunded, micros(tables.refunded));
        self.compare(|| format!("micro-credits held of {}", of()), ledger.held, micros(tables.held));
    }

    fn compare<T: PartialEq + Display>(&mut self, what: impl Fn() -> String, ledger: T, tables: T) {
        self.audit.compared += 1;
        if ledger != tables {
            self.differ(what(), ledger.to_string(), tables.to_string());
        }
    }

    fn differ(&mut self, what: String, ledger: String, tables: String) {
        self.audit.differences += 1;
        if self.audit.listed.len() < DIFFERENCES_MAX {
            self.audit.listed.push(Difference { what, ledger, tables });
        }
    }
}

impl Display for Open {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let time = |at: Option<Timestamp>| at.map_or_else(|| "never".to_owned(), |at| at.to_string());
        write!(f, "{} credits until {}", self.credits.unwrap_or_default(), time(self.expires_at))?;
        if let Some(drawer) = &self.drawer {
            write!(f, " by {} of subscription {}", drawer.member, drawer.subscription)?;
        }
        write!(f, " in the window of {}", time(self.window))
    }
}

fn drawer(entry: &LedgerEntry) -> Option<Drawer> {
    Some(Drawer {
        team: entry.team.clone(),
        member: entry.member.clone()?,
        payer: entry.payer?,
        subscription: entry.subscription.clone()?,
    })
}
