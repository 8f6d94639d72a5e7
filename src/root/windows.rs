//! How a subscription passes from window to window: monthly grants, rollover, what is forgotten.

use super::burn::last_before;
use super::subscription::{Account, Grant, GrantKind, Status, Subscription, Terms};
use crate::domain::{Credits, OperationId, SubscriptionId, Timestamp, Window};

/// How long a settled account is kept for refunds after its window has ended. Operation ids, and
/// with them refunds, are remembered for less.
pub const ACCOUNT_KEPT_MILLIS: u64 = 62 * 24 * 3_600_000;

/// The last instant that lies in a window: windows end at [`Timestamp::MAX`] at the latest.
const LAST_INSTANT: Timestamp = Timestamp::from_millis(Timestamp::MAX.millis() - 1).expect("the year is 9999");

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
        let now = self.clamped(now);
        match self.accounts.last().map(|open| open.window) {
            None => {
                let first = Window::containing(self.terms.anchor, now);
                self.grant_month(&first);
                self.open(first);
            }
            Some(window) => self.pass_windows(window, now),
        }
        self.rebalance(now);
        self.forget(now);
        assert!(self.open_account().window.contains(now), "the open account is the one of now");
        assert!(self.grants.iter().all(|g| g.burned <= g.credits), "no grant is burned twice");
    }

    /// `now` as far as windows go by it: a clock that steps back opens no window anew.
    pub(super) fn clamped(&self, now: Timestamp) -> Timestamp {
        let now = now.min(LAST_INSTANT);
        self.accounts.last().map_or(now, |open| now.max(open.window.start))
    }

    /// Replaces the terms. More seats grant at once, fewer take nothing back (rule 2); another anchor
    /// counts from the end of the current window on.
    pub fn put_terms(&mut self, terms: Terms, now: Timestamp) {
        self.advance(now);
        self.terms = terms;
        self.raise_month();
        self.rebalance(self.clamped(now));
    }

    fn raise_month(&mut self) {
        let window = self.open_account().window;
        let raise = self.raise(&self.terms);
        match self.grants.iter_mut().find(|g| g.is_month_of(&window)) {
            None => self.grant_month(&window),
            Some(grant) => {
                grant.credits = grant.credits.plus(raise);
                grant.opened = grant.opened.plus(raise);
            }
        }
    }

    /// What `terms` would grant at once above the current window's monthly grant.
    pub fn raise(&self, terms: &Terms) -> Credits {
        let window = self.open_account().window;
        let granted = self.grants.iter().find(|g| g.is_month_of(&window)).map_or(Credits::ZERO, |g| g.credits);
        terms.month().saturating_sub(granted)
    }

    /// Adds bought credits, which cover debt first. Comes after [`Subscription::advance`]; that the
    /// id is new and that the sum stays an amount is checked before.
    pub fn purchase(&mut self, id: &OperationId, credits: Credits, expires_at: Option<Timestamp>, now: Timestamp) {
        let now = self.clamped(now);
        self.grant(GrantKind::Purchased, now, credits, expires_at).purchase = id.to_string();
        self.rebalance(now);
    }

    fn grant(
        &mut self,
        kind: GrantKind,
        origin: Timestamp,
        credits: Credits,
        expires_at: Option<Timestamp>,
    ) -> &mut Grant {
        let number = self.next_grant;
        self.next_grant += 1;
        let (burned, opened) = (Credits::ZERO, credits);
        self.grants.push(Grant { number, kind, purchase: String::new(), origin, credits, burned, opened, expires_at });
        self.grants.last_mut().expect("a grant was pushed")
    }

    /// Ends `open` and every window after it up to the one of `now`, each at its own end, so that a
    /// long idle subscription gets what one gets that is looked at every day.
    fn pass_windows(&mut self, open: Window, now: Timestamp) {
        if open.contains(now) {
            return;
        }
        // What was charged in the window is its own grants' to cover, however late it is reported.
        self.rebalance(last_before(open.end));
        self.rebalance(open.end);
        let mut window = open;
        while !window.contains(now) {
            self.roll_over(&window);
            window = Window { start: window.end, end: Window::containing(self.terms.anchor, window.end).end };
            self.grant_month(&window);
            self.rebalance(window.start);
        }
        self.open(window);
    }

    /// Sees to it that there is an account of the window that starts at `start`: the next one, or one
    /// that went by unseen. One that may have been forgotten is not opened again.
    pub(super) fn open_at(&mut self, start: Timestamp) {
        let open = self.open_account().window;
        if start > open.start {
            return self.advance(start);
        }
        let window = Window::containing(self.terms.anchor, start);
        let is_kept = open.end < window.end.plus_millis(ACCOUNT_KEPT_MILLIS);
        if let Err(at) = self.accounts.binary_search_by_key(&start, |a| a.window.start)
            && window.start == start
            && is_kept
        {
            self.accounts.insert(at, Account::new(window));
        }
        assert!(self.accounts.is_sorted_by_key(|a| a.window.start), "accounts are in the order of their windows");
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
        let month = self.terms.month().min(room);
        if !month.is_zero() {
            self.grant(GrantKind::Monthly, window.start, month, Some(window.end));
        }
    }

    /// Lets what is left of an ended window's grant live on. A grant of nothing is made too: it
    /// rises as what is still held there comes back.
    fn roll_over(&mut self, ended: &Window) {
        let rollover = self.terms.rollover;
        let Some(monthly) = self.grants.iter().find(|g| g.is_month_of(ended)) else { return };
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
