//! What all sidecars together hold of an account, as far as they have said: what balances show where
//! many share a pool.

use super::holder::Holder;
use super::sidecar::{MemberAccount, Sidecar, State};
use super::subscription::Subscription;
use crate::domain::{Credits, Timestamp};

/// Sums over all sidecars of one account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Across {
    /// Charged less refunds.
    pub used: Credits,
    /// Set aside by open holds.
    pub held: Credits,
    /// Lent and free: only the sidecar that has it may spend it.
    pub lent: Credits,
    /// Charged without anybody knowing that it was spent.
    pub suspense: Credits,
}

impl Across {
    fn of(holders: &[Holder]) -> Self {
        holders.iter().fold(Self::default(), |sum, holder| Self {
            used: add(sum.used, holder.spent.minus(holder.refunded)),
            held: add(sum.held, holder.held),
            lent: add(sum.lent, holder.free()),
            suspense: add(sum.suspense, holder.suspense()),
        })
    }

    /// What of `all` may still be drawn, by whichever sidecar.
    pub fn remaining(&self, all: Credits) -> Credits {
        all.saturating_sub(self.used).saturating_sub(self.held).saturating_sub(self.suspense)
    }
}

impl Subscription {
    /// The current window, as of the last sync that named this subscription. What earlier windows owe
    /// counts as used, as it does in the total and the debt of [`Subscription::funds_view`].
    pub fn across(&self) -> Across {
        let earlier = self.accounts.iter().rev().skip(1).map(|account| account.debt());
        let open = Across::of(&self.open_account().holders);
        Across { used: earlier.fold(open.used, add), ..open }
    }
}

impl MemberAccount {
    /// One window of a member's limit.
    pub fn across(&self) -> Across {
        Across::of(&self.holders)
    }
}

/// When the sidecar last synced that holds something and was silent for the longest; `None` where
/// none holds anything. One that was written off or has closed is not waited for.
pub fn told_at(holders: &[Holder], sidecars: &[Sidecar]) -> Option<Timestamp> {
    let holds = |sidecar: &&Sidecar| {
        let of_sidecar = holders.iter().find(|holder| holder.sidecar == sidecar.id);
        of_sidecar.is_some_and(|holder| !holder.free().is_zero() || !holder.held.is_zero())
    };
    let may_report = |sidecar: &&Sidecar| matches!(sidecar.state, State::Open | State::Quarantined);
    sidecars.iter().filter(may_report).filter(holds).map(|sidecar| sidecar.synced_at).min()
}

fn add(sum: Credits, part: Credits) -> Credits {
    sum.checked_add(part).unwrap_or(Credits::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credits(whole: u32) -> Credits {
        Credits::from_credits(whole).expect("small")
    }

    /// A sidecar that was lent 100, spent 40, has 10 set aside, and does not know about `lost`.
    fn holder(sidecar: u128, lost: u32) -> Holder {
        let (granted, spent, held) = (credits(100), credits(40), credits(10));
        Holder { granted, spent, held, lost: credits(lost), ..Holder::new(sidecar) }
    }

    #[test]
    fn what_is_lent_remains_and_what_is_in_suspense_does_not() {
        let across = Across::of(&[holder(1, 0), holder(2, 5)]);
        let expected = Across { used: credits(80), held: credits(20), lent: credits(95), suspense: credits(5) };
        assert_eq!(across, expected);
        assert_eq!(across.remaining(credits(300)), credits(195), "100 at the root and 95 at the sidecars");
        assert_eq!(across.remaining(credits(50)), Credits::ZERO);
    }

    #[test]
    fn the_oldest_report_of_a_sidecar_that_holds_something_counts() {
        let at = |millis| Timestamp::MIN.plus_millis(millis);
        let sidecar = |id, millis, state| Sidecar { id, synced_at: at(millis), state, ..Sidecar::default() };
        let holders = [holder(1, 0), holder(2, 0), Holder::new(3), holder(4, 0)];
        let sidecars = [
            sidecar(1, 30, State::Open),
            sidecar(2, 20, State::Quarantined),
            sidecar(3, 10, State::Open),
            sidecar(4, 5, State::WrittenOff),
        ];
        assert_eq!(told_at(&holders, &sidecars), Some(at(20)));
        assert_eq!(told_at(&holders[2..], &sidecars), None);
    }
}
