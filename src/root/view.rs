//! What a subscription's funds look like from outside: totals by kind of grant.

use super::subscription::{Grant, GrantKind, Subscription};
use crate::domain::{Credits, Timestamp, Window};

/// The funds of the current window. `remaining = max(0, total + debt - used - held)` (rule 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FundsView {
    /// The current window.
    pub window: Window,
    /// Of this window's own grant.
    pub monthly: Credits,
    /// Bought, and there when the window opened or since.
    pub purchased: Credits,
    /// Left over from earlier windows.
    pub rollover: Credits,
    /// The sum of the three.
    pub total: Credits,
    /// Charged above what there was.
    pub debt: Credits,
}

impl Subscription {
    /// The funds of the current window, as of the last [`Subscription::advance`].
    pub fn funds_view(&self, now: Timestamp) -> FundsView {
        let window = self.open_account().window;
        let of = |kind: GrantKind| {
            let counts = |g: &&Grant| g.kind == kind && g.expires_at.is_none_or(|at| at > window.start);
            let sum = |sum: Credits, g: &Grant| sum.checked_add(shown(g, now)).unwrap_or(Credits::MAX);
            self.grants.iter().filter(counts).fold(Credits::ZERO, sum)
        };
        let (monthly, purchased, rollover) =
            (of(GrantKind::Monthly), of(GrantKind::Purchased), of(GrantKind::Rollover));
        let total = [purchased, rollover].iter().try_fold(monthly, |sum, part| sum.checked_add(*part));
        let debt = self.accounts.iter().map(|account| account.debt());
        let debt = debt.fold(Credits::ZERO, |sum, part| sum.checked_add(part).unwrap_or(Credits::MAX));
        FundsView { window, monthly, purchased, rollover, total: total.unwrap_or(Credits::MAX), debt }
    }
}

/// What a grant counts for in this window: all that was there, or what was used of it before it expired.
fn shown(grant: &Grant, now: Timestamp) -> Credits {
    if grant.is_alive(now) { grant.opened } else { grant.opened.saturating_sub(grant.left()) }
}
