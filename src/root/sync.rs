//! The one verb between a sidecar and the root: report what was entered, take what is lent.
//!
//! Every message may be lost, repeated or late: entries at or below `last` are there already, sums
//! are cumulative, and lending twice lends the same.

use std::collections::BTreeMap;

use super::command::Change;
use super::desk::Found;
use super::funds::{Lease, Report};
use super::gather::{ByHash, distinct, in_order};
use super::holder::{Holder, SOLE};
use super::many;
use super::pending::{self, PendingChanges};
use super::rows::{Key, Missing, Rows, Sharing};
use super::share::{Shared, Shares};
use super::sidecar::{Sidecar, State};
use super::subscription::{Grant, Subscription};
use crate::domain::{Credits, Entry, SubscriptionId, Tally, TeamId, Timestamp, UserId};

/// Entries of one sidecar, in the order of its journal.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// The first entry's number in the journal.
    pub first: u64,
    /// The entries, without gaps.
    pub entries: Vec<Entry>,
}

/// What a sidecar reports and asks.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// The sidecar's id.
    pub sidecar: u128,
    /// Its incarnation's counter.
    pub incarnation: u64,
    /// Entries that the ledger may not have yet.
    pub batch: Batch,
    /// Subscriptions to lend of anew, each with what has been returned of its accounts, by window.
    pub wants: BTreeMap<SubscriptionId, Vec<(Timestamp, Credits)>>,
    /// What one of many sidecars says instead of `wants`; `None` where there is but one.
    pub shares: Option<Shares>,
}

impl Request {
    /// The rows that one of many sidecars' sync will ask for, so that a store finds them in one go.
    pub fn rows(&self, now: Timestamp) -> Vec<Key> {
        let entries = &self.batch.entries;
        // What draws on nothing names its scope alone: of a user that is found under the subscription.
        let names_book = |entry: &&Entry| !entry.postings.is_empty() || entry.drawer.team.is_none();
        let drawn = entries.iter().filter(names_book).map(|entry| &entry.drawer.subscription);
        let mut ids = distinct(drawn.chain(self.wants.keys()));
        let in_teams = entries.iter().filter_map(|entry| Some((entry.drawer.team.as_ref()?, &entry.drawer.member)));
        let mut people = distinct(in_teams);
        if let Some(shares) = &self.shares {
            ids.extend(shares.subscriptions());
            people.extend(shares.members.keys().map(|(team, user)| (team, user)));
        }
        let mut keys = vec![Key::Root, Key::Sidecar(self.sidecar)];
        keys.extend(pending::first(self, now));
        keys.extend(ids.into_iter().cloned().map(Key::Subscription));
        // Those of a kind follow each other: a store may ask for them together.
        keys.extend(people.iter().map(|&(team, user)| Key::Member(team.clone(), user.clone())));
        keys.extend(people.into_iter().map(|(team, user)| Key::MemberFunds(team.clone(), user.clone())));
        keys
    }
}

/// What the root answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// The last entry that the ledger has.
    pub acked: u64,
    /// The leases of every subscription that was wanted or drawn on.
    pub leases: BTreeMap<SubscriptionId, Vec<Lease>>,
    /// What one of many sidecars is told beside.
    pub shared: Option<Box<Shared>>,
}

impl Reply {
    /// Whether somebody asked in vain for what others may have free: those are to sync soon.
    pub fn calls_back(&self) -> bool {
        let flags = |shared: &Shared| {
            let of_members = shared.members.values().map(|lease| lease.flags);
            shared.flags.values().copied().chain(of_members).any(|flags| flags.calls)
        };
        self.shared.as_deref().is_some_and(flags)
    }
}

/// Why the root does not take a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SyncRefusal {
    /// A newer incarnation of this sidecar has registered, or an operator has given it up: it must stop.
    #[error("a newer incarnation of this sidecar has registered, or an operator has written it off")]
    Fenced,
    /// The sidecar has not registered, or another one has.
    #[error("this sidecar is not registered")]
    RegisterFirst,
    /// Entries are missing between what the ledger has and what came.
    #[error("the ledger has entries up to {last}, the batch starts later")]
    Gap {
        /// The last entry that the ledger has.
        last: u64,
    },
}

/// What a store saves beside the changed rows.
#[derive(Clone, Debug, Default)]
pub struct Synced {
    /// The first entry of the batch that the ledger lacks, counted from 0; all after it are new.
    pub new_from: usize,
    /// The last sums of each member in each window of the new entries.
    pub draws: BTreeMap<(TeamId, UserId, Timestamp), Tally>,
    /// Grants that came in or rose meanwhile.
    pub changes: Vec<Change>,
    /// What becomes of what sidecars have yet to enter.
    pub pending: PendingChanges,
    /// Accounts of which the store had forgotten that it lent: to be counted, and looked into.
    pub regressions: u64,
    /// The sidecar spent what it was not lent and is lent nothing any more: to be alarmed about.
    pub overdrawn: bool,
}

impl Synced {
    pub(super) fn found(&mut self, found: Found) {
        self.regressions += found.regressions;
        self.overdrawn |= found.overdrawn;
    }
}

/// Takes a sidecar's report and lends. See the module.
pub fn sync(
    rows: &mut Rows,
    request: &Request,
    now: Timestamp,
) -> Result<Result<(Reply, Synced), SyncRefusal>, Missing> {
    if rows.sharing() == Sharing::Many {
        return many::sync(rows, request, now);
    }
    let sidecar = match admit(rows.sidecar(request.sidecar)?, request) {
        Ok(sidecar) => sidecar.clone(),
        Err(refusal) => return Ok(Err(refusal)),
    };
    let new_from = new_from(request, sidecar.last);
    let new = &request.batch.entries[new_from..];
    let mut synced = Synced { new_from, draws: last_draws(new), ..Synced::default() };
    let reports = reports(new, request);
    for id in reports.keys() {
        // Every row is there before the first one is put, so that a run that starts over starts clean.
        rows.subscription(id)?;
    }
    let mut leases = BTreeMap::new();
    for (id, reports) in reports {
        let Some(before) = rows.subscription(&id)? else { continue };
        let mut after = before.clone();
        report_all(&mut after, &reports);
        after.advance(now);
        // Once more for windows that this sync has opened, and so that grants cover what came there.
        report_all(&mut after, &reports);
        after.advance(now);
        leases.insert(id.clone(), after.lend_all(now));
        synced.changes.extend(granted(before, &after));
        rows.put_subscription(after);
    }
    let acked = sidecar.last + new.len() as u64;
    rows.put_sidecar(Sidecar { last: acked, ..sidecar });
    Ok(Ok((Reply { acked, leases, shared: None }, synced)))
}

/// Where the entries begin that the ledger lacks, counted from 0, where the report will be taken: a store may
/// append them before the rule has run.
pub fn will_take(rows: &Rows, request: &Request) -> Result<Option<usize>, Missing> {
    let admitted = admit(rows.sidecar(request.sidecar)?, request);
    Ok(admitted.ok().map(|sidecar| new_from(request, sidecar.last)))
}

/// Where the entries begin that the ledger lacks, counted from 0.
pub(super) fn new_from(request: &Request, last: u64) -> usize {
    let new_from = usize::try_from((last + 1).saturating_sub(request.batch.first)).unwrap_or(usize::MAX);
    new_from.min(request.batch.entries.len())
}

/// Whether the report is from the newest incarnation and has no gap before it.
pub(super) fn admit<'a>(registered: Option<&'a Sidecar>, request: &Request) -> Result<&'a Sidecar, SyncRefusal> {
    let Some(sidecar) = registered else { return Err(SyncRefusal::RegisterFirst) };
    if sidecar.id != request.sidecar || sidecar.incarnation < request.incarnation {
        return Err(SyncRefusal::RegisterFirst);
    }
    if sidecar.incarnation > request.incarnation {
        return Err(SyncRefusal::Fenced);
    }
    if sidecar.state == State::WrittenOff {
        // What it held has been or will be given to others: it must not spend on.
        return Err(SyncRefusal::Fenced);
    }
    if !request.batch.entries.is_empty() && request.batch.first > sidecar.last + 1 && !many::forgets_lives() {
        return Err(SyncRefusal::Gap { last: sidecar.last });
    }
    Ok(sidecar)
}

/// What is known of one account from a request: its last sums, and what was returned.
#[derive(Clone, Copy, Debug, Default)]
struct Partial {
    tally: Option<Tally>,
    returned: Option<Credits>,
}

impl Partial {
    /// The full report: what the request does not say stays as the account has it.
    fn resolve(self, window: Timestamp, subscription: &Subscription) -> Report {
        let account = subscription.accounts.iter().find(|a| a.window.start == window);
        let known = account.map_or(Holder::new(SOLE), |account| account.of(SOLE));
        let Holder { spent, refunded, held, .. } = known;
        let tally = self.tally.unwrap_or(Tally { spent, refunded, held });
        let returned = self.returned.unwrap_or_default().max(known.returned);
        Report { window, spent: tally.spent, refunded: tally.refunded, returned, held: tally.held, lost: Credits::ZERO }
    }
}

/// Reports each account's sums to the account that there is.
fn report_all(subscription: &mut Subscription, reports: &BTreeMap<Timestamp, Partial>) {
    for (window, report) in reports {
        let report = report.resolve(*window, subscription);
        subscription.report(SOLE, &report);
    }
}

fn reports(new: &[Entry], request: &Request) -> BTreeMap<SubscriptionId, BTreeMap<Timestamp, Partial>> {
    let mut reports: ByHash<&SubscriptionId, BTreeMap<Timestamp, Partial>> = ByHash::default();
    for entry in new {
        let accounts = reports.entry(&entry.drawer.subscription).or_default();
        for posting in &entry.postings {
            accounts.entry(posting.window).or_default().tally = Some(posting.account);
        }
    }
    for (subscription, returns) in &request.wants {
        let accounts = reports.entry(subscription).or_default();
        for &(window, returned) in returns {
            accounts.entry(window).or_default().returned = Some(returned);
        }
    }
    in_order(reports, SubscriptionId::clone)
}

pub(super) fn last_draws(new: &[Entry]) -> BTreeMap<(TeamId, UserId, Timestamp), Tally> {
    let mut draws = ByHash::default();
    for entry in new {
        let Some(team) = &entry.drawer.team else { continue };
        for posting in &entry.postings {
            if let Some(tally) = posting.member {
                draws.insert((team, &entry.drawer.member, posting.window), tally);
            }
        }
    }
    in_order(draws, |(team, user, window)| (team.clone(), user.clone(), window))
}

/// What came in between two states of a subscription: new grants, and rollovers that rose.
pub fn granted(before: &Subscription, after: &Subscription) -> Vec<Change> {
    let known = |grant: &Grant| before.grants.iter().find(|g| g.number == grant.number).map(|g| g.credits);
    let rose = |grant: &Grant| grant.credits.saturating_sub(known(grant).unwrap_or_default());
    let changes = after.grants.iter().filter(|grant| !rose(grant).is_zero()).map(|grant| Change::Granted {
        subscription: after.id.clone(),
        number: grant.number,
        kind: grant.kind,
        credits: rose(grant),
        expires_at: grant.expires_at,
        purchase: grant.purchase.clone(),
    });
    changes.collect()
}

/// Makes `incarnation` the newest of a sidecar; answers the last entry that the ledger has. On a store
/// that serves only one nobody else can have spent, so a new sidecar takes over what is lent.
pub fn register(
    rows: &mut Rows,
    id: u128,
    incarnation: u64,
    nonce: u128,
) -> Result<Result<Sidecar, SyncRefusal>, Missing> {
    if rows.sharing() == Sharing::Many {
        return many::register(rows, id, incarnation, nonce);
    }
    let known = rows.sidecar(id)?;
    let newer = |known: &Sidecar| known.id == id && (known.incarnation, known.nonce) != (incarnation, nonce);
    if known.is_some_and(|known| newer(known) && known.incarnation >= incarnation) {
        return Ok(Err(SyncRefusal::Fenced));
    }
    let sidecar = Sidecar { id, incarnation, nonce, last: known.map_or(0, |known| known.last), ..Sidecar::default() };
    rows.put_sidecar(sidecar.clone());
    Ok(Ok(sidecar))
}
