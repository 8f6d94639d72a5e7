//! A book: the funds of one subscription as this sidecar holds them, window by window.

use smallvec::SmallVec;

use super::credits::Credits;
use super::draws::Draws;
use super::features::Features;
use super::ids::{SubscriptionId, TeamId, UserId};
use super::time::{Timestamp, Window};

/// The funds of one window: what is lent of them and what was drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Funds {
    /// The window; its start names the account.
    pub window: Window,
    /// Lent in all; never falls.
    pub granted: Credits,
    /// Returned in all; never falls.
    pub returned: Credits,
    /// Of which a crash has taken whether they were spent, in all: not to be spent any more.
    pub lost: Credits,
    /// From when on nothing free may be spent before the next sync.
    pub until: Timestamp,
    /// What was charged and is held.
    pub draws: Draws,
}

impl Funds {
    /// Funds of a window of which nothing is lent yet.
    pub fn new(window: Window) -> Self {
        let (granted, returned, lost) = (Credits::ZERO, Credits::ZERO, Credits::ZERO);
        Self { window, granted, returned, lost, until: Timestamp::MIN, draws: Draws::default() }
    }

    /// Lent, and neither returned nor lost.
    #[inline]
    pub fn lent(&self) -> Credits {
        self.granted.minus(self.returned).minus(self.lost)
    }

    /// What may still be drawn at `now`; zero while there is debt.
    #[inline]
    pub fn free(&self, now: Timestamp) -> Credits {
        self.lent().saturating_sub(self.draws.taken(now))
    }

    /// What was drawn above all that was lent; covered by the next grant, release or refund (I1).
    #[inline]
    pub fn debt(&self, now: Timestamp) -> Credits {
        self.draws.taken(now).saturating_sub(self.lent())
    }
}

/// The funds of one subscription. What a draw touches comes first, so that it lies together in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Book {
    /// When the last entry was decided, or funds were last given back. Whoever asked the time
    /// before that and comes later decides as of this.
    pub latest: Timestamp,
    /// Funds by window, oldest first; only the last may be drawn on anew.
    pub funds: SmallVec<[Funds; 1]>,
    /// Whose funds.
    pub subscription: SubscriptionId,
    /// The team whose pool it is; while there is one, its owner's own credits are zero (rule 7).
    pub team: Option<TeamId>,
    /// The user who owns the subscription.
    pub owner: UserId,
    /// What the subscription unlocks.
    pub features: Features,
    /// Raised by every change of control; a higher epoch is newer.
    pub epoch: u64,
}

impl Book {
    /// A book without funds, assigned to no team.
    pub fn new(subscription: SubscriptionId, owner: UserId) -> Self {
        let (team, features, epoch, funds) = (None, Features::default(), 0, SmallVec::new());
        Self { subscription, owner, team, features, epoch, funds, latest: Timestamp::MIN }
    }

    /// The funds that may be drawn on at `now`; `None` when a sync must come first.
    #[inline]
    pub fn current(&self, now: Timestamp) -> Option<&Funds> {
        self.funds.last().filter(|funds| funds.window.contains(now) && now < funds.until)
    }

    /// The funds of the window that starts at `start`.
    #[inline]
    pub fn of(&self, start: Timestamp) -> Option<&Funds> {
        self.funds.iter().rev().find(|funds| funds.window.start == start)
    }

    /// The funds of the window that starts at `start`, to apply a posting to.
    #[inline]
    pub fn of_mut(&mut self, start: Timestamp) -> Option<&mut Funds> {
        self.funds.iter_mut().rev().find(|funds| funds.window.start == start)
    }

    /// What was drawn above all that was lent, over all windows.
    pub fn debt(&self, now: Timestamp) -> Credits {
        let sum = |sum: Credits, funds: &Funds| sum.checked_add(funds.debt(now)).unwrap_or(Credits::MAX);
        self.funds.iter().fold(Credits::ZERO, sum)
    }

    /// What may still be drawn at `now` of funds of this book, and what was drawn above all that was lent, over all windows.
    #[inline]
    pub fn standing(&self, funds: &Funds, now: Timestamp) -> (Credits, Credits) {
        let (lent, taken) = (funds.lent(), funds.draws.taken(now));
        let is_only = self.funds.len() == 1;
        let debt = if is_only { taken.saturating_sub(lent) } else { self.debt(now) };
        (lent.saturating_sub(taken), debt)
    }

    /// What may still be drawn at `now`; zero while a sync must come first.
    pub fn free(&self, now: Timestamp) -> Credits {
        self.current(now).map_or(Credits::ZERO, |funds| funds.free(now))
    }

    /// Takes what the root lends, in the order in which it lent: sums only rise, but a lease may be
    /// called back by an earlier `until`.
    pub fn lend(&mut self, window: Window, granted: Credits, returned: Credits, until: Timestamp) {
        let funds = match self.funds.iter().position(|funds| funds.window.start == window.start) {
            Some(at) => &mut self.funds[at],
            None => {
                let at = self.funds.partition_point(|funds| funds.window.start < window.start);
                self.funds.insert(at, Funds::new(window));
                &mut self.funds[at]
            }
        };
        funds.granted = funds.granted.max(granted);
        funds.returned = funds.returned.max(returned);
        funds.until = until;
        assert!(funds.returned <= funds.granted, "no more is returned than was lent");
    }

    /// Takes what was borrowed of a block on top of what the root has lent of the window that starts at
    /// `start`: the root hears of it with the next sync.
    pub fn borrow(&mut self, start: Timestamp, credits: Credits) {
        if let Some(funds) = self.of_mut(start) {
            funds.granted = funds.granted.checked_add(credits).unwrap_or(Credits::MAX);
        }
    }

    /// Takes note of what is in suspense of the window that starts at `start`, in all.
    pub fn lose(&mut self, start: Timestamp, lost: Credits) {
        if let Some(funds) = self.of_mut(start) {
            funds.lost = funds.lost.max(lost);
            assert!(funds.returned.plus(funds.lost) <= funds.granted, "what is lost was lent");
        }
    }

    /// Takes what is free in funds whose lease has run out off this book, and answers what has been
    /// returned of every such window in all, to be reported to the root. What an expired hold set
    /// aside stays until its end has been entered, because until then the root counts it as held.
    pub fn give_back(&mut self, now: Timestamp) -> Vec<(Timestamp, Credits)> {
        let now = now.max(self.latest);
        self.latest = now;
        let ended = self.funds.iter_mut().filter(|funds| funds.until <= now);
        let returns = ended.map(|funds| {
            let (lent, tally) = (funds.lent(), funds.draws.tally());
            let free = lent.saturating_sub(tally.used().plus(tally.held));
            funds.returned = funds.returned.plus(free);
            assert!(funds.lent() == lent.minus(free), "what was returned is not lent any more");
            (funds.window.start, funds.returned)
        });
        returns.collect()
    }

    /// Takes up to `credits` of what may be returned off the funds of the window that starts at `start`;
    /// answers what has been returned of them in all. Holds keep what they set aside until their ends
    /// have been entered.
    pub fn give_up(&mut self, start: Timestamp, credits: Credits) -> Credits {
        let Some(funds) = self.of_mut(start) else { return Credits::ZERO };
        let tally = funds.draws.tally();
        let spare = funds.lent().saturating_sub(tally.used().plus(tally.held));
        funds.returned = funds.returned.plus(credits.min(spare));
        funds.returned
    }

    /// Drops funds of ended windows that the root no longer names and nothing is held in.
    pub fn forget_except(&mut self, named: impl Fn(Timestamp) -> bool) {
        self.funds.retain(|funds| named(funds.window.start) || !funds.draws.tally().held.is_zero());
    }
}
