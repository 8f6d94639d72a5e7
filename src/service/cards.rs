//! The rate cards that this sidecar knows: the one in force, and earlier ones that holds may still name.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use parking_lot::Mutex;

use crate::domain::RateVersion;
use crate::rates::Card;

/// Cards that are kept beside those that open holds name: a hold may be settled after its end.
pub const KEPT_MAX: usize = 16;

/// The rate cards that this sidecar knows.
#[derive(Debug, Default)]
pub struct Cards {
    current: ArcSwapOption<Card>,
    /// The one that was in force last comes last.
    earlier: Mutex<VecDeque<Arc<Card>>>,
}

impl Cards {
    /// The card in force.
    pub fn current(&self) -> Option<Arc<Card>> {
        self.current.load_full()
    }

    /// The version in force.
    pub fn version(&self) -> Option<RateVersion> {
        self.current.load().as_ref().map(|card| card.version())
    }

    /// The card of a version, where it is known.
    pub fn of(&self, version: RateVersion) -> Option<Arc<Card>> {
        let current = self.current().filter(|card| card.version() == version);
        current.or_else(|| self.earlier.lock().iter().find(|card| card.version() == version).cloned())
    }

    /// Puts a card into force, or none. Earlier ones stay as long as open holds name them, and a few more.
    pub fn put(&self, card: Option<Card>, named: &BTreeSet<RateVersion>) {
        let before = self.current.swap(card.map(Arc::new));
        self.remember(before, named);
    }

    /// Takes over earlier cards, the oldest first.
    pub fn keep(&self, cards: impl IntoIterator<Item = Card>, named: &BTreeSet<RateVersion>) {
        self.remember(cards.into_iter().map(Arc::new), named);
    }

    fn remember(&self, cards: impl IntoIterator<Item = Arc<Card>>, named: &BTreeSet<RateVersion>) {
        let mut earlier = self.earlier.lock();
        for card in cards {
            earlier.retain(|known| known.version() != card.version());
            earlier.push_back(card);
        }
        let mut more = earlier.len().saturating_sub(KEPT_MAX);
        earlier.retain(|card| {
            let goes = more > 0 && !named.contains(&card.version());
            more -= usize::from(goes);
            !goes
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn card(number: usize) -> Card {
        Card::new([(format!("model-{number}"), None)], None).expect("a card")
    }

    #[test]
    fn a_card_that_an_open_hold_names_is_never_forgotten() {
        let (cards, versions) = (Cards::default(), |number| card(number).version());
        let named = BTreeSet::from([versions(3)]);
        for number in 0..100 {
            cards.put(Some(card(number)), &named);
        }
        assert_eq!(cards.version(), Some(versions(99)));
        assert_eq!(cards.of(versions(3)).as_deref(), Some(&card(3)));
        let known = (0..100).filter(|&number| cards.of(versions(number)).is_some()).count();
        assert_eq!(known, 1 + KEPT_MAX, "the one in force and so many earlier ones");
        cards.put(None, &named);
        assert_eq!((cards.version(), cards.of(versions(99)).is_some()), (None, true));
    }
}
