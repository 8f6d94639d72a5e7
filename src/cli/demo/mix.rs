//! The seeded mix of calls: who calls, what it costs, and how the call goes on. The same seed makes the
//! same calls in the same order.

use std::sync::Arc;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::job::{Direction, Draw, Job, Then, Who};
use crate::cli::town::{MODELS, Town};
use crate::domain::Credits;

/// The dearest call, in micro-credits; with [`CHEAPEST_MICROS`] the mean is one credit.
const DEAREST_MICROS: i64 = 1_990_000;
const CHEAPEST_MICROS: i64 = 10_000;

/// Of ten requests, some six are new calls; the others end a hold or refund a debit.
const NEW_CALLS_PERCENT: u64 = 60;

/// Longest life of a hold that nobody ends; the demo waits so long at its end.
pub(super) const ABANDONED_TTL_MAX: Duration = Duration::from_secs(3);

/// What all calls of so many requests cost together.
pub(super) fn expected(requests: u64) -> Credits {
    let calls = requests * NEW_CALLS_PERCENT / 100;
    let micros = calls.saturating_mul((DEAREST_MICROS + CHEAPEST_MICROS).unsigned_abs() / 2);
    i64::try_from(micros).ok().and_then(Credits::from_micros).unwrap_or(Credits::MAX)
}

/// An endless sequence of calls.
#[derive(Debug)]
pub(super) struct Mix {
    town: Arc<Town>,
    random: StdRng,
    prefix: String,
    number: u64,
}

impl Mix {
    /// Calls whose ids begin with `prefix`.
    pub(super) fn new(town: Arc<Town>, seed: u64, prefix: &str) -> Self {
        Self { town, random: StdRng::seed_from_u64(seed), prefix: prefix.to_owned(), number: 0 }
    }

    fn who(&mut self) -> Who {
        let (team, member) = self.town.pick(self.random.random(), self.random.random());
        let stranger = self.random.random_ratio(1, 200);
        Who { team, member: (!stranger).then_some(member) }
    }

    /// A call that costs `credits` as far as is known before it.
    pub(super) fn draw(&mut self, credits: Credits, then: Then) -> Job {
        self.number += 1;
        let who = self.who();
        let model = if self.random.random_ratio(4, 5) { MODELS[0] } else { MODELS[1] };
        Job::Draw(Arc::new(Draw { id: format!("{}-{}", self.prefix, self.number), who, credits, model, then }))
    }

    fn then(&mut self, micros: i64) -> Then {
        let after = Duration::from_millis(self.random.random_range(20..1_500));
        let of_it = |percent: i64| Credits::from_micros(micros * percent / 100).unwrap_or_default();
        match self.random.random_range(0..100) {
            0..45 => Then::Settle { credits: of_it(self.random.random_range(30..100)), after },
            45..48 => Then::SettleAgain { credits: of_it(self.random.random_range(30..100)), after },
            48..50 => Then::Settle { credits: of_it(100), after },
            50..68 => Then::Settle { credits: of_it(self.random.random_range(101..180)), after },
            68..75 => Then::Release { after },
            75..79 => {
                let millis = self.random.random_range(1_000..ABANDONED_TTL_MAX.as_millis() as u64);
                Then::Abandon { ttl: Duration::from_millis(millis) }
            }
            79..92 => Then::Charged,
            92..95 => Then::ChargedAgain,
            95..98 => Then::Refund { credits: Some(of_it(self.random.random_range(10..100))), after },
            _ => Then::Refund { credits: None, after },
        }
    }
}

impl Iterator for Mix {
    type Item = Job;

    fn next(&mut self) -> Option<Job> {
        if self.random.random_ratio(1, 250) {
            let Who { team, member } = self.who();
            return Some(Job::Opt(Who { team, member: member.or(Some(0)) }, Direction::Out));
        }
        let micros = self.random.random_range(CHEAPEST_MICROS..=DEAREST_MICROS);
        let then = self.then(micros);
        Some(self.draw(Credits::from_micros(micros).unwrap_or_default(), then))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calls(seed: u64) -> Vec<String> {
        let town = Arc::new(Town::mixed("demo", 5, 10, expected(1_000)));
        Mix::new(town, seed, "r").take(2_000).map(|job| format!("{job:?}")).collect()
    }

    #[test]
    fn the_same_seed_makes_the_same_calls_and_another_makes_others() {
        assert_eq!(calls(7), calls(7));
        assert_ne!(calls(7), calls(8));
    }

    #[test]
    fn every_way_that_a_call_can_go_on_occurs() {
        let calls = calls(1).concat();
        for way in [
            "Settle {",
            "SettleAgain",
            "Release",
            "Abandon",
            "Charged }",
            "ChargedAgain }",
            "credits: None",
            "Out",
            "member: None",
        ] {
            assert!(calls.contains(way), "{way}");
        }
    }
}
