//! Which grants pay for what an account consumes: soonest expiry first, and back in reverse.

use super::subscription::{Burn, Grant, GrantKind, Subscription};
use crate::domain::{Credits, Timestamp};

impl Subscription {
    /// Makes every account's burns match what it has consumed at `now`, oldest account first, so
    /// that the debt of an earlier window is the first that new grants cover.
    pub(super) fn rebalance(&mut self, now: Timestamp) {
        for index in 0..self.accounts.len() {
            let account = &self.accounts[index];
            let (target, burned, out) = (account.consumed(now), account.burned(), account.out());
            if burned > target {
                self.unburn(index, burned.minus(target), now);
            } else if burned < target {
                // What is out was lent while the grants of that time were alive.
                let lent_at = last_instant_before(account.until, now);
                self.burn(index, out.min(target).saturating_sub(burned), lent_at);
                let rest = target.minus(self.accounts[index].burned());
                self.burn(index, rest, now);
            }
            assert!(self.accounts[index].burned() <= target, "no more is burned than was consumed");
        }
    }

    /// Burns up to `credits` of what is alive at `alive_at`, in burn order; less when there is less.
    fn burn(&mut self, index: usize, credits: Credits, alive_at: Timestamp) {
        let mut rest = credits;
        while !rest.is_zero() {
            let next = self.grants.iter_mut().filter(|g| g.is_alive(alive_at) && !g.left().is_zero());
            let Some(grant) = next.min_by_key(|g| g.burn_order()) else { return };
            let part = rest.min(grant.left());
            grant.burned = grant.burned.plus(part);
            rest = rest.minus(part);
            let burns = &mut self.accounts[index].burns;
            match burns.last_mut() {
                Some(last) if last.grant == grant.number => last.credits = last.credits.plus(part),
                _ => burns.push(Burn { grant: grant.number, credits: part }),
            }
        }
    }

    /// Gives `credits` back to the grants that the account burned last.
    fn unburn(&mut self, index: usize, credits: Credits, now: Timestamp) {
        let sealed = index + 1 < self.accounts.len();
        let mut rest = credits;
        while !rest.is_zero() {
            let burns = &mut self.accounts[index].burns;
            let last = burns.last_mut().expect("no more is given back than was burned");
            let (number, part) = (last.grant, rest.min(last.credits));
            last.credits = last.credits.minus(part);
            rest = rest.minus(part);
            if last.credits.is_zero() {
                burns.pop();
            }
            let grant = self.grants.iter_mut().find(|g| g.number == number).expect("a burned grant is kept");
            grant.burned = grant.burned.minus(part);
            if sealed && grant.is_alive(now) {
                grant.opened = grant.opened.plus(part);
            }
            let grant = grant.clone();
            self.raise_rollover(&grant, now);
        }
    }

    /// Lets credits that come back to an ended monthly grant roll over, up to the cap.
    fn raise_rollover(&mut self, monthly: &Grant, now: Timestamp) {
        if monthly.kind != GrantKind::Monthly || monthly.is_alive(now) {
            return;
        }
        let rolled = self.rolled(monthly);
        let same_origin = |g: &&mut Grant| g.kind == GrantKind::Rollover && g.origin == monthly.origin;
        let Some(rollover) = self.grants.iter_mut().find(same_origin) else { return };
        let raise = rolled.saturating_sub(rollover.credits);
        rollover.credits = rollover.credits.plus(raise);
        rollover.opened = rollover.opened.plus(raise);
    }

    /// What of an ended monthly grant rolls over: what is left of it, up to the cap.
    pub(super) fn rolled(&self, monthly: &Grant) -> Credits {
        monthly.left().min(self.terms.rollover.cap.unwrap_or(monthly.credits))
    }
}

/// `now`, or the last instant at which a lease that ran out at `until` was valid.
fn last_instant_before(until: Timestamp, now: Timestamp) -> Timestamp {
    if now < until { now } else { Timestamp::from_millis(until.millis() - 1).unwrap_or(Timestamp::MIN) }
}
