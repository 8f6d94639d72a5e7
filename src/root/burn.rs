//! Which grants pay for what an account consumes: soonest expiry first, and back in reverse.

use super::subscription::{Burn, Grant, GrantKind, Subscription};
use crate::domain::{Credits, Timestamp};

impl Subscription {
    /// Makes every account's burns match what it has consumed at `now`: first all give back, then
    /// all are covered, oldest first, so that an earlier window's debt is the first that new grants
    /// cover.
    pub(super) fn rebalance(&mut self, now: Timestamp) {
        for index in 0..self.accounts.len() {
            let account = &self.accounts[index];
            let excess = account.burned().saturating_sub(account.consumed(now));
            self.unburn(index, excess, now);
        }
        for index in 0..self.accounts.len() {
            self.cover(index, now);
        }
        assert!(self.grants.iter().all(|g| g.burned <= g.credits), "no grant is burned twice");
        debug_assert!(self.grants.iter().all(|g| g.burned >= self.burned_of(g.number)), "no burn is counted twice");
        debug_assert!(self.opened_adds_up(now), "what was opened is left or burned");
    }

    /// Burns what the account has consumed above what is burned for it, as far as there is any.
    fn cover(&mut self, index: usize, now: Timestamp) {
        if !self.is_sealed(index) {
            self.cover_lapsed(index, now);
        }
        let account = &self.accounts[index];
        let rest = account.consumed(now).saturating_sub(account.burned());
        self.burn(index, rest, now);
    }

    /// Covers leases that have run out by the grants of their time, some of which have expired since: what other
    /// leases rest on must not pay for them as well.
    fn cover_lapsed(&mut self, index: usize, now: Timestamp) {
        let mut lapsed = Credits::ZERO;
        for (until, part) in self.lent_parts(index, now).into_iter().take_while(|&(until, _)| until <= now) {
            lapsed = lapsed.plus(part);
            let account = &self.accounts[index];
            let burned = account.burned();
            let short = account.out().saturating_sub(burned).saturating_sub(self.left(now));
            let rest = lapsed.saturating_sub(burned).max(short.min(part));
            self.burn(index, rest, last_before(until));
        }
    }

    /// What each holder has consumed of what it was lent, with when its lease runs out; the soonest first.
    fn lent_parts(&self, index: usize, now: Timestamp) -> Vec<(Timestamp, Credits)> {
        let holders = self.accounts[index].holders.iter();
        let mut parts: Vec<_> = holders.map(|holder| (holder.until, holder.out().min(holder.consumed(now)))).collect();
        parts.sort();
        parts
    }

    /// Burns up to `credits` of what is alive at `alive_at`, in burn order; less when there is less.
    fn burn(&mut self, index: usize, credits: Credits, alive_at: Timestamp) {
        let (sealed, opened_at) = (self.is_sealed(index), self.open_account().window.start);
        let mut rest = credits;
        while !rest.is_zero() {
            let next = self.grants.iter_mut().filter(|g| g.is_alive(alive_at) && !g.left().is_zero());
            let Some(grant) = next.min_by_key(|g| g.burn_order()) else { return };
            let part = rest.min(grant.left());
            grant.burned = grant.burned.plus(part);
            if sealed && grant.is_alive(opened_at) {
                grant.opened = grant.opened.minus(part);
            }
            rest = rest.minus(part);
            let burns = &mut self.accounts[index].burns;
            match burns.last_mut() {
                Some(last) if last.grant == grant.number => last.credits = last.credits.plus(part),
                _ => burns.push(Burn { grant: grant.number, credits: part }),
            }
        }
    }

    /// Gives `credits` back to the grants that the account burned last. To an expired grant nothing
    /// goes back that the holder of a valid lease may still spend.
    fn unburn(&mut self, index: usize, credits: Credits, now: Timestamp) {
        let (sealed, opened_at) = (self.is_sealed(index), self.open_account().window.start);
        let mut rest = credits;
        while let Some(last) = self.accounts[index].burns.last().filter(|_| !rest.is_zero()) {
            let at = self.grants.iter().position(|g| g.number == last.grant).expect("a burned grant is kept");
            let is_alive = self.grants[at].is_alive(now);
            let room = if is_alive { rest } else { rest.min(self.uncalled(index, now)) };
            let part = room.min(last.credits);
            if part.is_zero() {
                return;
            }
            let burns = &mut self.accounts[index].burns;
            let last = burns.last_mut().expect("the burn that was just looked at");
            last.credits = last.credits.minus(part);
            if last.credits.is_zero() {
                burns.pop();
            }
            rest = rest.minus(part);
            let grant = &mut self.grants[at];
            grant.burned = grant.burned.minus(part);
            if sealed && grant.is_alive(opened_at) {
                grant.opened = grant.opened.plus(part);
            }
            self.raise_rollover(at, now);
        }
    }

    /// What may lapse of an account's cover before it is less than what its valid leases let their
    /// holders spend.
    fn uncalled(&self, index: usize, now: Timestamp) -> Credits {
        let account = &self.accounts[index];
        account.burned().saturating_sub(account.claims().saturating_sub(self.left(now)))
    }

    /// Lets credits that come back to an ended monthly grant roll over, up to the cap.
    fn raise_rollover(&mut self, monthly: usize, now: Timestamp) {
        let monthly = &self.grants[monthly];
        if monthly.kind != GrantKind::Monthly || monthly.is_alive(now) {
            return;
        }
        let (rolled, origin) = (self.rolled(monthly), monthly.origin);
        let of_monthly = |g: &&mut Grant| g.kind == GrantKind::Rollover && g.origin == origin && g.is_alive(now);
        let Some(rollover) = self.grants.iter_mut().find(of_monthly) else { return };
        let raise = rolled.saturating_sub(rollover.credits);
        rollover.credits = rollover.credits.plus(raise);
        rollover.opened = rollover.opened.plus(raise);
    }

    /// What of an ended monthly grant rolls over: what is left of it, up to the cap.
    pub(super) fn rolled(&self, monthly: &Grant) -> Credits {
        monthly.left().min(self.terms.rollover.cap.unwrap_or(monthly.credits))
    }

    fn is_sealed(&self, index: usize) -> bool {
        index + 1 < self.accounts.len()
    }

    /// What all accounts that are kept have burned of one grant.
    fn burned_of(&self, grant: u64) -> Credits {
        let burns = self.accounts.iter().flat_map(|a| &a.burns).filter(|b| b.grant == grant);
        burns.fold(Credits::ZERO, |sum, burn| sum.plus(burn.credits))
    }

    /// What the open account has burned of one grant.
    pub(super) fn burned_openly(&self, grant: u64) -> Credits {
        let burns = self.open_account().burns.iter().filter(|b| b.grant == grant);
        burns.fold(Credits::ZERO, |sum, burn| sum.plus(burn.credits))
    }

    fn opened_adds_up(&self, now: Timestamp) -> bool {
        let mut alive = self.grants.iter().filter(|g| g.is_alive(now));
        !self.open_account().window.contains(now)
            || alive.all(|g| g.opened == g.left().plus(self.burned_openly(g.number)))
    }
}

/// The last instant before `at`.
pub(super) fn last_before(at: Timestamp) -> Timestamp {
    Timestamp::from_millis(at.millis() - 1).unwrap_or(Timestamp::MIN)
}
