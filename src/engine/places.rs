//! Where in a line the thing of each key stands. It grows part by part: a map that doubled as a whole would make one caller
//! wait while millions of places move.

use hashbrown::HashTable;
use smallvec::{SmallVec, smallvec};

use super::known::Key;

/// How many places a part has on average before one of the parts is split in two.
const PART: usize = 1_024;

/// Places by key. The keys themselves stand in the line.
#[derive(Debug)]
pub(super) struct Places {
    /// Never empty.
    parts: SmallVec<[HashTable<u32>; 1]>,
    len: usize,
}

impl Default for Places {
    fn default() -> Self {
        Self { parts: smallvec![HashTable::new()], len: 0 }
    }
}

impl Places {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// The place of a key.
    pub fn find(&self, key: Key, key_at: impl Fn(u32) -> Option<Key>) -> Option<u32> {
        let is_it = |&place: &u32| key_at(place) == Some(key);
        self.parts[self.part(key)].find(hash(key), is_it).copied()
    }

    /// Adds the place of a key that has none.
    pub fn add(&mut self, key: Key, place: u32, key_at: impl Fn(u32) -> Option<Key>) {
        let key_at = |place| key_at(place).expect("a place is taken back before its thing leaves");
        if self.len == self.parts.len() * PART {
            self.split(key_at);
        }
        let part = self.part(key);
        self.parts[part].insert_unique(hash(key), place, |&place| hash(key_at(place)));
        self.len += 1;
    }

    /// Takes the place of a key back; whether it was there.
    pub fn remove(&mut self, key: Key, place: u32) -> bool {
        let part = self.part(key);
        let found = self.parts[part].find_entry(hash(key), |&other| other == place);
        let was_there = found.map(|found| found.remove()).is_ok();
        self.len -= usize::from(was_there);
        was_there
    }

    /// Splits the next part in turn: those of its keys go into the new part that have one more bit set.
    fn split(&mut self, key_at: impl Fn(u32) -> Key) {
        let new = self.parts.len();
        let old = new - (new + 1).next_power_of_two() / 2;
        self.parts.push(HashTable::new());
        let mut moved = HashTable::new();
        let mut stays = std::mem::take(&mut self.parts[old]);
        stays.retain(|&mut place| {
            let key = key_at(place);
            let is_moved = self.part(key) == new;
            if is_moved {
                moved.insert_unique(hash(key), place, |&place| hash(key_at(place)));
            }
            !is_moved
        });
        (self.parts[old], self.parts[new]) = (stays, moved);
    }

    /// The part of a key: as many lower bits as number the parts, without the highest where there is no such part yet.
    fn part(&self, key: Key) -> usize {
        let mask = self.parts.len().next_power_of_two() - 1;
        let part = (key >> 64) as usize & mask;
        if part < self.parts.len() { part } else { part & (mask >> 1) }
    }
}

fn hash(key: Key) -> u64 {
    key as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_found_while_the_parts_split() {
        // Halves far from each other, as those of a hash are.
        let key_of = |place: u32| Key::from(place).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835) ^ 1 << 70;
        let at = |place| Some(key_of(place));
        let mut places = Places::default();
        for place in 0..10 * PART as u32 {
            places.add(key_of(place), place, at);
            assert_eq!(places.find(key_of(place / 2), at), Some(place / 2));
        }
        assert!(places.parts.len() > 5, "{} parts", places.parts.len());
        for place in 0..10 * PART as u32 {
            assert!(places.remove(key_of(place), place));
            assert!(!places.remove(key_of(place), place));
            assert_eq!(places.find(key_of(place), at), None);
        }
        assert_eq!(places.len(), 0);
    }
}
