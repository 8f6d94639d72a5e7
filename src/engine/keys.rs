//! Ids of operations as hashes of 128 bits, by which alone they are told apart.
//!
//! The hash is strongly universal: by random numbers that are drawn once for each run and never leave it, two ids that
//! were chosen without knowing these have the same key with a chance of 2^-128, whatever the ids are (Lemire and Kaser, Strongly
//! universal string hashing is fast, 2014: multilinear hashing). A key is never stored.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

use crate::domain::{NAME_WORDS_MAX, OperationId};

/// An operation id as a keyed hash.
pub type Key = u128;

/// The numbers by which ids are hashed.
#[derive(Debug)]
pub(super) struct Keys {
    first: [u128; 2],
    /// Two for each word of an id.
    factors: [[u128; 2]; NAME_WORDS_MAX],
}

impl Keys {
    /// Numbers that nobody outside can foresee.
    pub fn random() -> Self {
        // Each is the hash of its place by a key that comes from the system.
        let random = RandomState::new();
        let half = |of: usize| u128::from(random.hash_one(of));
        let pair = |of: usize| [4 * of, 4 * of + 2].map(|at| half(at) << 64 | half(at + 1));
        Self { first: pair(NAME_WORDS_MAX), factors: std::array::from_fn(pair) }
    }

    /// The key of an id.
    #[inline]
    pub fn of(&self, id: &OperationId) -> Key {
        let [mut high, mut low] = self.first;
        let mut factors = self.factors.iter();
        id.each_word(|word| {
            let [to_high, to_low] = factors.next().expect("an id has no more words");
            high = high.wrapping_add(to_high.wrapping_mul(word.into()));
            low = low.wrapping_add(to_low.wrapping_mul(word.into()));
        });
        // The upper halves: those depend on all bits of all words.
        high >> 64 << 64 | low >> 64
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn id(text: &str) -> OperationId {
        OperationId::new(text).expect("an id")
    }

    #[test]
    fn ids_that_differ_in_one_place_or_in_length_have_keys_that_differ_in_both_halves() {
        let keys = Keys::random();
        let texts = (1..=128).flat_map(|length| {
            let changed = (0..length).map(move |at| {
                let mut text = "0".repeat(length);
                text.replace_range(at..=at, "1");
                text
            });
            changed.chain(["0".repeat(length)])
        });
        let (mut high, mut low, mut count) = (HashSet::new(), HashSet::new(), 0);
        for text in texts {
            let key = keys.of(&id(&text));
            assert_eq!(key, keys.of(&id(&text)));
            count += 1;
            high.insert(key >> 64);
            low.insert(key as u64);
        }
        assert_eq!((high.len(), low.len()), (count, count));
    }

    #[test]
    fn each_run_has_keys_of_its_own() {
        assert_ne!(Keys::random().of(&id("a")), Keys::random().of(&id("a")));
    }
}
