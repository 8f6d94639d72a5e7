//! Zipf's law: the first gets twice what the second gets, three times what the third gets. Pure.

use crate::domain::Credits;

/// Zipf's law over `0..len`: weights 1, 1/2, 1/3 ..., as whole numbers.
#[derive(Clone, Debug)]
pub(super) struct Zipf {
    /// The sum of the weights up to each, itself included.
    sums: Vec<u64>,
}

const WEIGHT: u64 = 1 << 32;

impl Zipf {
    pub(super) fn new(len: u32) -> Self {
        assert!(len > 0, "there is something to pick");
        let sums = (1..=u64::from(len)).scan(0, |sum, n| {
            *sum += WEIGHT / n;
            Some(*sum)
        });
        Self { sums: sums.collect() }
    }

    pub(super) fn len(&self) -> usize {
        self.sums.len()
    }

    fn total(&self) -> u64 {
        self.sums.last().copied().unwrap_or(1)
    }

    /// What of `amount` falls to number `n`.
    pub(super) fn share(&self, n: usize, amount: Credits) -> Credits {
        let weight = WEIGHT / (n as u64 + 1);
        let micros = i128::from(amount.micros()) * i128::from(weight) / i128::from(self.total());
        i64::try_from(micros).ok().and_then(Credits::from_micros).unwrap_or(Credits::MAX)
    }

    /// The number that a random one stands for.
    pub(super) fn pick(&self, random: u64) -> usize {
        let at = random % self.total();
        self.sums.partition_point(|&sum| sum <= at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_gets_twice_what_the_second_gets() {
        let zipf = Zipf::new(3);
        let step = zipf.total() / 1_100;
        let mut hits = [0_u32; 3];
        (0..1_100).for_each(|n| hits[zipf.pick(n * step)] += 1);
        for (hit, expected) in hits.into_iter().zip([600, 300, 200]) {
            assert!(hit.abs_diff(expected) <= 2, "{hits:?}");
        }
        let share = |n| zipf.share(n, Credits::from_credits(11).expect("small")).micros();
        assert_eq!([0, 1, 2].map(|n| (share(n) + 5) / 10), [600_000, 300_000, 200_000]);
    }
}
