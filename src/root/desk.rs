//! Taking one sidecar's report of a pool, and lending it a part: the same for every account.

use std::collections::BTreeMap;

use super::holder::Holder;
use super::many::Told;
use super::share::{Flags, Position};
use super::size::{self, Asking, Lent, RECALL_MILLIS, Want};
use super::subscription::Subscription;
use crate::domain::{Credits, Timestamp};

/// For whom and when one sync lends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Desk {
    pub sidecar: u128,
    pub now: Timestamp,
    /// No later sync of this incarnation has been taken: an older one lends nothing.
    pub is_newest: bool,
    /// Nothing is to be lent to this sidecar.
    pub is_withheld: bool,
}

/// What a report showed that should not be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// Accounts of which the store had forgotten that it lent.
    pub regressions: u64,
    /// The sidecar spent what it was not lent.
    pub overdrawn: bool,
}

/// What can be lent of one account.
#[derive(Clone, Copy, Debug)]
pub(super) struct Funds {
    /// What there is, lent or not.
    pub cover: Credits,
    /// What stays charged to all holders.
    pub claims: Credits,
    /// From when on what is lent now must not be spent.
    pub boundary: Timestamp,
}

impl Desk {
    /// Takes over what the sidecar reports of a subscription, and brings it to `now`.
    pub fn report(
        &self,
        subscription: &mut Subscription,
        told: Option<&BTreeMap<Timestamp, Told>>,
        positions: &[Position],
    ) -> Found {
        let mut found = Found::default();
        for position in positions.iter().filter(|position| !position.granted.is_zero()) {
            subscription.open_at(position.window.start);
        }
        for (&window, _) in told.into_iter().flatten() {
            subscription.open_at(window);
        }
        for account in &mut subscription.accounts {
            let start = account.window.start;
            let position = positions.iter().find(|position| position.window.start == start);
            let told = told.and_then(|told| told.get(&start)).copied();
            if position.is_some() || told.is_some() {
                let holder = account.of_mut(self.sidecar);
                // By a late report who settled above its holds could not be excused.
                let owed = holder.owed.checked_add(told.unwrap_or_default().owed).unwrap_or(Credits::MAX);
                let more = position.filter(|_| self.is_newest).map_or(Credits::ZERO, |position| holder.saw(position));
                // After a restart what was settled above counts as lent.
                found.regressions += u64::from(more > owed);
                let told = told.unwrap_or_default().or(position.filter(|_| self.is_newest));
                if let (false, Some(position)) = (more.is_zero(), position) {
                    holder.excuse(position);
                }
                let is_sound = holder.merge(told, position);
                // What a late report lacks the newest one may have: only that is judged.
                found.overdrawn |= position.is_some() && self.is_newest && !is_sound;
            }
        }
        subscription.advance(self.now);
        found
    }

    /// Lends a part of the open account to the sidecar, and covers what it took above its part.
    pub fn lend(&self, subscription: &mut Subscription, want: Option<&Want>) -> Flags {
        let now = subscription.clamped(self.now);
        let (left, boundary) = (subscription.left(now), subscription.next_boundary(now));
        let (open, sealed) = subscription.accounts.split_last_mut().expect("advance comes before lending");
        for account in sealed.iter_mut().filter(|a| a.holders.iter().any(|h| h.sidecar == self.sidecar)) {
            let uncovered = account.claims().saturating_sub(account.burned());
            account.of_mut(self.sidecar).cover(uncovered);
        }
        let cover = open.burned().checked_add(left).unwrap_or(Credits::MAX);
        let claims = open.claims();
        #[cfg(feature = "faults")]
        let claims = if super::faults::has(super::faults::Fault::ReclaimByTime) { open.heard_of(now) } else { claims };
        let funds = Funds { cover, claims, boundary };
        self.lend_of(&mut open.holders, &mut open.short_at, funds, want, now)
    }

    /// Lends of one account.
    pub fn lend_of(
        &self,
        holders: &mut Vec<Holder>,
        short_at: &mut Timestamp,
        Funds { cover, claims, boundary }: Funds,
        want: Option<&Want>,
        now: Timestamp,
    ) -> Flags {
        let (free, uncovered) = (cover.saturating_sub(claims), claims.saturating_sub(cover));
        let asking = want.map(|want| Asking::of(holders, self.sidecar, want, now));
        let holder = super::funds::of_mut(holders, self.sidecar);
        holder.cover(uncovered);
        holder.renew(!uncovered.is_zero(), boundary, now);
        let own = holder.free();
        let mut lent = Lent::default();
        if let (Some(want), Some(asking)) = (want, asking)
            && self.is_newest
            && !self.is_withheld
            && now < holder.until
        {
            let room = Credits::MAX.minus(holder.granted);
            lent = size::lend(free.min(room), own, want, asking);
            holder.granted = holder.granted.plus(lent.credits);
            if !want.is_little() {
                (holder.asked_at, holder.step) = (now, want.step);
            }
        }
        let is_called = !uncovered.is_zero() || now.millis_since(*short_at) < RECALL_MILLIS;
        if lent.short {
            *short_at = now;
        }
        let others = holders.iter().filter(|h| h.sidecar != self.sidecar).map(Holder::free);
        let all = others.fold(free.plus(own), |sum, part| sum.checked_add(part).unwrap_or(Credits::MAX));
        let calls = lent.short && want.is_some_and(|want| all >= want.least);
        Flags { recall: is_called, tight: lent.tight, short: lent.short, calls, withheld: self.is_withheld }
    }
}

impl Holder {
    /// Takes note of what the holder was told to be lent; answers how much of it is not known here.
    pub(super) fn saw(&mut self, position: &Position) -> Credits {
        #[cfg(feature = "faults")]
        if super::faults::has(super::faults::Fault::StaleStore) {
            return Credits::ZERO;
        }
        let more = position.granted.saturating_sub(self.granted);
        self.granted = self.granted.max(position.granted);
        more
    }

    /// Who was forgotten may have settled above its holds in entries that came before the account was known
    /// again: so much is not held against it.
    fn excuse(&mut self, position: &Position) {
        let parts = [position.returned, position.lost];
        let used = position.tally.spent.saturating_sub(position.tally.refunded);
        let gone = parts.iter().try_fold(used, |sum, part| sum.checked_add(*part)).unwrap_or(Credits::MAX);
        self.owed = self.owed.max(gone.saturating_sub(self.granted));
    }

    /// Takes over the larger of every number; answers whether they can be. What cannot be is charged
    /// all the same, and nothing that was returned is believed.
    pub(super) fn merge(&mut self, told: Told, position: Option<&Position>) -> bool {
        let mut next = *self;
        if told.tally.is_some_and(|tally| !tally.is_possible()) {
            return false;
        }
        if let Some(tally) = told.tally {
            (next.spent, next.refunded) = (next.spent.max(tally.spent), next.refunded.max(tally.refunded));
            next.held = tally.held;
        }
        next.owed = next.owed.checked_add(told.owed).unwrap_or(Credits::MAX);
        (self.spent, self.refunded, self.held, self.owed) = (next.spent, next.refunded, next.held, next.owed);
        if let Some(position) = position {
            (next.returned, next.lost) = (next.returned.max(position.returned), next.lost.max(position.lost));
        }
        let is_sound = next.returned.checked_add(next.lost).is_some_and(|gone| gone <= next.granted);
        if !is_sound || next.has_overdrawn() {
            return false;
        }
        *self = next;
        true
    }

    /// Covers what was taken above what was lent, but for what nothing is there.
    pub(super) fn cover(&mut self, uncovered: Credits) {
        let raise = self.deficit().saturating_sub(uncovered);
        self.granted = self.granted.checked_add(raise).unwrap_or(Credits::MAX);
    }

    /// Lets the lease run to the next boundary. One that has run out is renewed only when nothing free
    /// of it is left outside; one is called back when less is there than was lent.
    pub(super) fn renew(&mut self, is_uncovered: bool, boundary: Timestamp, now: Timestamp) {
        let is_free_outside = !self.free().is_zero();
        self.until = match (now < self.until, is_free_outside) {
            (true, true) if is_uncovered => now,
            (true, _) => self.until.min(boundary),
            (false, true) => self.until,
            (false, false) => boundary,
        };
    }
}

#[cfg(feature = "faults")]
impl super::subscription::Account {
    /// What is claimed where a lease of which nothing was heard for long counts for no more than was heard.
    fn heard_of(&self, now: Timestamp) -> Credits {
        let is_silent = |h: &Holder| now.millis_since(h.asked_at) > 600_000;
        let claim = |h: &Holder| if is_silent(h) { h.taken() } else { h.claim() };
        self.holders.iter().fold(Credits::ZERO, |sum, holder| sum.plus(claim(holder)))
    }
}
