//! Gathering what many entries say of few names: found by hash while they are gone through, and in order afterwards.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hash::Hash;

use foldhash::fast::FixedState;

/// Without a key of its own, so that the same entries take the same way. Entries are a sidecar's, no stranger's.
type Fixed = FixedState;

/// Values by name.
pub(super) type ByHash<K, V> = HashMap<K, V, Fixed>;

/// Each of some things once, in order.
pub fn distinct<T: Hash + Ord>(things: impl Iterator<Item = T>) -> BTreeSet<T> {
    // One by one: to collect them would take memory for as many as there are, and few of them are distinct.
    let mut found = HashSet::<T, Fixed>::default();
    for thing in things {
        found.insert(thing);
    }
    found.into_iter().collect()
}

/// Values in the order of their names, which `own` makes of what they were found by.
pub(super) fn in_order<K, N: Ord, V>(values: ByHash<K, V>, own: impl Fn(K) -> N) -> BTreeMap<N, V> {
    values.into_iter().map(|(name, value)| (own(name), value)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_named_often_is_there_once_and_in_order() {
        assert!(distinct([3, 1, 3, 2, 1].into_iter()).into_iter().eq([1, 2, 3]));
        let mut last: ByHash<&str, u32> = ByHash::default();
        for (name, value) in [("b", 1), ("a", 2), ("b", 3)] {
            last.insert(name, value);
        }
        assert!(in_order(last, str::to_owned).into_iter().eq([("a".to_owned(), 2), ("b".to_owned(), 3)]));
    }
}
