//! Where many sidecars share a pool: how each account is asked of here, and when the root is told of it. An account
//! is known here from when control named it or somebody drew on it; while nobody does it is told of in turn
//! (`paced`), and what is free of it stays here until others need it. What is told is in `tell`.

use std::collections::BTreeMap;

use super::lock::Mutex;
use super::log::Log;
use super::meter::Meter;
use super::paced::Paced;
use crate::domain::{Credits, SubscriptionId, TeamId, Timestamp, UserId};
use crate::lease::{Demand, Plan, Standing, plan};
use crate::root::{Flags, Leased, Want};

/// For how long after the root had nothing draws are denied without asking it again: long enough for others
/// to return what they do not need, which the root has called for.
pub const SHORT_MILLIS: u64 = 250;

/// For so long others may need to return what they were called upon to: draws go on asking for it.
const COMING_MILLIS: u64 = 250;

/// So long after others were called upon in vain they are given that time again.
const CALL_MILLIS: u64 = 1_000;

/// How one account is asked of here.
#[derive(Debug)]
pub struct Pace {
    demand: Demand,
    excess_since: Option<Timestamp>,
    is_called: bool,
    /// Until when the root need not be asked: it had nothing.
    short_until: Timestamp,
    /// Since when others are called upon for what is missing.
    calls_since: Option<Timestamp>,
    /// The root is told of it with every sync.
    is_told: bool,
    /// Somebody has asked since it was last told of in turn.
    is_fresh: bool,
    /// Too many idle accounts are kept: nothing is kept of this one.
    leaves: bool,
}

impl Pace {
    fn new(now: Timestamp) -> Self {
        let (excess_since, short_until, calls_since) = (None, Timestamp::MIN, None);
        let [is_called, is_told, is_fresh, leaves] = [false; 4];
        let demand = Demand::new(now);
        Self { demand, excess_since, is_called, short_until, calls_since, is_told, is_fresh, leaves }
    }

    /// Somebody asked for `credits`.
    pub fn ask(&mut self, credits: Credits, now: Timestamp) {
        self.demand.ask(credits, now);
        self.is_fresh = true;
    }

    /// A large debit among those that are usual.
    pub(super) fn usual(&self) -> Credits {
        self.demand.top()
    }

    /// Whether anybody ever asked.
    pub(super) fn is_known(&self) -> bool {
        self.demand.is_known()
    }

    /// Whether the root has just said that it has nothing.
    pub fn is_short(&self, now: Timestamp) -> bool {
        now < self.short_until
    }

    /// What to do about it with the next sync; `usual` is a large debit among those that are usual there.
    pub(super) fn plan(&mut self, free: Credits, waiting: Waiting, usual: Credits, round: Round) -> Plan {
        let Waiting { least, all: waiting } = waiting;
        let (is_called, excess_since) = (self.is_called || round.closes, self.excess_since);
        let standing = Standing { free, least, waiting, is_called, leaves: self.leaves, usual, excess_since };
        let made = plan(&standing, &self.demand, round.trip_millis, round.now);
        self.excess_since = made.excess_since;
        // A little is asked for in turn: after a start all that was ever drawn on is told of at once.
        let want = made.want.filter(|want| !self.is_told || !want.is_little());
        Plan { want, ..made }
    }

    /// What it wants; what has been called back is not wanted.
    pub(super) fn wants(&mut self, free: Credits, waiting: Waiting, round: Round) -> Option<Want> {
        if self.is_called || round.closes { None } else { self.plan(free, waiting, Credits::ZERO, round).want }
    }

    fn take(&mut self, flags: Flags, now: Timestamp) {
        self.is_called = flags.recall;
        // What is withheld may be there: that is no reason to deny for good.
        let is_short = flags.short && !flags.withheld && !self.is_coming(flags.calls, now);
        self.short_until = if is_short { now.plus_millis(SHORT_MILLIS) } else { Timestamp::MIN };
    }

    /// Whether what is missing may be on its way, where the root `calls` upon others who have it.
    fn is_coming(&mut self, calls: bool, now: Timestamp) -> bool {
        let since = self.calls_since.filter(|since| now.millis_since(*since) < CALL_MILLIS);
        self.calls_since = since.or(Some(now)).filter(|_| calls);
        self.calls_since.is_some_and(|since| now.millis_since(since) < COMING_MILLIS)
    }

    /// Makes room where too many idle accounts are kept: one that was asked of since its last turn stays.
    pub(super) fn turn(&mut self, is_crowded: bool, now: Timestamp) {
        let is_fresh = !self.is_told && std::mem::take(&mut self.is_fresh);
        self.leaves = is_crowded && !is_fresh && self.is_idle(now);
    }

    fn is_idle(&self, now: Timestamp) -> bool {
        self.demand.idle_millis(now) >= crate::lease::pace::IDLE_MILLIS
    }
}

/// What waits for a lease of one account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// The smallest draw that waits; zero: none.
    pub least: Credits,
    /// All that wait.
    pub all: Credits,
}

impl Waiting {
    /// One more waits, for at least `least` of `credits`.
    pub fn add(&mut self, least: Credits, credits: Credits) {
        self.least = if self.all.is_zero() { least } else { self.least.min(least) };
        self.all = self.all.checked_add(credits).unwrap_or(Credits::MAX);
    }
}

/// What waits, by account.
#[derive(Clone, Debug, Default)]
pub struct Waits {
    /// For a subscription's funds.
    pub books: BTreeMap<SubscriptionId, Waiting>,
    /// For a part of a member's limit.
    pub members: BTreeMap<(TeamId, UserId), Waiting>,
}

/// One sync to be made.
#[derive(Clone, Copy, Debug)]
pub struct Round {
    /// When.
    pub now: Timestamp,
    /// How long a sync takes.
    pub trip_millis: u64,
    /// Some of what idles is to be told of as well.
    pub is_turn: bool,
    /// Everything that is held is to be named, whether it is asked of or not.
    pub tells_all: bool,
    /// Everything that is free is to be returned: this sidecar spends no more.
    pub closes: bool,
}

impl<L: Log> Meter<L> {
    /// How a book is asked of, from now on.
    pub(super) fn pace_book<'a>(
        &self,
        pace: &'a mut Option<Box<Pace>>,
        subscription: &SubscriptionId,
        now: Timestamp,
    ) -> &'a mut Pace {
        self.tell_of(pace, || Leased::Funds(subscription.clone()), now)
    }

    /// How a member's limit is asked of, from now on.
    pub(super) fn pace_member<'a>(
        &self,
        pace: &'a mut Option<Box<Pace>>,
        (team, user): (&TeamId, &UserId),
        now: Timestamp,
    ) -> &'a mut Pace {
        self.tell_of(pace, || Leased::Limit(team.clone(), user.clone()), now)
    }

    fn tell_of<'a>(
        &self,
        pace: &'a mut Option<Box<Pace>>,
        account: impl FnOnce() -> Leased,
        now: Timestamp,
    ) -> &'a mut Pace {
        let pace = pace.get_or_insert_with(|| Box::new(Pace::new(now)));
        if !pace.is_told {
            pace.is_told = true;
            self.paced.lock().tell(account());
        }
        pace
    }

    /// Control has named an account: what is held of it may have changed; where nothing is, and few accounts
    /// are known here, a little is asked for, so that its first draw does not wait.
    pub(super) fn name(&self, pace: &mut Option<Box<Pace>>, account: impl FnOnce() -> Leased, is_held: bool) {
        if is_held {
            self.tell_of(pace, account, Timestamp::MIN);
        } else if pace.is_none() && self.paced.lock().take_up(account) {
            *pace = Some(Box::new(Pace::new(Timestamp::MIN)));
        }
    }

    /// Idle accounts of which something is kept here, or asked for before anybody draws.
    pub fn kept(&self) -> usize {
        self.paced.lock().kept()
    }

    /// Says when the root is next told of an account, where something `is_free` of it or nothing: with every sync,
    /// in turn, or never.
    pub(super) fn place(
        &self,
        pace: &mut Option<Box<Pace>>,
        account: impl Fn() -> Leased,
        (flags, is_free): (Flags, bool),
        now: Timestamp,
    ) {
        if pace.is_none() && !is_free {
            return;
        }
        // An end or a refund may have given back what nobody asks for.
        let known = pace.get_or_insert_with(|| self.pace_anew(account(), now));
        known.take(flags, now);
        if flags.recall && is_free {
            self.tell_of(pace, account, now);
        } else if known.leaves && !is_free && known.is_idle(now) {
            self.drop(pace, &account());
        } else if known.is_told && known.is_idle(now) {
            let is_kept = self.paced.lock().keep(account());
            known.is_told = !is_kept;
            if !is_kept && !is_free {
                self.drop(pace, &account());
            }
        }
    }

    fn drop(&self, pace: &mut Option<Box<Pace>>, account: &Leased) {
        *pace = None;
        self.paced.lock().forget(account);
    }

    /// How an account is asked of that somebody waits for, or of which something is held, from now on.
    pub(super) fn pace_anew(&self, account: Leased, now: Timestamp) -> Box<Pace> {
        self.paced.lock().tell(account);
        Box::new(Pace { is_told: true, ..Pace::new(now) })
    }
}

/// The set of accounts that are asked of, behind its own short lock: the last one taken.
pub(super) type PacedLock = Mutex<Paced>;
