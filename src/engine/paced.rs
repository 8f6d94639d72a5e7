//! Which accounts the root is told of where many sidecars share: those that are asked of here with every sync, those
//! that idle in turn, so that what idles can be called back, and no sync is large.

use std::collections::BTreeSet;
use std::ops::Bound;

use crate::root::Leased;

/// Idle accounts of which something is kept. With [`TURN`] it bounds how long it takes until each of them was told of.
pub const KEPT_MAX: usize = 2_048;

/// Idle accounts that one sync tells of.
pub const TURN: usize = 64;

/// Accounts that are asked of or of which something is kept.
#[derive(Debug, Default)]
pub struct Paced {
    told: BTreeSet<Leased>,
    kept: BTreeSet<Leased>,
    /// The last one whose turn it was.
    turned: Option<Leased>,
}

impl Paced {
    /// From now on an account is told of with every sync.
    pub fn tell(&mut self, account: Leased) {
        self.kept.remove(&account);
        self.told.insert(account);
    }

    /// From now on an account is told of in turn, unless too many are; answers whether it is.
    pub fn keep(&mut self, account: Leased) -> bool {
        if self.is_crowded() {
            return false;
        }
        self.told.remove(&account);
        self.kept.insert(account)
    }

    /// From now on an account is not told of any more.
    pub fn forget(&mut self, account: &Leased) {
        self.told.remove(account);
        self.kept.remove(account);
    }

    /// Whether so many idle that what nobody asks for is to make room.
    pub fn is_crowded(&self) -> bool {
        self.kept.len() >= KEPT_MAX
    }

    /// Tells of an account in turn that nobody has asked of, where fewer than half of those places are taken: the
    /// others are for what somebody has. Answers whether it is.
    pub fn take_up(&mut self, account: impl FnOnce() -> Leased) -> bool {
        self.kept.len() < KEPT_MAX / 2 && self.keep(account())
    }

    /// How many are told of in turn.
    pub fn kept(&self) -> usize {
        self.kept.len()
    }

    /// All that are told of with every sync.
    pub fn told(&self) -> impl Iterator<Item = &Leased> {
        self.told.iter()
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &Leased> {
        self.told.iter().chain(&self.kept)
    }

    /// The next whose turn it is.
    pub fn turn(&mut self) -> Vec<Leased> {
        let after = self.turned.take().map_or(Bound::Unbounded, Bound::Excluded);
        let next: Vec<Leased> = self.kept.range((after, Bound::Unbounded)).take(TURN).cloned().collect();
        // The first turn of all comes after the last account.
        self.turned = next.last().filter(|_| next.len() == TURN).cloned();
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::SubscriptionId;

    fn account(number: usize) -> Leased {
        Leased::Funds(SubscriptionId::new(&format!("s{number:04}")).expect("an id"))
    }

    #[test]
    fn every_idle_account_has_its_turn_whatever_comes_and_goes() {
        let mut paced = Paced::default();
        (0..KEPT_MAX).for_each(|number| assert!(paced.keep(account(number))));
        assert!(paced.is_crowded() && !paced.keep(account(KEPT_MAX)));
        let mut told = BTreeSet::new();
        for turn in 0..KEPT_MAX / TURN {
            let next = paced.turn();
            assert_eq!(next.len(), TURN);
            paced.forget(next.last().expect("it is full"));
            paced.tell(next[0].clone());
            assert!(paced.keep(account(KEPT_MAX + turn)));
            told.extend(next);
        }
        assert!((0..KEPT_MAX).all(|number| told.contains(&account(number))), "{} of {KEPT_MAX}", told.len());
        assert_eq!(paced.told().count(), KEPT_MAX / TURN);
    }
}
