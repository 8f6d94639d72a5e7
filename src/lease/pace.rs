//! When to ask the root for more of an account, and when to return what is not needed.

use super::demand::Demand;
use crate::domain::{Credits, Timestamp};
use crate::root::Want;

/// Who has not been asked for so long returns everything.
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
    let goal = demand.goal(now);
    let want = Want {
        goal,
        step: demand.step(round_trip_millis, now).max(Credits::from_micros(1).expect("an amount")),
        least: standing.least,
        waiting: standing.waiting,
    };
    let twice = goal.checked_add(goal).unwrap_or(Credits::MAX);
    let excess = standing.free.saturating_sub(twice);
    let excess_since = (!excess.is_zero()).then(|| standing.excess_since.unwrap_or(now));
    let kept = Plan { excess_since, ..Plan::default() };
    if standing.free < standing.least {
        // What is there does not help who waits, but may help another.
        let give_back = if standing.is_called { standing.free } else { Credits::ZERO };
        return Plan { give_back, want: Some(want), is_urgent: true, ..kept };
    }
    if standing.is_called || demand.idle_millis(now) >= IDLE_MILLIS {
        return Plan { give_back: standing.free, ..Plan::default() };
    }
    if excess_since.is_some_and(|since| now.millis_since(since) >= EXCESS_MILLIS) {
        return Plan { give_back: excess, ..Plan::default() };
    }
    let is_low = standing.free.checked_add(standing.free).is_some_and(|twice| twice < goal);
    Plan { want: is_low.then_some(want), ..kept }
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

    /// A demand of one debit of 8 at 10 s: its goal is 11 or so.
    fn demand() -> Demand {
        let mut demand = Demand::new(at(0));
        demand.ask(credits(8), at(10_000));
        demand
    }

    fn planned(free: u32, is_called: bool, excess_since: Option<u64>, now: u64) -> (Credits, bool) {
        let excess_since = excess_since.map(at);
        let standing = Standing { free: credits(free), is_called, excess_since, ..Standing::default() };
        let plan = plan(&standing, &demand(), 5, at(now));
        (plan.give_back, plan.want.is_some())
    }

    #[test]
    fn what_is_low_is_refilled_what_is_idle_called_or_in_excess_goes_back() {
        for (name, free, is_called, excess_since, now, back, wants) in [
            ("enough", 8, false, None, 10_100, 0, false),
            ("low", 2, false, None, 10_100, 0, true),
            ("called", 8, true, None, 10_100, 8, false),
            ("idle", 8, false, None, 13_000, 8, false),
            ("not yet idle", 8, false, None, 12_999, 0, false),
            ("new excess", 40, false, None, 10_100, 0, false),
        ] {
            assert_eq!(planned(free, is_called, excess_since, now), (credits(back), wants), "{name}");
        }
        let (back, _) = planned(40, false, Some(9_000), 11_000);
        assert!(back > credits(10) && back < credits(30), "the excess alone: {back}");
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
