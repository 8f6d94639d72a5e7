//! Distinct things, numbered in the order in which they came, and found by what they are. Nothing is taken out.

use std::hash::{BuildHasher, Hash};

use foldhash::fast::RandomState;
use hashbrown::HashTable;

/// Each thing lies here once; the table beside it has but numbers, and hashes that nobody outside can foresee.
#[derive(Clone, Debug)]
pub struct Numbered<T> {
    things: Vec<T>,
    numbers: HashTable<u32>,
    random: RandomState,
}

impl<T> Default for Numbered<T> {
    fn default() -> Self {
        Self { things: Vec::new(), numbers: HashTable::new(), random: RandomState::default() }
    }
}

impl<T: Hash + Eq> Numbered<T> {
    /// The number of a thing that is here.
    pub fn find(&self, thing: &T) -> Option<u32> {
        let is_it = |&number: &u32| self[number] == *thing;
        self.numbers.find(self.random.hash_one(thing), is_it).copied()
    }

    /// The number of a thing, which is from now on here, and whether it is new.
    pub fn number(&mut self, thing: &T) -> (u32, bool)
    where
        T: Clone,
    {
        if let Some(number) = self.find(thing) {
            return (number, false);
        }
        let number = u32::try_from(self.things.len()).expect("fewer things than memory has room for");
        make_room(&mut self.things);
        self.things.push(thing.clone());
        let hash = |&number: &u32| self.random.hash_one(&self.things[number as usize]);
        self.numbers.insert_unique(self.random.hash_one(thing), number, hash);
        (number, true)
    }

    /// Makes room for so many more, and no other.
    pub fn reserve(&mut self, more: usize) {
        self.things.reserve_exact(more);
        self.numbers.reserve(more, |&number| self.random.hash_one(&self.things[number as usize]));
    }

    /// All of them, by number.
    pub fn as_slice(&self) -> &[T] {
        &self.things
    }
}

impl<T> std::ops::Index<u32> for Numbered<T> {
    type Output = T;

    fn index(&self, number: u32) -> &T {
        &self.things[number as usize]
    }
}

/// Makes room for one more and an eighth of what is there: doubling would leave up to half of the memory
/// of millions of members without use.
pub(super) fn make_room<T>(things: &mut Vec<T>) {
    if things.len() == things.capacity() {
        things.reserve_exact(things.len() / 8 + 4);
    }
}
