//! An account's funds: what its holder reports, what grants must cover of that, what is lent.
//!
//! An account burns grants for what it has *consumed*. While its lease is valid that is what the
//! sidecar charged and holds; once the lease has run out it is all that has not been returned,
//! because only the holder's own report may bring credits back (I10).

use super::subscription::{Account, Grant, GrantKind, Subscription};
use crate::domain::{Credits, Timestamp, Window};

/// What the holder of an account reports; all numbers cumulative but `held`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    /// From when on nothing free may be spent before the next sync: the window ends, or a grant expires.
    pub until: Timestamp,
}

impl Account {
    /// An account of `window` of which nothing is lent.
    pub fn new(window: Window) -> Self {
        Self {
            window,
            granted: Credits::ZERO,
            spent: Credits::ZERO,
            refunded: Credits::ZERO,
            returned: Credits::ZERO,
            held: Credits::ZERO,
            until: Timestamp::MIN,
            burns: Vec::new(),
        }
    }

    /// What its grants have covered.
    pub fn burned(&self) -> Credits {
        self.burns.iter().fold(Credits::ZERO, |sum, burn| sum.plus(burn.credits))
    }

    /// What has been lent and not returned.
    pub fn out(&self) -> Credits {
        self.granted.minus(self.returned)
    }

    /// What the holder has charged, less refunds, and set aside.
    pub fn used_and_held(&self) -> Credits {
        self.spent.minus(self.refunded).plus(self.held)
    }

    /// What grants must cover at `now`.
    pub(super) fn consumed(&self, now: Timestamp) -> Credits {
        let known = self.used_and_held();
        if now < self.until { known } else { known.max(self.out()) }
    }

    /// What was charged or held above all that its grants could cover.
    pub fn debt(&self) -> Credits {
        self.used_and_held().saturating_sub(self.burned())
    }

    /// Whether nothing can change any more but by a refund.
    pub(super) fn is_settled(&self) -> bool {
        self.held.is_zero() && self.out() == self.used_and_held() && self.burned() == self.out()
    }

    /// Whether a report's sums can be: no more comes back than went out.
    fn allows(&self, report: &Report) -> bool {
        let used = report.spent.checked_sub(report.refunded);
        report.returned <= self.granted && used.is_some_and(|used| used.checked_add(report.held).is_some())
    }

    fn lease(&self) -> Lease {
        Lease { window: self.window, granted: self.granted, returned: self.returned, until: self.until }
    }
}

impl Subscription {
    /// Leases of all accounts that may still change, oldest first.
    pub fn leases(&self) -> Vec<Lease> {
        self.accounts.iter().map(Account::lease).collect()
    }

    /// Takes over what the holder reports. Late and repeated reports change nothing, nor do sums
    /// that cannot be. A report of a window that was not opened opens it: what was charged there,
    /// with or without a lease, must not be lost.
    pub fn report(&mut self, report: &Report) {
        let draws = !(report.spent.is_zero() && report.held.is_zero());
        if draws {
            self.open_at(report.window);
        }
        let Some(account) = self.accounts.iter_mut().find(|a| a.window.start == report.window) else { return };
        let falls =
            report.spent < account.spent || report.refunded < account.refunded || report.returned < account.returned;
        if falls || !account.allows(report) {
            return;
        }
        (account.spent, account.refunded) = (report.spent, report.refunded);
        (account.returned, account.held) = (report.returned, report.held);
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
        let is_free_outside = open.out() > open.used_and_held();
        open.until = match (now < open.until, is_free_outside) {
            (true, true) if open.out() > covered => now,
            (true, _) => open.until.min(boundary),
            (false, true) => open.until,
            (false, false) => boundary,
        };
        open.granted = open.granted.max(open.returned.checked_add(covered).unwrap_or(Credits::MAX));
        let is_covered = open.out() <= covered || !open.debt().is_zero();
        assert!(is_covered || open.until <= now, "a valid lease is covered");
        for sealed in self.accounts.iter_mut().rev().skip(1) {
            sealed.granted = sealed.granted.max(sealed.returned.checked_add(sealed.burned()).unwrap_or(Credits::MAX));
        }
        self.leases()
    }

    /// From when on a lease given at `now` must not be spent: the window ends or a grant expires.
    fn next_boundary(&self, now: Timestamp) -> Timestamp {
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
