//! What was drawn in one window: by one member, or by everybody on one subscription.

use super::credits::Credits;
use super::entry::Posting;
use super::lapses::Lapses;
use super::time::Timestamp;

/// Running sums of one scope in one window. `spent` and `refunded` only rise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Charged in all, debt included.
    pub spent: Credits,
    /// Given back by refunds in all; never above `spent`.
    pub refunded: Credits,
    /// Set aside by holds whose end has not been entered.
    pub held: Credits,
}

impl Tally {
    /// Charged less refunds.
    #[inline]
    pub fn used(&self) -> Credits {
        self.spent.minus(self.refunded)
    }

    /// Whether sums can be so: no more is refunded than was spent, and all fits an amount.
    pub fn is_possible(&self) -> bool {
        let used = self.spent.checked_sub(self.refunded);
        used.is_some_and(|used| used.checked_add(self.held).is_some())
    }

    /// The sums after `posting`; `None` when an amount would rise above [`Credits::MAX`].
    ///
    /// # Panics
    /// When the posting ends holds that are not there or refunds what was not spent: whoever made
    /// it has broken an invariant.
    #[inline]
    pub fn after(&self, posting: &Posting) -> Option<Self> {
        let credits = |part: Option<Set>| part.map_or(Credits::ZERO, |set| set.credits);
        let tally = Self {
            spent: self.spent.checked_add(posting.spent)?,
            refunded: self.refunded.checked_add(posting.refunded)?,
            held: self.held.minus(credits(posting.unheld)).checked_add(credits(posting.held))?,
        };
        tally.spent.checked_add(tally.held)?;
        assert!(tally.refunded <= tally.spent, "no more is refunded than was spent");
        Some(tally)
    }

    /// Whether `after` are the sums after `posting`, which fit when it was made.
    #[inline]
    pub(super) fn leads_to(&self, posting: &Posting, after: &Self) -> bool {
        let micros = |part: Option<Set>| part.map_or(0, |set| set.credits.micros());
        after.spent.micros() == self.spent.micros() + posting.spent.micros()
            && after.refunded.micros() == self.refunded.micros() + posting.refunded.micros()
            && after.held.micros() == self.held.micros() - micros(posting.unheld) + micros(posting.held)
    }
}

/// Credits that are set aside until an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Set {
    /// How much.
    pub credits: Credits,
    /// From when on they count as returned.
    pub expires_at: Timestamp,
}

/// A tally that knows when its holds lapse, so that an expired hold counts as returned in every
/// decision, whether or not its end has been entered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Draws {
    tally: Tally,
    /// What is held, by when it lapses.
    lapses: Lapses,
}

impl Draws {
    /// Draws that start from sums without open holds.
    pub fn new(spent: Credits, refunded: Credits) -> Self {
        assert!(refunded <= spent, "no more is refunded than was spent");
        Self { tally: Tally { spent, refunded, held: Credits::ZERO }, lapses: Lapses::default() }
    }

    /// Draws of which as much is held as lapses some time.
    pub(super) fn from_parts(tally: Tally, lapses: Lapses) -> Self {
        Self { tally, lapses }
    }

    /// What they are made of.
    pub(super) fn into_parts(self) -> (Tally, Lapses) {
        (self.tally, self.lapses)
    }

    /// As they stand.
    #[inline]
    pub fn view(&self) -> DrawsView<'_> {
        DrawsView::new(self.tally, &self.lapses)
    }

    /// The running sums.
    pub fn tally(&self) -> Tally {
        self.tally
    }

    /// Charged less refunds.
    pub fn used(&self) -> Credits {
        self.tally.used()
    }

    /// Set aside by holds that have not expired at `now`.
    #[inline]
    pub fn held(&self, now: Timestamp) -> Credits {
        self.view().held(now)
    }

    /// Used, and held at `now`.
    #[inline]
    pub fn taken(&self, now: Timestamp) -> Credits {
        self.view().taken(now)
    }

    /// Applies a posting whose sums have been checked when it was made; cannot fail.
    pub fn apply(&mut self, posting: &Posting) {
        let after = self.tally.after(posting).expect("a posting is made only where its sums fit");
        self.post(posting, after);
    }

    /// As [`Draws::apply`], where the posting says the sums after it.
    #[inline]
    pub(super) fn post(&mut self, posting: &Posting, after: Tally) {
        assert!(self.tally.leads_to(posting, &after), "the sums are those of the posting (I7)");
        self.tally = after;
        if posting.held.is_some() || posting.unheld.is_some() {
            self.move_lapses(posting);
        }
        debug_assert!(self.held(Timestamp::MAX).is_zero(), "what is held lapses at some time");
    }

    fn move_lapses(&mut self, posting: &Posting) {
        if let Some(ended) = posting.unheld {
            self.lapses.take(ended.expires_at, ended.credits);
        }
        if let Some(set) = posting.held {
            self.lapses.add(set.expires_at, set.credits);
        }
    }
}

/// Draws as they stand, wherever they lie.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DrawsView<'a> {
    tally: Tally,
    lapses: Option<&'a Lapses>,
}

impl<'a> DrawsView<'a> {
    /// Draws with these sums, of which as much is held as lapses some time.
    #[inline]
    pub(super) fn new(tally: Tally, lapses: &'a Lapses) -> Self {
        Self { tally, lapses: Some(lapses).filter(|lapses| !lapses.is_empty()) }
    }

    /// Draws of which nothing was refunded and nothing is held.
    #[inline]
    pub(super) fn charged(spent: Credits) -> Self {
        Self { tally: Tally { spent, ..Tally::default() }, lapses: None }
    }

    /// The running sums.
    #[inline]
    pub fn tally(self) -> Tally {
        self.tally
    }

    /// Charged less refunds.
    #[inline]
    pub fn used(self) -> Credits {
        self.tally.used()
    }

    /// Set aside by holds that have not expired at `now`.
    #[inline]
    pub fn held(self, now: Timestamp) -> Credits {
        self.lapses.map_or(self.tally.held, |lapses| self.tally.held.minus(lapses.until(now)))
    }

    /// Used, and held at `now`.
    #[inline]
    pub fn taken(self, now: Timestamp) -> Credits {
        self.used().plus(self.held(now))
    }

    /// When the next of the holds that are open at `now` lapses.
    pub fn next_lapse(self, now: Timestamp) -> Option<Timestamp> {
        self.lapses?.next_after(now)
    }

    /// Whether as much is set aside until that instant.
    pub fn has_set(self, set: &Set) -> bool {
        self.lapses.map_or(Credits::ZERO, |lapses| lapses.at(set.expires_at)) >= set.credits
    }
}
