//! What was drawn in one window: by one member, or by everybody on one subscription.

use std::collections::BTreeMap;

use super::credits::Credits;
use super::entry::Posting;
use super::share::Share;
use super::time::{Timestamp, Window};

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
    fn leads_to(&self, posting: &Posting, after: &Self) -> bool {
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
    /// What is held, by when it lapses; `None` where nothing is.
    #[expect(clippy::box_collection, reason = "one word for the millions that hold nothing")]
    lapses: Option<Box<BTreeMap<Timestamp, Credits>>>,
}

impl Draws {
    /// Draws that start from sums without open holds.
    pub fn new(spent: Credits, refunded: Credits) -> Self {
        assert!(refunded <= spent, "no more is refunded than was spent");
        Self { tally: Tally { spent, refunded, held: Credits::ZERO }, lapses: None }
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
        self.lapses.as_ref().map_or(self.tally.held, |lapses| self.tally.held.minus(lapsed(lapses, now)))
    }

    /// Used, and held at `now`.
    #[inline]
    pub fn taken(&self, now: Timestamp) -> Credits {
        self.used().plus(self.held(now))
    }

    /// When the next of the holds that are open at `now` lapses.
    pub fn next_lapse(&self, now: Timestamp) -> Option<Timestamp> {
        self.lapses.as_ref()?.range(now.plus_millis(1)..).next().map(|(&at, _)| at)
    }

    /// Whether as much is set aside until that instant.
    pub fn has_set(&self, set: &Set) -> bool {
        let held_until = |at| self.lapses.as_ref().and_then(|lapses| lapses.get(at));
        set.credits.is_zero() || held_until(&set.expires_at).is_some_and(|&credits| credits >= set.credits)
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
        let lapses = self.lapses.get_or_insert_default();
        if let Some(ended) = posting.unheld.filter(|ended| !ended.credits.is_zero()) {
            let slot = lapses.get_mut(&ended.expires_at).expect("an open hold is counted where it lapses");
            *slot = slot.minus(ended.credits);
            if slot.is_zero() {
                lapses.remove(&ended.expires_at);
            }
        }
        if let Some(Set { credits, expires_at }) = posting.held.filter(|set| !set.credits.is_zero()) {
            let slot = lapses.entry(expires_at).or_default();
            *slot = slot.plus(credits);
        }
        if lapses.is_empty() {
            self.lapses = None;
        }
    }
}

/// What lapses until `now`. Apart, so that who holds nothing does without a call.
#[inline(never)]
fn lapsed(lapses: &BTreeMap<Timestamp, Credits>, now: Timestamp) -> Credits {
    lapses.range(..=now).fold(Credits::ZERO, |sum, (_, &credits)| sum.plus(credits))
}

/// A member's draws on the pool, by the start of the window. Few windows matter at a time: the newest one lies here,
/// so that a member that draws needs no other memory, and what else there may be lies apart behind one word.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemberDraws {
    /// The start of the newest window that was drawn in.
    newest: Timestamp,
    draws: Draws,
    apart: Option<Box<Apart>>,
}

/// What most members do not have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Apart {
    /// Draws in windows before the newest, oldest first.
    windows: Vec<(Timestamp, Draws)>,
    /// What is lent of the limit; only where many sidecars share a pool.
    shares: Vec<Share>,
}

/// How long a window's draws are kept after its start: longer than any window lasts and any
/// operation id is remembered.
pub const DRAWS_KEPT_MILLIS: u64 = 93 * 24 * 3_600_000;

impl MemberDraws {
    /// The draws in the window that starts at `start`, where there were any.
    #[inline]
    pub fn of(&self, start: Timestamp) -> Option<&Draws> {
        if start == self.newest {
            return Some(&self.draws);
        }
        self.apart.as_ref()?.windows.iter().find(|(of, _)| *of == start).map(|(_, draws)| draws)
    }

    /// What is lent of the limit in the window that starts at `start`.
    pub fn share(&self, start: Timestamp) -> Option<&Share> {
        self.shares().iter().find(|share| share.window.start == start)
    }

    /// What is lent of the limit, by window, oldest first.
    pub fn shares(&self) -> &[Share] {
        self.apart.as_ref().map_or(&[], |apart| &apart.shares)
    }

    /// Takes what the root lends of the limit: sums only rise.
    pub fn lend(&mut self, lent: Share) {
        let share = self.share_mut(lent.window);
        share.granted = share.granted.max(lent.granted);
        share.returned = share.returned.max(lent.returned);
        share.lost = share.lost.max(lent.lost);
        share.until = lent.until;
        assert!(share.returned <= share.granted, "no more is returned than was lent");
    }

    /// Takes up to `credits` of what may be returned off the share; answers what has been returned of
    /// it in all.
    pub fn give_up(&mut self, start: Timestamp, credits: Credits) -> Credits {
        let none = Draws::default();
        let Some(share) = self.share(start) else { return Credits::ZERO };
        let (window, spare) = (share.window, share.spare(self.of(start).unwrap_or(&none)));
        let share = self.share_mut(window);
        share.returned = share.returned.plus(credits.min(spare));
        share.returned
    }

    /// Drops shares that the root no longer names.
    pub fn forget_shares_except(&mut self, named: impl Fn(Timestamp) -> bool) {
        self.forget_apart(|_| true, |share| named(share.window.start));
    }

    fn share_mut(&mut self, window: Window) -> &mut Share {
        let shares = &mut self.apart.get_or_insert_default().shares;
        let at = shares.binary_search_by_key(&window.start, |share| share.window.start).unwrap_or_else(|at| {
            shares.insert(at, Share::new(window));
            at
        });
        &mut shares[at]
    }

    /// Takes over what was drawn in the window that starts at `start`. Drops no other window, because
    /// the holds that keep one may be taken over later.
    pub fn put(&mut self, start: Timestamp, draws: Draws) {
        *self.slot(start, |_| true) = draws;
    }

    /// The draws in the window that starts at `start`, to change them.
    #[inline]
    pub fn of_mut(&mut self, start: Timestamp) -> &mut Draws {
        self.slot(start, |(of, draws)| start < of.plus_millis(DRAWS_KEPT_MILLIS) || !draws.tally().held.is_zero())
    }

    /// The draws in the window that starts at `start`. Where there were none, those that are not `kept` go first.
    #[inline]
    fn slot(&mut self, start: Timestamp, kept: impl Fn(&(Timestamp, Draws)) -> bool) -> &mut Draws {
        if start == self.newest { &mut self.draws } else { self.slot_apart(start, kept) }
    }

    #[inline(never)]
    fn slot_apart(&mut self, start: Timestamp, kept: impl Fn(&(Timestamp, Draws)) -> bool) -> &mut Draws {
        if self.of(start).is_none() {
            self.forget_apart(&kept, |_| true);
        }
        if start > self.newest {
            let before = (self.newest, std::mem::take(&mut self.draws));
            self.newest = start;
            if before.1 != Draws::default() && kept(&before) {
                self.apart.get_or_insert_default().windows.push(before);
            }
            return &mut self.draws;
        }
        let windows = &mut self.apart.get_or_insert_default().windows;
        let at = windows.binary_search_by_key(&start, |(of, _)| *of).unwrap_or_else(|at| {
            windows.insert(at, (start, Draws::default()));
            at
        });
        &mut windows[at].1
    }

    fn forget_apart(&mut self, window: impl Fn(&(Timestamp, Draws)) -> bool, share: impl Fn(&Share) -> bool) {
        let Some(apart) = &mut self.apart else { return };
        apart.windows.retain(window);
        apart.shares.retain(share);
        if apart.windows.is_empty() && apart.shares.is_empty() {
            self.apart = None;
        }
    }
}
