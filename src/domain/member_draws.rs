//! What one member drew on the pool, by window. Millions of members are kept, and each draw of one looks at it.

use super::credits::Credits;
use super::draws::{Draws, DrawsView, Tally};
use super::entry::Posting;
use super::lapses::Lapses;
use super::share::Share;
use super::time::{Timestamp, Window};

/// A member's draws on the pool, by the start of the window. Few windows matter at a time, and most members have but charges:
/// those of the newest window lie here, so that a member that draws needs no other memory, and what else there may be lies
/// apart behind one word.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemberDraws {
    /// The start of the newest window that was drawn in.
    newest: Timestamp,
    /// What was charged in it.
    spent: Credits,
    apart: Option<Box<Apart>>,
}

/// What most members do not have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Apart {
    /// What of the newest window was refunded.
    refunded: Credits,
    /// What of it is held.
    held: Credits,
    lapses: Lapses,
    rare: Option<Box<Rare>>,
}

const _: () = assert!(size_of::<Apart>() == 48, "the allocator has no size between this one and 64");

/// What few of those have who hold something.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Rare {
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
    pub fn of(&self, start: Timestamp) -> Option<DrawsView<'_>> {
        match &self.apart {
            None => (start == self.newest).then(|| DrawsView::charged(self.spent)),
            Some(apart) => self.of_apart(start, apart),
        }
    }

    fn of_apart<'a>(&self, start: Timestamp, apart: &'a Apart) -> Option<DrawsView<'a>> {
        if start == self.newest {
            return Some(DrawsView::new(self.tally(), &apart.lapses));
        }
        apart.windows().iter().find(|(of, _)| *of == start).map(|(_, draws)| draws.view())
    }

    /// The sums of the newest window.
    #[inline]
    fn tally(&self) -> Tally {
        let apart = self.apart.as_ref();
        let (refunded, held) = apart.map_or((Credits::ZERO, Credits::ZERO), |apart| (apart.refunded, apart.held));
        Tally { spent: self.spent, refunded, held }
    }

    /// What is lent of the limit in the window that starts at `start`.
    pub fn share(&self, start: Timestamp) -> Option<&Share> {
        self.shares().iter().find(|share| share.window.start == start)
    }

    /// What is lent of the limit, by window, oldest first.
    pub fn shares(&self) -> &[Share] {
        self.apart.as_ref().and_then(|apart| apart.rare.as_ref()).map_or(&[], |rare| &rare.shares)
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
        let Some(share) = self.share(start) else { return Credits::ZERO };
        let (window, spare) = (share.window, share.spare(self.of(start).unwrap_or_default()));
        let share = self.share_mut(window);
        share.returned = share.returned.plus(credits.min(spare));
        share.returned
    }

    /// Drops shares that the root no longer names.
    pub fn forget_shares_except(&mut self, named: impl Fn(Timestamp) -> bool) {
        if let Some(rare) = self.apart.as_mut().and_then(|apart| apart.rare.as_mut()) {
            rare.shares.retain(|share| named(share.window.start));
            self.fold();
        }
    }

    fn share_mut(&mut self, window: Window) -> &mut Share {
        let shares = &mut self.apart.get_or_insert_default().rare.get_or_insert_default().shares;
        let at = shares.binary_search_by_key(&window.start, |share| share.window.start).unwrap_or_else(|at| {
            shares.insert(at, Share::new(window));
            at
        });
        &mut shares[at]
    }

    /// Takes over what was drawn in the window that starts at `start`. Drops no other window, because
    /// the holds that keep one may be taken over later.
    pub fn put(&mut self, start: Timestamp, draws: Draws) {
        self.change(start, |_| true, |slot| *slot = draws);
    }

    /// Applies a posting whose sums have been checked when it was made; cannot fail.
    pub fn apply(&mut self, posting: &Posting) {
        self.change(posting.window, is_kept(posting.window), |draws| draws.apply(posting));
    }

    /// As [`MemberDraws::apply`], where the posting says the sums after it.
    #[inline]
    pub(super) fn post(&mut self, posting: &Posting, after: Tally) {
        if posting.window == self.newest && only_charges(posting) {
            assert!(self.tally().leads_to(posting, &after), "the sums are those of the posting (I7)");
            self.spent = after.spent;
        } else {
            self.post_apart(posting, after);
        }
    }

    #[inline(never)]
    fn post_apart(&mut self, posting: &Posting, after: Tally) {
        self.change(posting.window, is_kept(posting.window), |draws| draws.post(posting, after));
    }

    /// Changes the draws in the window that starts at `start`. Where there were none, those that are not `kept` go first.
    fn change(
        &mut self,
        start: Timestamp,
        kept: impl Fn(&(Timestamp, Draws)) -> bool,
        change: impl FnOnce(&mut Draws),
    ) {
        if self.of(start).is_none()
            && let Some(rare) = self.apart.as_mut().and_then(|apart| apart.rare.as_mut())
        {
            rare.windows.retain(&kept);
        }
        if start > self.newest {
            let before = (self.newest, self.take_newest());
            self.newest = start;
            if before.1 != Draws::default() && kept(&before) {
                self.apart.get_or_insert_default().rare.get_or_insert_default().windows.push(before);
            }
        }
        if start == self.newest {
            let mut draws = self.take_newest();
            change(&mut draws);
            self.put_newest(draws);
        } else {
            change(self.apart.get_or_insert_default().before(start));
        }
        self.fold();
    }

    /// Takes the newest window's draws out of where they lie.
    fn take_newest(&mut self) -> Draws {
        let tally = self.tally();
        self.spent = Credits::ZERO;
        let Some(apart) = &mut self.apart else { return Draws::new(tally.spent, Credits::ZERO) };
        (apart.refunded, apart.held) = (Credits::ZERO, Credits::ZERO);
        Draws::from_parts(tally, std::mem::take(&mut apart.lapses))
    }

    fn put_newest(&mut self, draws: Draws) {
        let (Tally { spent, refunded, held }, lapses) = draws.into_parts();
        self.spent = spent;
        if self.apart.is_some() || !refunded.is_zero() || !lapses.is_empty() {
            let apart = self.apart.get_or_insert_default();
            (apart.refunded, apart.held, apart.lapses) = (refunded, held, lapses);
        }
    }

    /// Keeps nothing apart that need not be.
    fn fold(&mut self) {
        let Some(apart) = &mut self.apart else { return };
        if apart.rare.as_ref().is_some_and(|rare| rare.windows.is_empty() && rare.shares.is_empty()) {
            apart.rare = None;
        }
        if **apart == Apart::default() {
            self.apart = None;
        }
    }
}

impl Apart {
    fn windows(&self) -> &[(Timestamp, Draws)] {
        self.rare.as_ref().map_or(&[], |rare| &rare.windows)
    }

    /// The draws in a window before the newest.
    fn before(&mut self, start: Timestamp) -> &mut Draws {
        let windows = &mut self.rare.get_or_insert_default().windows;
        let at = windows.binary_search_by_key(&start, |(of, _)| *of).unwrap_or_else(|at| {
            windows.insert(at, (start, Draws::default()));
            at
        });
        &mut windows[at].1
    }
}

/// Whether a posting refunds nothing and neither sets anything aside nor ends that.
#[inline]
fn only_charges(posting: &Posting) -> bool {
    posting.refunded.is_zero() && posting.held.is_none() && posting.unheld.is_none()
}

/// Whether draws in a window are kept once there are some in the window that starts at `start`.
fn is_kept(start: Timestamp) -> impl Fn(&(Timestamp, Draws)) -> bool {
    move |(of, draws)| start < of.plus_millis(DRAWS_KEPT_MILLIS) || !draws.tally().held.is_zero()
}

#[cfg(test)]
mod tests {
    use super::super::draws::Set;
    use super::*;

    const MONTH_MILLIS: i64 = 31 * 24 * 3_600_000;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis).expect("1970 to 9999")
    }

    fn micros(micros: i64) -> Credits {
        Credits::from_micros(micros).expect("an amount")
    }

    fn post(member: &mut MemberDraws, posting: &Posting) {
        let before = member.of(posting.window).unwrap_or_default().tally();
        member.post(posting, before.after(posting).expect("it fits"));
    }

    #[test]
    fn what_is_but_charged_lies_here_and_the_rest_lies_apart_while_there_is_some() {
        let (mut member, window) = (MemberDraws::default(), at(MONTH_MILLIS));
        let charge = Posting { spent: micros(5), ..Posting::new(window) };
        let set = Some(Set { credits: micros(3), expires_at: at(MONTH_MILLIS + 9) });
        let steps = [
            (charge, (5, 0, 0), true),
            (charge, (10, 0, 0), true),
            (Posting { held: set, ..Posting::new(window) }, (10, 0, 3), false),
            (charge, (15, 0, 3), false),
            (Posting { unheld: set, ..charge }, (20, 0, 0), true),
            (Posting { refunded: micros(4), ..Posting::new(window) }, (20, 4, 0), false),
            (charge, (25, 4, 0), false),
        ];
        for (posting, (spent, refunded, held), is_here) in steps {
            post(&mut member, &posting);
            let (spent, refunded, held) = (micros(spent), micros(refunded), micros(held));
            assert_eq!(member.of(window).map(DrawsView::tally), Some(Tally { spent, refunded, held }));
            assert_eq!(member.apart.is_none(), is_here, "{posting:?}");
        }
    }

    #[test]
    fn windows_before_stay_as_long_as_they_are_kept_and_charges_still_lie_here() {
        let mut member = MemberDraws::default();
        let charge = |month: i64| Posting { spent: micros(month), ..Posting::new(at(month * MONTH_MILLIS)) };
        (1..=6).for_each(|month| post(&mut member, &charge(month)));
        let spent = |month: i64| member.of(at(month * MONTH_MILLIS)).map(|draws| draws.used().micros());
        assert_eq!([1, 2, 3, 4, 5, 6].map(spent), [None, None, None, Some(4), Some(5), Some(6)]);
        assert_eq!(member.spent, micros(6));
        post(&mut member, &charge(4));
        assert_eq!(member.of(at(4 * MONTH_MILLIS)).map(DrawsView::used), Some(micros(8)));
        assert_eq!(member.spent, micros(6));
    }
}
