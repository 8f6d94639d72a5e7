//! How much one asking sidecar is lent of what is free: halves towards exhaustion, and near it exactly
//! what waits.

use super::holder::Holder;
use crate::domain::{Credits, Timestamp};

/// For how long who has asked counts as one who will ask again.
pub const DEMAND_MILLIS: u64 = 10_000;

/// For how long others are called upon to return what they have free after somebody asked in vain:
/// two beats, so that one lost message does not hide it.
pub const RECALL_MILLIS: u64 = 2_000;

/// Who wants a little is lent this part of what is free.
const LITTLE_PARTS: u32 = 64;

/// What a sidecar asks of one account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Want {
    /// What it would like to have free, to spend alone for a while.
    pub goal: Credits,
    /// The least worth lending: one large debit, and what is asked of it in one round trip.
    pub step: Credits,
    /// What must be free for the smallest debit that waits; zero: none waits.
    pub least: Credits,
    /// What must be free for all debits that wait.
    pub waiting: Credits,
}

impl Want {
    /// Who is not asked of, and cannot say what it will need, wants a little to begin with.
    pub const LITTLE: Self =
        Self { goal: Credits::MAX, step: Credits::ZERO, least: Credits::ZERO, waiting: Credits::ZERO };

    /// Whether it is [`Want::LITTLE`].
    pub fn is_little(&self) -> bool {
        self.step.is_zero()
    }
}

/// What is asked of one account by all who asked lately, the one who asks included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asking {
    /// How many.
    pub holders: u32,
    /// The sum of their steps.
    pub steps: Credits,
}

impl Asking {
    /// Who has asked of these holders lately, and `asker` now.
    pub fn of(holders: &[Holder], asker: u128, want: &Want, now: Timestamp) -> Self {
        let others = holders.iter().filter(|h| h.sidecar != asker && !h.step.is_zero());
        let lately = others.filter(|h| now.millis_since(h.asked_at) <= DEMAND_MILLIS);
        let one = Self { holders: 1, steps: want.step };
        lately.fold(one, |all, holder| Self {
            holders: all.holders + 1,
            steps: all.steps.checked_add(holder.step).unwrap_or(Credits::MAX),
        })
    }
}

/// What comes of asking.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lent {
    /// Lent now.
    pub credits: Credits,
    /// So little is free that only what waits is lent.
    pub tight: bool,
    /// A debit that waits does not fit: others are to return what they have free.
    pub short: bool,
}

/// What of `free` to lend to a sidecar that has `own` free itself.
pub fn lend(free: Credits, own: Credits, want: &Want, asking: Asking) -> Lent {
    let (least, all) = (want.least.saturating_sub(own), want.waiting.saturating_sub(own));
    let tight = asking.steps.checked_mul(2).is_none_or(|reserve| free < reserve);
    let short = free < least;
    let waits = if short { Credits::ZERO } else { all.min(free) };
    let missing = want.goal.saturating_sub(own);
    let credits = if tight || missing.is_zero() {
        waits
    } else if want.is_little() {
        part(free, LITTLE_PARTS)
    } else {
        missing.min(part(free, 2 * asking.holders)).max(want.step).max(waits).min(free)
    };
    assert!(credits <= free, "no more is lent than is free");
    Lent { credits, tight, short }
}

fn part(of: Credits, parts: u32) -> Credits {
    Credits::from_micros(of.micros() / i64::from(parts)).expect("a part is an amount")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credits(whole: u32) -> Credits {
        Credits::from_credits(whole).expect("small")
    }

    #[test]
    fn the_less_is_free_the_less_is_lent() {
        let want = |goal, least, waiting| {
            let [goal, least, waiting] = [goal, least, waiting].map(credits);
            Want { goal, step: credits(10), least, waiting }
        };
        for (name, free, own, want, holders, lent_is, is_short) in [
            ("up to the goal", 1_600, 10, want(80, 0, 0), 1, 70, false),
            ("a part for each who asks", 160, 0, want(80, 0, 0), 4, 20, false),
            ("tight: nothing ahead of need", 79, 0, want(80, 0, 0), 4, 0, false),
            ("tight: what waits", 79, 0, want(80, 4, 9), 4, 9, false),
            ("what is there already counts", 3, 2, want(80, 4, 5), 1, 3, false),
            ("short", 3, 0, want(80, 4, 9), 1, 0, true),
            ("a little", 6_400, 0, Want::LITTLE, 1, 100, false),
            ("nothing while others ask for all of it", 19, 0, Want::LITTLE, 2, 0, false),
        ] {
            let asks = if want.is_little() { holders - 1 } else { holders };
            let asking = Asking { holders, steps: credits(10 * asks) };
            let Lent { credits: lent, short, .. } = lend(credits(free), credits(own), &want, asking);
            assert_eq!((lent, short), (credits(lent_is), is_short), "{name}");
        }
    }
}
