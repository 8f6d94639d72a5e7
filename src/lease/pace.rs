//! When to ask the root for more of an account, and when to return what is not needed.

use super::demand::Demand;
use crate::domain::{Credits, Timestamp};
use crate::root::Want;

/// Who has not been asked for so long idles: it asks for no more, and keeps what it has until others need it.
pub const IDLE_MILLIS: u64 = 3_000;

/// What is above twice the goal for so long is returned.
pub const EXCESS_MILLIS: u64 = 2_000;

/// How one account stands at a sidecar.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// What may be spent now.
    pub free: Credits,
    /// The smallest debit that waits for a lease; zero: none waits.
    pub least: Credits,
    /// All debits that wait.
    pub waiting: Credits,
    /// The root called back what is free.
    pub is_called: bool,
    /// Nothing is kept here any more while nobody asks.
    pub leaves: bool,
    /// A large debit among those that are usual where this is drawn; zero: that is not known.
    pub usual: Credits,
    /// Since when more than twice the goal has been free.
    pub excess_since: Option<Timestamp>,
}

/// What to do about one account with the next sync.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Deduct this and tell of it: first deduct, then return.
    pub give_back: Credits,
    /// Ask for more.
    pub want: Option<Want>,
    /// A debit waits: sync at once.
    pub is_urgent: bool,
    /// To be handed in again with the next standing.
    pub excess_since: Option<Timestamp>,
}

/// What to do at `now`, where a sync takes `round_trip_millis`.
pub fn plan(standing: &Standing, demand: &Demand, round_trip_millis: u64, now: Timestamp) -> Plan {
    let goal = demand.goal(standing.usual, now);
    let want = Want {
        goal,
        step: demand.step(round_trip_millis, now).max(Credits::from_micros(1).expect("an amount")),
        least: standing.least,
        waiting: standing.waiting,
    };
    if standing.free < standing.least {
        // What is there does not help who waits, but may help another.
        let give_back = if standing.is_called { standing.free } else { Credits::ZERO };
        return Plan { give_back, want: Some(want), is_urgent: true, excess_since: None };
    }
    let is_idle = demand.idle_millis(now) >= IDLE_MILLIS;
    if standing.is_called || is_idle && standing.leaves {
        return Plan { give_back: standing.free, ..Plan::default() };
    }
    if standing.free.is_zero() && is_idle {
        return Plan { want: Some(Want::LITTLE), ..Plan::default() };
    }
    if !demand.is_known() {
        return Plan::default();
    }
    let twice = goal.checked_add(goal).unwrap_or(Credits::MAX);
    let excess = standing.free.saturating_sub(twice);
    let excess_since = (!excess.is_zero()).then(|| standing.excess_since.unwrap_or(now));
    if excess_since.is_some_and(|since| now.millis_since(since) >= EXCESS_MILLIS) {
        return Plan { give_back: excess, ..Plan::default() };
    }
    let is_low = standing.free.checked_add(standing.free).is_some_and(|twice| twice < goal);
    Plan { want: Some(want).filter(|_| is_low && !is_idle), excess_since, ..Plan::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Timestamp {
        Timestamp::MIN.plus_millis(millis)
    }

    fn credits(whole: u32) -> Credits {
        Credits::from_credits(whole).expect("small")
    }

    /// A demand of one debit of 8 at 10 s: its goal is 64.
    fn demand() -> Demand {
        let mut demand = Demand::new(at(0));
        demand.ask(credits(8), at(10_000));
        demand
    }

    #[test]
    fn what_is_low_is_refilled_and_what_others_need_goes_back() {
        let idle = 10_000 + IDLE_MILLIS;
        let standing = Standing::default();
        let (called, leaves) = (Standing { is_called: true, ..standing }, Standing { leaves: true, ..standing });
        let large = Standing { usual: credits(16), ..standing };
        let excess = Standing { excess_since: Some(at(8_100)), ..standing };
        for (name, free, standing, now, back, wants) in [
            ("enough", 32, standing, idle - 1, 0, false),
            ("low", 31, standing, idle - 1, 0, true),
            ("low where larger debits are usual", 63, large, idle - 1, 0, true),
            ("idle, whether low or not", 31, standing, idle, 0, false),
            ("called", 32, called, idle - 1, 32, false),
            ("idle and called", 32, called, idle, 32, false),
            ("asked, and no more is to idle here", 32, leaves, idle - 1, 0, false),
            ("idle, and no more is to idle here", 32, leaves, idle, 32, false),
            ("new excess", 140, standing, 10_100, 0, false),
            ("old excess", 140, excess, 10_100, 12, false),
            ("old excess that idles", 140, excess, 3_600_000, 12, false),
        ] {
            let made = plan(&Standing { free: credits(free), ..standing }, &demand(), 5, at(now));
            assert_eq!((made.give_back, made.want.is_some()), (credits(back), wants), "{name}");
        }
    }

    #[test]
    fn who_is_not_asked_and_has_nothing_wants_a_little_and_keeps_it() {
        let (nobody, now) = (Demand::new(Timestamp::MIN), at(3_600_000));
        let want = |standing: &Standing, demand: &Demand| plan(standing, demand, 5, now).want;
        let nothing = Standing::default();
        assert_eq!(want(&nothing, &nobody), Some(Want::LITTLE));
        assert_eq!(want(&nothing, &demand()), Some(Want::LITTLE), "others took it, and do not need it any more");
        assert_eq!(want(&Standing { is_called: true, ..nothing }, &nobody), None);
        assert_eq!(want(&Standing { leaves: true, ..nothing }, &nobody), None);
        let some = Standing { free: credits(100), ..nothing };
        assert_eq!(plan(&some, &nobody, 5, now), Plan::default());
        assert_eq!(plan(&Standing { is_called: true, ..some }, &nobody, 5, now).give_back, credits(100));
    }

    #[test]
    fn who_waits_asks_at_once() {
        let standing = Standing { free: credits(3), least: credits(5), waiting: credits(9), ..Standing::default() };
        let made = plan(&standing, &demand(), 5, at(10_001));
        assert!(made.is_urgent && made.give_back.is_zero());
        assert_eq!(made.want.map(|want| (want.least, want.waiting)), Some((credits(5), credits(9))));
        let called = plan(&Standing { is_called: true, ..standing }, &demand(), 5, at(10_001));
        assert_eq!((called.give_back, called.want.is_some()), (credits(3), true), "3 may be what another waits for");
    }
}
