//! What is asked of one account lately: how fast, and how large one debit is.

use crate::domain::{Credits, Timestamp};

/// After this long without demand its rate counts half.
pub const HALF_LIFE_MILLIS: u64 = 10_000;

/// A sidecar wants to have free what is asked of it in so long: what it may spend alone, and what is
/// stranded where it dies.
pub const ALONE_MILLIS: u64 = 20_000;

/// A sidecar wants to have free at least so many large debits, however rarely it is asked: the next ones do not
/// wait, and there is time to ask for more.
pub const USUAL_DEBITS: u32 = 8;

/// Sizes of debits older than this count half, so that one minute matters.
const SIZES_HALVE_MILLIS: u64 = 30_000;

/// But no sooner than after so many debits: what is rarely asked is remembered for longer.
const SIZES_HALVE_DEBITS: u32 = 32;

/// One bucket for each power of two of micro-credits.
const BUCKETS: usize = 54;

const _: () = assert!(Credits::MAX.micros() < 1 << (BUCKETS - 1));

/// What is asked of one account. Times are the sidecar's own.
#[derive(Clone, Debug)]
pub struct Demand {
    /// Micro-credits a second, as of `asked_at`.
    rate: f64,
    asked_at: Timestamp,
    sizes: [u32; BUCKETS],
    halved_at: Timestamp,
    /// Debits since then.
    asked: u32,
    /// The largest debit since sizes were last halved, and the half before.
    largest: [Credits; 2],
}

impl Demand {
    /// No demand yet.
    pub fn new(now: Timestamp) -> Self {
        Self { rate: 0.0, asked_at: now, sizes: [0; BUCKETS], halved_at: now, asked: 0, largest: [Credits::ZERO; 2] }
    }

    /// Somebody asked for `credits`, whatever was answered.
    pub fn ask(&mut self, credits: Credits, now: Timestamp) {
        let per_second = std::f64::consts::LN_2 / (HALF_LIFE_MILLIS as f64 / 1e3);
        self.rate = self.rate(now) + credits.micros() as f64 * per_second;
        self.asked_at = self.asked_at.max(now);
        self.asked = self.asked.saturating_add(1);
        if self.asked > SIZES_HALVE_DEBITS && now.millis_since(self.halved_at) >= SIZES_HALVE_MILLIS {
            self.sizes.iter_mut().for_each(|count| *count /= 2);
            (self.halved_at, self.asked) = (now, 1);
            self.largest = [Credits::ZERO, self.largest[0]];
        }
        let bucket = &mut self.sizes[bucket(credits)];
        *bucket = bucket.saturating_add(2);
        self.largest[0] = self.largest[0].max(credits);
    }

    /// Micro-credits asked a second.
    pub fn rate(&self, now: Timestamp) -> f64 {
        let half_lives = now.millis_since(self.asked_at) as f64 / HALF_LIFE_MILLIS as f64;
        self.rate * (-half_lives).exp2()
    }

    /// For how long nobody has asked.
    pub fn idle_millis(&self, now: Timestamp) -> u64 {
        now.millis_since(self.asked_at)
    }

    /// Whether anybody ever asked.
    pub fn is_known(&self) -> bool {
        !self.largest[0].max(self.largest[1]).is_zero()
    }

    /// Of a hundred debits of the last minute at most one is larger.
    pub fn top(&self) -> Credits {
        let all: u64 = self.sizes.iter().map(|&count| u64::from(count)).sum();
        let (mut above, mut top) = (0_u64, Credits::ZERO);
        for (at, &count) in self.sizes.iter().enumerate().rev() {
            above += u64::from(count);
            if above * 100 > all {
                top = Credits::from_micros((1_i64 << at) - 1).unwrap_or(Credits::MAX);
                break;
            }
        }
        top.min(self.largest[0].max(self.largest[1]))
    }

    /// What the sidecar wants to have free, where `usual` is a large debit among those that are usual there.
    pub fn goal(&self, usual: Credits, now: Timestamp) -> Credits {
        let debits = self.top().max(usual).checked_mul(USUAL_DEBITS).unwrap_or(Credits::MAX);
        debits.max(asked_in(self.rate(now), ALONE_MILLIS))
    }

    /// The least that is worth a round trip of `round_trip_millis`.
    pub fn step(&self, round_trip_millis: u64, now: Timestamp) -> Credits {
        self.top().checked_add(asked_in(self.rate(now), round_trip_millis)).unwrap_or(Credits::MAX)
    }
}

fn bucket(credits: Credits) -> usize {
    (u64::BITS - credits.micros().unsigned_abs().leading_zeros()) as usize
}

fn asked_in(rate: f64, millis: u64) -> Credits {
    // Saturates: a rate is finite and not negative.
    Credits::from_micros((rate * millis as f64 / 1e3) as i64).unwrap_or(Credits::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000;

    fn at(millis: u64) -> Timestamp {
        Timestamp::MIN.plus_millis(millis)
    }

    fn credits(whole: u32) -> Credits {
        Credits::from_credits(whole).expect("small")
    }

    #[test]
    fn a_steady_demand_wants_what_it_spends_in_twenty_seconds() {
        let mut demand = Demand::new(at(0));
        (0..6_000).for_each(|i| demand.ask(credits(1), at(i * 10)));
        let goal = demand.goal(Credits::ZERO, at(60 * SECOND)).micros() as f64 / 1e6;
        assert!((1_850.0..2_100.0).contains(&goal), "100 credits a second for a minute: {goal}");
        let later = demand.goal(Credits::ZERO, at(70 * SECOND)).micros() as f64 / 1e6;
        assert!((goal / 2.0 - later).abs() < 1.0, "half after a half-life: {later}");
    }

    #[test]
    fn one_giant_among_many_does_not_raise_the_top() {
        let mut demand = Demand::new(at(0));
        (0..200).for_each(|i| demand.ask(credits(1), at(i)));
        demand.ask(credits(1_000), at(200));
        assert!(demand.top() < credits(2), "{}", demand.top());
        (0..10).for_each(|i| demand.ask(credits(1_000), at(300 + i)));
        assert_eq!(demand.top(), credits(1_000));
    }

    #[test]
    fn nobody_asking_wants_nothing() {
        let demand = Demand::new(at(5));
        assert_eq!(
            (demand.top(), demand.goal(Credits::ZERO, at(9)), demand.idle_millis(at(9))),
            (Credits::ZERO, Credits::ZERO, 4)
        );
    }
}
