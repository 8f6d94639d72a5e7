//! Members' limits as accounts: what is lent of a limit to one sidecar no other may let the member draw.
//! A member without a limit needs no lease; its draws are kept all the same.

use std::collections::{BTreeMap, BTreeSet};

use super::blocks::is_lender;
use super::desk::{Desk, Funds};
use super::funds::Lease;
use super::holder::Holder;
use super::many::{Tale, Told};
use super::rows::{Missing, Rows};
use super::share::{Flags, MemberLease, MemberShare, Shared, Shares};
use super::sidecar::{MemberAccount, MemberFunds, State};
use super::subscription::Account;
use super::windows::ACCOUNT_KEPT_MILLIS;
use crate::domain::{Credits, SubscriptionId, TeamId, Timestamp, UserId, Window};

/// No month is longer.
const MONTH_MILLIS_MAX: u64 = 31 * 24 * 3_600_000;

fn people<'a>(shares: &'a Shares, tale: &'a Tale) -> BTreeSet<&'a (TeamId, UserId)> {
    shares.members.keys().chain(tale.members.keys()).collect()
}

/// Asks for every row that [`sync`] reads.
pub(super) fn need(rows: &Rows, shares: &Shares, tale: &Tale) -> Result<(), Missing> {
    for person in people(shares, tale) {
        rows.member(&person.0, &person.1)?;
        let since = rows.member_funds(&person.0, &person.1)?.map_or(0, |funds| funds.limited_since);
        if since > 0 && shares.members.get(person).is_some_and(|share| share.want.is_some()) {
            unlimited(rows, 0, person, Timestamp::MIN, since)?;
        }
    }
    Ok(())
}

/// Takes over what a sidecar reports of members, and lends of their limits.
pub(super) fn sync(
    rows: &mut Rows,
    desk: &Desk,
    shares: &Shares,
    tale: &Tale,
    ids: &BTreeSet<SubscriptionId>,
    shared: &mut Shared,
) -> Result<(), Missing> {
    let windows = windows(rows, ids)?;
    for person in people(shares, tale) {
        let member = rows.member(&person.0, &person.1)?;
        let limit = member.and_then(|member| member.limit);
        let new = || MemberFunds::new(person.0.clone(), person.1.clone());
        let mut funds = rows.member_funds(&person.0, &person.1)?.cloned().unwrap_or_else(new);
        let none = MemberShare::default();
        let share = shares.members.get(person).unwrap_or(&none);
        report(&mut funds, desk, share, tale.members.get(person), &windows);
        let mut lease = MemberLease { limit, used: Credits::ZERO, leases: Vec::new(), flags: Flags::default() };
        if let Some((window, want)) = share.want {
            let account = funds.of(window.start);
            let claims = account.map_or(Credits::ZERO, MemberAccount::claims);
            lease.used = account.map_or(Credits::ZERO, MemberAccount::used);
            if let Some(limit) = limit {
                let since = funds.limited_since;
                let unlimited = unlimited(rows, desk.sidecar, person, window.start, since)?;
                let claims = claims.checked_add(unlimited).unwrap_or(Credits::MAX);
                let terms = Funds { cover: limit, claims, boundary: window.end };
                let account = funds.of_mut(window);
                let now = desk.now.max(window.start);
                lease.flags = desk.lend_of(&mut account.holders, &mut account.short_at, terms, Some(&want), now);
            }
        }
        forget(&mut funds, desk.now);
        lease.leases = funds.accounts.iter().map(|account| account.lease_of(desk.sidecar)).collect();
        if share.want.is_none() {
            lease.flags.recall = funds.accounts.last().is_some_and(|last| is_called(last, limit, desk.now));
        }
        shared.members.insert(person.clone(), lease);
        rows.put_member_funds(funds);
    }
    Ok(())
}

/// Whether holders are to return what they have free of an account.
fn is_called(account: &MemberAccount, limit: Option<Credits>, now: Timestamp) -> bool {
    let is_short = now.millis_since(account.short_at) < super::size::RECALL_MILLIS;
    is_short || limit.is_some_and(|limit| account.claims() > limit)
}

/// The windows of the pools that a sync is about, by their start.
fn windows(rows: &Rows, ids: &BTreeSet<SubscriptionId>) -> Result<BTreeMap<Timestamp, Window>, Missing> {
    let mut windows = BTreeMap::new();
    for id in ids {
        let accounts = rows.subscription(id)?.map_or(&[][..], |subscription| &subscription.accounts);
        windows.extend(accounts.iter().map(|account| (account.window.start, account.window)));
    }
    Ok(windows)
}

fn report(
    funds: &mut MemberFunds,
    desk: &Desk,
    share: &MemberShare,
    told: Option<&BTreeMap<Timestamp, crate::domain::Tally>>,
    windows: &BTreeMap<Timestamp, Window>,
) {
    for position in &share.positions {
        let holder = funds.of_mut(position.window).holder_mut(desk.sidecar);
        holder.saw(position);
        let is_told = told.is_some_and(|told| told.contains_key(&position.window.start));
        let newest = Some(position).filter(|_| desk.is_newest && !is_told);
        holder.merge_limit(Told::default().or(newest), Some(position));
    }
    for (&start, &tally) in told.into_iter().flatten() {
        let known = windows.get(&start).copied();
        let window = known.unwrap_or(Window { start, end: start.plus_millis(MONTH_MILLIS_MAX) });
        let told = Told { tally: Some(tally), owed: Credits::ZERO };
        funds.of_mut(window).holder_mut(desk.sidecar).merge_limit(told, None);
    }
}

impl Holder {
    /// As [`Holder::merge`], but draws without a lease are none of the holder's faults: the member had
    /// no limit, or settled above a hold. They are covered at once.
    fn merge_limit(&mut self, told: Told, position: Option<&super::share::Position>) {
        if let Some(tally) = told.tally.filter(crate::domain::Tally::is_possible) {
            (self.spent, self.refunded) = (self.spent.max(tally.spent), self.refunded.max(tally.refunded));
            self.held = tally.held;
            self.cover(Credits::ZERO);
        }
        if let Some(position) = position {
            let (returned, lost) = (self.returned.max(position.returned), self.lost.max(position.lost));
            if returned.checked_add(lost).is_some_and(|gone| gone <= self.granted) {
                (self.returned, self.lost) = (returned, lost);
            }
        }
    }
}

/// What sidecars may still let a member draw that had no limit when they last heard of it: what they
/// hold of the pool. Nothing more of it is lent to them before they know of the limit.
fn unlimited(
    rows: &Rows,
    asker: u128,
    (team, _): &(TeamId, UserId),
    window: Timestamp,
    since: u64,
) -> Result<Credits, Missing> {
    if since == 0 {
        return Ok(Credits::ZERO);
    }
    let team = rows.team(team)?;
    let pool = team.and_then(|team| team.subscription.as_ref()).map(|id| rows.subscription(id)).transpose()?.flatten();
    let mut sum = Credits::ZERO;
    let mut is_borrowed = false;
    let account = pool.and_then(|pool| pool.accounts.iter().find(|account| account.window.start == window));
    for sidecar in rows.sidecars()?.filter(|sidecar| !is_lender(sidecar.id)) {
        let knows = sidecar.config >= since || sidecar.id == asker || sidecar.state == State::WrittenOff;
        if let (false, Some(account)) = (knows, account) {
            is_borrowed = true;
            sum = sum.checked_add(account.of(sidecar.id).free()).unwrap_or(Credits::MAX);
        }
    }
    // They may borrow that as well, or have.
    let blocks = account.filter(|_| is_borrowed).map_or(Credits::ZERO, Account::lent_in_blocks);
    Ok(sum.checked_add(blocks).unwrap_or(Credits::MAX))
}

/// Drops windows of long ago in which nothing is held or lent.
fn forget(funds: &mut MemberFunds, now: Timestamp) {
    let is_settled = |account: &MemberAccount| {
        account.holders.iter().all(|holder| holder.held.is_zero() && holder.out() == holder.taken())
    };
    funds.accounts.retain(|a| !is_settled(a) || now < a.window.end.plus_millis(ACCOUNT_KEPT_MILLIS));
}

impl MemberAccount {
    /// What a sidecar is lent of it.
    pub fn lease_of(&self, sidecar: u128) -> Lease {
        let Holder { granted, returned, lost, until, .. } = self.holder(sidecar);
        Lease { window: self.window, granted, returned, lost, until }
    }
}
