//! How often each fault is caused: a few times in every run of the tests, and as often as it takes to
//! believe it in a campaign. `FLEET_CAMPAIGN=1` runs the campaign's counts, `2` twice as many.

/// How often.
#[derive(Clone, Copy, Debug)]
pub struct Count {
    in_tests: u64,
    in_campaign: u64,
}

impl Count {
    const fn new(in_tests: u64, in_campaign: u64) -> Self {
        Self { in_tests, in_campaign }
    }

    pub fn get(self) -> u64 {
        let factor = std::env::var("FLEET_CAMPAIGN").ok().and_then(|text| text.parse::<u64>().ok());
        factor.filter(|factor| *factor > 0).map_or(self.in_tests, |factor| self.in_campaign * factor)
    }
}

pub const KILLS: Count = Count::new(8, 100);
pub const KILLS_OF_A_LEVEL: Count = Count::new(2, 25);
pub const CRASHES: Count = Count::new(3, 20);
pub const FREEZES: Count = Count::new(2, 20);
pub const PROMOTIONS: Count = Count::new(1, 20);
pub const THERE_AND_BACK: Count = Count::new(1, 5);
pub const CUTS: Count = Count::new(12, 56);
pub const FLUSHES: Count = Count::new(2, 6);
pub const BOUNDS: Count = Count::new(1, 5);
