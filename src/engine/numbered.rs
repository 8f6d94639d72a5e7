//! Distinct things, numbered in the order in which they came, and found by what they are. Nothing is taken out.

use std::hash::{BuildHasher, Hash};

use foldhash::fast::RandomState;

use super::fetch::fetch;

/// Each thing lies here once; the table beside it has but numbers, and a part of hashes that nobody outside can foresee.
#[derive(Clone, Debug)]
pub struct Numbered<T> {
    things: Vec<T>,
    /// As many as a power of two, or none. Who looks for a thing looks at one place in memory: each slot has a number in its
    /// lower bits, as many as number the slots, and above them those of the thing's hash.
    slots: Box<[u32]>,
    random: RandomState,
}

/// A slot without a number: there are fewer numbers than slots.
const VACANT: u32 = u32::MAX;

impl<T> Default for Numbered<T> {
    fn default() -> Self {
        Self { things: Vec::new(), slots: Box::default(), random: RandomState::default() }
    }
}

impl<T: Hash + Eq> Numbered<T> {
    /// The number of a thing that is here.
    #[inline]
    pub fn find(&self, thing: &T) -> Option<u32> {
        self.find_hashed(thing, self.random.hash_one(thing))
    }

    #[inline]
    fn find_hashed(&self, thing: &T, hash: u64) -> Option<u32> {
        self.find_by(hash, |number| self[number] == *thing)
    }

    /// The first number of a thing of this hash of which `is_it` says so.
    #[inline]
    fn find_by(&self, hash: u64, is_it: impl Fn(u32) -> bool) -> Option<u32> {
        let mask = self.slots.len().wrapping_sub(1);
        let (mut at, numbers) = (hash as usize & mask, mask as u32);
        while let Some(&slot) = self.slots.get(at)
            && slot != VACANT
        {
            if (slot ^ mark(hash)) & !numbers == 0 && is_it(slot & numbers) {
                return Some(slot & numbers);
            }
            at = (at + 1) & mask;
        }
        None
    }

    /// Asks for the memory in which a thing's number is looked for.
    pub fn fetch(&self, thing: &T) {
        let mask = self.slots.len().wrapping_sub(1);
        if let Some(slot) = self.slots.get(self.random.hash_one(thing) as usize & mask) {
            fetch(slot, size_of_val(slot));
        }
    }

    /// The number that a thing has, if it is here: of one that is, nearly always that.
    pub fn likely(&self, thing: &T) -> Option<u32> {
        self.find_by(self.random.hash_one(thing), |_| true)
    }

    /// The number of a thing, which is from now on here, and whether it is new.
    pub fn number(&mut self, thing: &T) -> (u32, bool)
    where
        T: Clone,
    {
        let hash = self.random.hash_one(thing);
        if let Some(number) = self.find_hashed(thing, hash) {
            return (number, false);
        }
        let number = self.things.len();
        make_room(&mut self.things);
        self.things.push(thing.clone());
        if slots_for(self.things.len()) > self.slots.len() {
            self.make_slots(self.things.len());
        } else {
            self.put(number, hash);
        }
        (number as u32, true)
    }

    /// Makes room for so many more, and no other.
    pub fn reserve(&mut self, more: usize) {
        self.things.reserve_exact(more);
        if slots_for(self.things.len() + more) > self.slots.len() {
            self.make_slots(self.things.len() + more);
        }
    }

    /// Makes slots for so many things, and puts those in that are here.
    fn make_slots(&mut self, things: usize) {
        let slots = slots_for(things);
        assert!(u32::try_from(slots).is_ok(), "fewer things than memory has room for");
        self.slots = vec![VACANT; slots].into();
        for number in 0..self.things.len() {
            self.put(number, self.random.hash_one(&self.things[number]));
        }
    }

    /// Puts the number of a thing of this hash into its slot, or the next that is vacant.
    fn put(&mut self, number: usize, hash: u64) {
        let mask = self.slots.len() - 1;
        let mut at = hash as usize & mask;
        while self.slots[at] != VACANT {
            at = (at + 1) & mask;
        }
        self.slots[at] = mark(hash) & !(mask as u32) | number as u32;
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

/// What of a hash stands in a slot.
#[inline]
fn mark(hash: u64) -> u32 {
    (hash >> 32) as u32
}

/// How many slots so many things have: four of five are taken at the most.
fn slots_for(things: usize) -> usize {
    (things + things / 4 + 1).next_power_of_two()
}

/// Makes room for one more and an eighth of what is there: doubling would leave up to half of the memory
/// of millions of members without use.
pub(super) fn make_room<T>(things: &mut Vec<T>) {
    if things.len() == things.capacity() {
        things.reserve_exact(things.len() / 8 + 4);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_thing_has_its_number_however_many_come() {
        let mut numbered = Numbered::default();
        assert_eq!(numbered.find(&0), None);
        numbered.reserve(100);
        for thing in 0..10_000_u64 {
            assert_eq!(numbered.number(&thing), (thing as u32, true));
            assert_eq!(numbered.number(&(thing / 2)), (thing as u32 / 2, false));
            assert_eq!(numbered.find(&(thing + 1)), None);
        }
        assert!(numbered.slots.len() >= 12_500, "{} slots", numbered.slots.len());
    }
}
