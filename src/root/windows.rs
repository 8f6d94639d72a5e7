//! How a subscription passes from window to window: monthly grants, rollover, what is forgotten.

use super::subscription::{Account, Grant, GrantKind, Status, Subscription, Terms};
use crate::domain::{Credits, SubscriptionId, Timestamp, Window};

/// How long a settled account is kept for refunds after its window has ended. Operation ids, and
/// with them refunds, are remembered for less.
pub const ACCOUNT_KEPT_MILLIS: u64 = 62 * 24 * 3_600_000;

impl Subscription {
    /// A new subscription, assigned to no team, with the current window's grant.
    pub fn new(id: SubscriptionId, terms: Terms, now: Timestamp) -> Self {
        let (grants, accounts) = (Vec::new(), Vec::new());
        let mut subscription = Self { id, terms, team: None, grants, accounts, next_grant: 1, epoch: 0 };
        subscription.advance(now);
        subscription
    }

    /// The account of the current window, as of the last [`Subscription::advance`].
    pub fn open_account(&self) -> &Account {
        self.accounts.last().expect("a new subscription opens its first account")
    }

    /// Brings grants and accounts to `now`: ends windows, expires, rolls over, grants, burns. Does
    /// nothing new when it is called again with the same `now`.
    pub fn advance(&mut self, now: Timestamp) {
        let now = self.accounts.last().map_or(now, |open| now.max(open.window.start));
        self.rebalance(now);
        match self.accounts.last().map(|open| open.window) {
            None => {
                let first = Window::containing(self.terms.anchor, now);
                self.grant_month(&first);
                self.open(first);
            }
            Some(window) if window.contains(now) => {}
            Some(window) => self.pass_windows(window, now),
        }
        self.rebalance(now);
        self.forget(now);
        assert!(self.open_account().window.contains(now), "the open account is the one of now");
        assert!(self.grants.iter().all(|g| g.burned <= g.credits), "no grant is burned twice");
    }

    /// Lets a change of the terms take effect in the current window: more seats grant at once,
    /// fewer take nothing back (rule 2).
    pub fn raise_month(&mut self) {
        let window = self.open_account().window;
        let month = self.month();
        let current = |g: &&mut Grant| g.kind == GrantKind::Monthly && g.origin == window.start;
        match self.grants.iter_mut().find(current) {
            None => self.grant_month(&window),
            Some(grant) => {
                let raise = month.saturating_sub(grant.credits);
                grant.credits = grant.credits.plus(raise);
                grant.opened = grant.opened.plus(raise);
            }
        }
    }

    /// Adds credits that may be burned at once.
    pub fn grant(
        &mut self,
        kind: GrantKind,
        origin: Timestamp,
        credits: Credits,
        expires_at: Option<Timestamp>,
    ) -> u64 {
        let number = self.next_grant;
        let (burned, opened) = (Credits::ZERO, credits);
        self.grants.push(Grant { number, kind, purchase: String::new(), origin, credits, burned, opened, expires_at });
        self.next_grant += 1;
        number
    }

    /// One window's credits of all seats; none once canceled.
    fn month(&self) -> Credits {
        match self.terms.status {
            Status::Active => self.terms.credits_per_seat.checked_mul(self.terms.seats).unwrap_or(Credits::MAX),
            Status::Canceled => Credits::ZERO,
        }
    }

    fn pass_windows(&mut self, ended: Window, now: Timestamp) {
        let mut window = ended;
        while !window.contains(now) {
            self.roll_over(&window);
            let end = Window::containing(self.terms.anchor, window.end).end;
            window = Window { start: window.end, end };
            self.grant_month(&window);
        }
        self.open(window);
    }

    fn open(&mut self, window: Window) {
        for grant in self.grants.iter_mut().filter(|g| g.is_alive(window.start)) {
            grant.opened = grant.left();
        }
        self.accounts.push(Account::new(window));
    }

    /// Grants one window's credits, as far as the sum of all grants stays an amount.
    fn grant_month(&mut self, window: &Window) {
        let room = Credits::MAX.minus(self.left(window.start));
        let month = self.month().min(room);
        if !month.is_zero() {
            self.grant(GrantKind::Monthly, window.start, month, Some(window.end));
        }
    }

    /// Lets what is left of an ended window's grant live on. A grant of nothing is made too: it
    /// rises as what is still held there comes back.
    fn roll_over(&mut self, ended: &Window) {
        let rollover = self.terms.rollover;
        let of_ended = |g: &&Grant| g.kind == GrantKind::Monthly && g.origin == ended.start;
        let Some(monthly) = self.grants.iter().find(of_ended) else { return };
        if rollover.windows == 0 || self.terms.status == Status::Canceled {
            return;
        }
        let rolled = self.rolled(monthly);
        let further = |end, _| Window::containing(self.terms.anchor, end).end;
        let expires_at = (0..rollover.windows).fold(ended.end, further);
        self.grant(GrantKind::Rollover, ended.start, rolled, Some(expires_at));
    }

    /// Drops accounts that nothing can change any more, then grants that nothing refers to.
    fn forget(&mut self, now: Timestamp) {
        let open = self.open_account().window.start;
        self.accounts.retain(|a| {
            a.window.start == open || !a.is_settled() || now < a.window.end.plus_millis(ACCOUNT_KEPT_MILLIS)
        });
        let accounts = &self.accounts;
        let is_burned = |g: &Grant| accounts.iter().any(|a| a.burns.iter().any(|b| b.grant == g.number));
        let is_pending = |g: &Grant| accounts.iter().any(|a| a.window.start == g.origin);
        self.grants.retain(|g| {
            let counts = g.expires_at.is_none_or(|at| at > open);
            counts && !(g.left().is_zero() && g.opened.is_zero() && !is_pending(g)) || is_burned(g)
        });
    }
}
