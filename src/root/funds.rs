//! An account's funds: what its holders report, what grants must cover of that, what the one sidecar
//! of a store is lent that serves no other. How many share is in `share`.
//!
//! An account burns grants for what it has *consumed*. While a lease is valid that is what its
//! sidecar charged and holds; once the lease has run out it is all that has not been returned,
//! because only the holder's own report may bring credits back (I10).

use super::holder::{Holder, SOLE};
use super::subscription::{Account, Grant, GrantKind, Subscription};
use crate::domain::{Credits, Timestamp, Window};

/// What a holder of an account reports; all numbers cumulative but `held`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// [`Window::start`] of the account.
    pub window: Timestamp,
    /// Charged.
    pub spent: Credits,
    /// Refunded.
    pub refunded: Credits,
    /// Returned to the root.
    pub returned: Credits,
    /// Set aside by open holds.
    pub held: Credits,
    /// Of which it cannot say whether they were spent.
    pub lost: Credits,
}

/// What a sidecar may spend of one account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The account's window.
    pub window: Window,
    /// Lent in all; never falls.
    pub granted: Credits,
    /// Returned in all, as the root knows it.
    pub returned: Credits,
    /// In suspense in all, as the root knows it: charged, not to be spent.
    pub lost: Credits,
    /// From when on nothing free may be spent before the next sync: the window ends, or a grant expires.
    pub until: Timestamp,
}

impl Account {
    /// An account of `window` of which nothing is lent.
    pub fn new(window: Window) -> Self {
        Self { window, holders: Vec::new(), short_at: Timestamp::MIN, burns: Vec::new() }
    }

    /// A sidecar's part; all zero where it has none.
    pub fn of(&self, sidecar: u128) -> Holder {
        self.holders.iter().find(|holder| holder.sidecar == sidecar).copied().unwrap_or(Holder::new(sidecar))
    }

    /// A sidecar's part, to change it.
    pub(super) fn of_mut(&mut self, sidecar: u128) -> &mut Holder {
        of_mut(&mut self.holders, sidecar)
    }

    fn sum(&self, part: impl Fn(&Holder) -> Credits) -> Credits {
        self.holders.iter().fold(Credits::ZERO, |sum, holder| sum.checked_add(part(holder)).unwrap_or(Credits::MAX))
    }

    /// Charged by all sidecars in all.
    pub fn spent(&self) -> Credits {
        self.sum(|holder| holder.spent)
    }

    /// Refunded by all sidecars in all.
    pub fn refunded(&self) -> Credits {
        self.sum(|holder| holder.refunded)
    }

    /// Set aside by open holds, as far as it was reported.
    pub fn held(&self) -> Credits {
        self.sum(|holder| holder.held)
    }

    /// Charged without anybody knowing that it was spent.
    pub fn suspense(&self) -> Credits {
        self.sum(Holder::suspense)
    }

    /// What its grants have covered.
    pub fn burned(&self) -> Credits {
        self.burns.iter().fold(Credits::ZERO, |sum, burn| sum.plus(burn.credits))
    }

    /// What has been lent and not returned.
    pub fn out(&self) -> Credits {
        self.sum(Holder::out)
    }

    /// What holders have charged, less refunds, what they set aside, and what is in suspense.
    pub fn used_and_held(&self) -> Credits {
        self.sum(Holder::taken)
    }

    /// What stays charged until holders report otherwise.
    pub fn claims(&self) -> Credits {
        self.sum(Holder::claim)
    }

    /// What grants must cover at `now`.
    pub(super) fn consumed(&self, now: Timestamp) -> Credits {
        self.sum(|holder| holder.consumed(now))
    }

    /// What was charged or held above all that its grants could cover.
    pub fn debt(&self) -> Credits {
        self.used_and_held().saturating_sub(self.burned())
    }

    /// Whether nothing can change any more but by a refund.
    pub(super) fn is_settled(&self) -> bool {
        self.held().is_zero()
            && self.holders.iter().all(|holder| holder.out() == holder.taken())
            && self.burned() == self.out()
    }

    /// What a sidecar is lent of it.
    pub fn lease_of(&self, sidecar: u128) -> Lease {
        let Holder { granted, returned, lost, until, .. } = self.of(sidecar);
        Lease { window: self.window, granted, returned, lost, until }
    }
}

/// The part of `sidecar` among holders that are kept in the order of their ids.
pub(super) fn of_mut(holders: &mut Vec<Holder>, sidecar: u128) -> &mut Holder {
    let at = holders.binary_search_by_key(&sidecar, |holder| holder.sidecar).unwrap_or_else(|at| {
        holders.insert(at, Holder::new(sidecar));
        at
    });
    &mut holders[at]
}

impl Subscription {
    /// Leases of all accounts that may still change, oldest first, of a store's one sidecar.
    pub fn leases(&self) -> Vec<Lease> {
        self.leases_of(SOLE)
    }

    /// Leases of a sidecar of all accounts that may still change, oldest first.
    pub fn leases_of(&self, sidecar: u128) -> Vec<Lease> {
        self.accounts.iter().map(|account| account.lease_of(sidecar)).collect()
    }

    /// Takes over what a holder reports. Late and repeated reports change nothing, nor do sums
    /// that cannot be. A report of a window that was not opened opens it: what was charged there,
    /// with or without a lease, must not be lost.
    pub fn report(&mut self, sidecar: u128, report: &Report) {
        let draws = !(report.spent.is_zero() && report.held.is_zero());
        if draws {
            self.open_at(report.window);
        }
        let Some(account) = self.accounts.iter_mut().find(|a| a.window.start == report.window) else { return };
        if account.holders.iter().any(|holder| holder.sidecar == sidecar) || draws {
            account.of_mut(sidecar).take(report);
        }
    }

    /// Lends the whole open account to the one sidecar there is, and answers all leases. Comes after
    /// [`Subscription::advance`]. A lease that has run out is renewed only when nothing free of it
    /// is left outside; until then the sidecar returns what is free and asks again. A lease runs out
    /// early when an earlier window's debt has taken what it was lent on.
    pub fn lend_all(&mut self, now: Timestamp) -> Vec<Lease> {
        let now = self.clamped(now);
        let (left, boundary) = (self.left(now), self.next_boundary(now));
        let open = self.accounts.last_mut().expect("advance comes before lending");
        let covered = open.burned().checked_add(left).unwrap_or(Credits::MAX);
        let is_owing = !open.debt().is_zero();
        let sole = open.of_mut(SOLE);
        let is_free_outside = sole.out() > sole.taken();
        sole.until = match (now < sole.until, is_free_outside) {
            (true, true) if sole.out() > covered => now,
            (true, _) => sole.until.min(boundary),
            (false, true) => sole.until,
            (false, false) => boundary,
        };
        sole.granted = sole.granted.max(sole.returned.checked_add(covered).unwrap_or(Credits::MAX));
        assert!(sole.out() <= covered || is_owing || sole.until <= now, "a valid lease is covered");
        for sealed in self.accounts.iter_mut().rev().skip(1).filter(|sealed| !sealed.holders.is_empty()) {
            let burned = sealed.burned();
            let sole = sealed.of_mut(SOLE);
            sole.granted = sole.granted.max(sole.returned.checked_add(burned).unwrap_or(Credits::MAX));
        }
        self.leases()
    }

    /// From when on a lease given at `now` must not be spent: the window ends or a grant expires.
    pub(super) fn next_boundary(&self, now: Timestamp) -> Timestamp {
        let expiries = self.grants.iter().filter_map(|g| g.expires_at).filter(|&at| at > now);
        expiries.chain([self.open_account().window.end]).min().expect("the window's end is there")
    }

    /// What grants that are alive have left to burn, at most [`Credits::MAX`].
    pub fn left(&self, now: Timestamp) -> Credits {
        let alive = self.grants.iter().filter(|g| g.is_alive(now));
        alive.fold(Credits::ZERO, |sum, g| sum.checked_add(g.left()).unwrap_or(Credits::MAX))
    }

    /// What grants of one kind give in the current window: what is alive, and of what has expired
    /// what was spent before. Their sum less `used` and `held`, and with the debt of the current
    /// window, is what remains (rule 2). Comes after [`Subscription::advance`].
    pub fn total(&self, kind: GrantKind, now: Timestamp) -> Credits {
        let now = self.clamped(now);
        let given = |g: &Grant| if g.is_alive(now) { g.opened } else { self.burned_openly(g.number) };
        let grants = self.grants.iter().filter(|g| g.kind == kind);
        grants.fold(Credits::ZERO, |sum, g| sum.checked_add(given(g)).unwrap_or(Credits::MAX))
    }
}
