//! One sidecar's part in an account: what it was lent and what it says of it. All numbers but `held`
//! are cumulative over the sidecar's whole life in that account, so that merging is the larger one
//! and a restart goes on where the journal ends. See docs/decisions/0008-many-sidecars.md.

use super::funds::Report;
use crate::domain::{Credits, Timestamp};

/// The sidecar of a store that serves only one: whichever has registered last holds everything.
pub const SOLE: u128 = 0;

/// What one sidecar holds of one account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Holder {
    /// The sidecar's id, or [`SOLE`].
    pub sidecar: u128,
    /// Lent to it in all. Only the root raises it.
    pub granted: Credits,
    /// Charged by it in all. Only the holder raises it, as the three that follow.
    pub spent: Credits,
    /// Refunded by it in all.
    pub refunded: Credits,
    /// Returned by it in all.
    pub returned: Credits,
    /// Of which it cannot say whether they were spent: a crash took the end of its journal.
    pub lost: Credits,
    /// What of `lost` an operator has given back to the pool. Only the root raises it.
    pub forgiven: Credits,
    /// Charged above what it was lent, by settling above a hold, in all.
    pub owed: Credits,
    /// Set aside by its open holds as of its last entry.
    pub held: Credits,
    /// From when on it may spend nothing free before its next sync.
    pub until: Timestamp,
    /// When it last asked for more.
    pub asked_at: Timestamp,
    /// The least that it then said was worth lending.
    pub step: Credits,
    /// What of `granted` came out of blocks, in all.
    pub borrowed: Credits,
}

impl Holder {
    /// A holder of nothing.
    pub fn new(sidecar: u128) -> Self {
        Self { sidecar, ..Self::default() }
    }

    /// What is charged to the account for it: lent, and neither returned nor forgiven.
    pub fn out(&self) -> Credits {
        self.granted.minus(self.returned).saturating_sub(self.forgiven)
    }

    /// Charged to the account without anybody knowing that it was spent.
    pub fn suspense(&self) -> Credits {
        self.lost.minus(self.forgiven)
    }

    /// Charged less refunds, set aside, and in suspense.
    pub fn taken(&self) -> Credits {
        let parts = [self.held, self.suspense()];
        let used = self.spent.minus(self.refunded);
        parts.iter().try_fold(used, |sum, part| sum.checked_add(*part)).unwrap_or(Credits::MAX)
    }

    /// What it may still spend, as far as the root knows.
    pub fn free(&self) -> Credits {
        self.out().saturating_sub(self.taken())
    }

    /// What it has taken above what it was lent.
    pub fn deficit(&self) -> Credits {
        self.taken().saturating_sub(self.out())
    }

    /// What must stay charged whatever it does next: only its own report brings credits back (I10).
    pub fn claim(&self) -> Credits {
        self.out().max(self.taken())
    }

    /// What the account has consumed through it at `now`: what it took, and once its lease has run
    /// out all that it has not returned.
    pub fn consumed(&self, now: Timestamp) -> Credits {
        if now < self.until { self.taken() } else { self.claim() }
    }

    /// Whether it spent or returned what it was never lent: what it is known to have been lent,
    /// less what it settled above on purpose. A holder that did is not to be believed any more.
    pub fn has_overdrawn(&self) -> bool {
        let used = self.spent.minus(self.refunded);
        let gone = [self.returned, self.lost].iter().try_fold(used, |sum, part| sum.checked_add(*part));
        let may = self.granted.checked_add(self.owed);
        may.is_some_and(|may| gone.is_none_or(|gone| gone > may))
    }

    /// Takes over a report. Late and repeated ones change nothing, nor do sums that cannot be.
    pub(super) fn take(&mut self, report: &Report) {
        let falls = report.spent < self.spent || report.refunded < self.refunded || report.returned < self.returned;
        if falls || !self.allows(report) {
            return;
        }
        (self.spent, self.refunded) = (report.spent, report.refunded);
        (self.returned, self.held) = (report.returned, report.held);
        self.lost = self.lost.max(report.lost);
    }

    /// Whether a report's sums can be: no more comes back than went out.
    fn allows(&self, report: &Report) -> bool {
        let used = report.spent.checked_sub(report.refunded);
        let gone = report.returned.checked_add(report.lost.max(self.lost));
        let taken = used.and_then(|used| used.checked_add(report.held)?.checked_add(report.lost));
        gone.is_some_and(|gone| gone <= self.granted) && taken.is_some()
    }
}
