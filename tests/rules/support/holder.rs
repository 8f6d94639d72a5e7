//! The one sidecar, by hand: it spends within what it knows to be lent, remembers, and reports when
//! told to. An independent, slower statement of what the root may expect of a holder.

use std::collections::BTreeMap;

use purser::domain::{Credits, Timestamp, Window};
use purser::root::{Lease, Report, SOLE, Subscription};

/// What the sidecar knows of one account.
#[derive(Clone, Copy, Debug)]
pub struct Held {
    pub lease: Lease,
    pub spent: Credits,
    pub refunded: Credits,
    pub held: Credits,
    pub returned: Credits,
}

impl Held {
    /// Charged less refunds, and set aside.
    pub fn taken(&self) -> Credits {
        self.spent.minus(self.refunded).plus(self.held)
    }

    /// What is lent and neither taken nor returned.
    pub fn free(&self) -> Credits {
        self.lease.granted.minus(self.returned).saturating_sub(self.taken())
    }
}

/// What the sidecar knows of one subscription, by the start of the window.
#[derive(Clone, Debug, Default)]
pub struct Holder {
    pub accounts: BTreeMap<Timestamp, Held>,
}

impl Holder {
    /// Takes leases over as the root answered them.
    pub fn learn(&mut self, leases: &[Lease]) {
        for &lease in leases {
            let known = self.begin(lease);
            assert!(lease.granted >= known.lease.granted, "what is lent never falls");
            known.lease = lease;
        }
    }

    /// The account of the window that holds `at`, begun without a lease where nothing was lent yet.
    pub fn account_of(&mut self, at: Timestamp, anchor: Timestamp) -> &mut Held {
        let known = self.accounts.values().find(|held| held.lease.window.contains(at));
        let window = known.map_or_else(|| Window::containing(anchor, at), |held| held.lease.window);
        self.begin(Lease {
            window,
            granted: Credits::ZERO,
            returned: Credits::ZERO,
            lost: Credits::ZERO,
            until: Timestamp::MIN,
        })
    }

    /// The account of a lease's window, begun with that lease where there was none.
    fn begin(&mut self, lease: Lease) -> &mut Held {
        let zero = Credits::ZERO;
        let new = Held { lease, spent: zero, refunded: zero, held: zero, returned: zero };
        self.accounts.entry(lease.window.start).or_insert(new)
    }

    /// The account that a debit at `now` draws on.
    pub fn current(&mut self, now: Timestamp) -> Option<&mut Held> {
        self.accounts.values_mut().find(|held| held.lease.window.contains(now))
    }

    /// Whether some account has taken more than it was lent.
    pub fn is_in_debt(&self) -> bool {
        self.accounts.values().any(|held| held.taken() > held.lease.granted.minus(held.returned))
    }

    /// What may be spent at `now`: nothing of a lease that has run out, nothing in debt.
    pub fn may_spend(&mut self, now: Timestamp) -> Credits {
        if self.is_in_debt() {
            return Credits::ZERO;
        }
        self.current(now).filter(|held| now < held.lease.until).map_or(Credits::ZERO, |held| held.free())
    }

    /// One sync at the sidecar's time `seen` and the root's `now`: returns what is free of leases that
    /// have run out, reports, and learns the answer.
    pub fn sync(&mut self, subscription: &mut Subscription, seen: Timestamp, now: Timestamp) {
        self.report(subscription, seen);
        subscription.advance(now);
        let leases = subscription.lend_all(now);
        self.learn(&leases);
    }

    /// Returns what is free of leases that have run out, then reports everything.
    fn report(&mut self, subscription: &mut Subscription, now: Timestamp) {
        for (&window, held) in &mut self.accounts {
            if now >= held.lease.until {
                held.returned = held.returned.plus(held.free());
            }
            let Held { spent, refunded, returned, held, .. } = *held;
            let report = Report { window, spent, refunded, returned, held, ..Report::default() };
            subscription.report(SOLE, &report);
        }
    }
}
