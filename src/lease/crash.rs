//! What a crash leaves in doubt. Before spending may pass a *ceiling*, that ceiling is on disk; after a
//! crash that took the journal's end, at most as much was spent.

use crate::domain::{Credits, Tally};

/// What can be said of what an earlier incarnation spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// The journal has every entry: the same boot and an intact journal, or each answer waited for the disk.
    Exact,
    /// The journal's end may be missing, but never beyond this ceiling of `spent + held`.
    Ceiling(Credits),
    /// The disk is lost, damaged, or a copy: everything may have been spent.
    Nothing,
}

impl Proof {
    /// What may have been spent unheard above `tally`, which is what the journal tells. So much is in
    /// suspense as is free; the rest of it waits for what an older operation gives back, because that
    /// may have been given back, and spent, before.
    pub fn doubt(self, tally: &Tally, free: Credits) -> Doubt {
        let doubt = match self {
            Self::Exact => Credits::ZERO,
            Self::Ceiling(ceiling) => ceiling.saturating_sub(gross(tally)),
            Self::Nothing => free,
        };
        Doubt { lost: doubt.min(free), pending: doubt.saturating_sub(free) }
    }
}

/// What may have been spent unheard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Doubt {
    /// In suspense at once.
    pub lost: Credits,
    /// To go into suspense when a refund of an older debit gives it back. What an older hold gives back
    /// always does.
    pub pending: Credits,
}

/// What a ceiling bounds: it only rises by new draws, whatever comes back.
pub fn gross(tally: &Tally) -> Credits {
    tally.spent.checked_add(tally.held).unwrap_or(Credits::MAX)
}

/// The ceiling to put on disk, where the one there must be raised: in the background from half of the
/// last stretch on, at once where a draw would pass it. `stretch` is what a crash may put in doubt.
pub fn raised(tally: &Tally, ceiling: Credits, stretch: Credits) -> Option<Credits> {
    let above = gross(tally).checked_add(stretch).unwrap_or(Credits::MAX);
    let room = ceiling.saturating_sub(gross(tally));
    (room.checked_add(room).unwrap_or(Credits::MAX) < stretch).then_some(above)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credits(whole: u32) -> Credits {
        Credits::from_credits(whole).expect("small")
    }

    #[test]
    fn doubt_ends_at_the_ceiling_and_at_what_was_lent() {
        let tally = Tally { spent: credits(30), refunded: credits(5), held: credits(10) };
        for (proof, free, lost, pending) in [
            (Proof::Exact, 100, 0, 0),
            (Proof::Ceiling(credits(60)), 100, 20, 0),
            (Proof::Ceiling(credits(60)), 15, 15, 5),
            (Proof::Ceiling(credits(40)), 100, 0, 0),
            (Proof::Nothing, 100, 100, 0),
        ] {
            let doubt = Doubt { lost: credits(lost), pending: credits(pending) };
            assert_eq!(proof.doubt(&tally, credits(free)), doubt, "{proof:?} {free}");
        }
    }

    #[test]
    fn a_ceiling_is_raised_when_half_is_used() {
        let tally = Tally { spent: credits(30), refunded: credits(0), held: credits(10) };
        for (ceiling, raised_to) in [(60, None), (55, None), (49, Some(60)), (0, Some(60))] {
            assert_eq!(raised(&tally, credits(ceiling), credits(20)), raised_to.map(credits), "{ceiling}");
        }
    }
}
