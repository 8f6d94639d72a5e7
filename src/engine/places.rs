//! Where the thing of each key is, by a number that whoever has the things gave it. The keys are with the things; here are 32 bits
//! of them, so that whoever looks for a key that is not there looks at one place in memory, and no thing is looked for to move places about.
//! The things need not have these bits.
//!
//! A thing that leaves leaves its place here, which means nothing any more and is used again: to take it back would
//! be to look for it. It grows part by part: a table that doubled as a whole would make one caller wait while millions of places move.

use smallvec::{SmallVec, smallvec};

use super::fetch::fetch;
use super::keys::Key;

/// How many places of things that are in the line a part has on average before one of the parts is split in two.
const PART: usize = 512;

/// Places by key.
#[derive(Debug)]
pub(super) struct Places {
    /// Never empty.
    parts: SmallVec<[Part; 1]>,
    /// The bits that number the parts; some of the numbers may not be there yet.
    mask: usize,
}

impl Default for Places {
    fn default() -> Self {
        Self { parts: smallvec![Part::default()], mask: 0 }
    }
}

/// Places, each as near behind where its mark points to as there was room.
#[derive(Debug, Default)]
struct Part {
    /// Some always vacant; or none.
    slots: Box<[Slot]>,
    /// How many of them are not vacant.
    taken: usize,
}

/// A place with its key's mark before it, or one that no thing has: vacant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Slot(u64);

impl Slot {
    const VACANT: Self = Self(u64::MAX);

    #[inline]
    fn new(mark: u32, place: u32) -> Self {
        Self(u64::from(mark) << 32 | u64::from(place))
    }

    #[inline]
    fn mark(self) -> u32 {
        (self.0 >> 32) as u32
    }

    #[inline]
    fn place(self) -> u32 {
        self.0 as u32
    }
}

/// A part of a key's hash: its lower bits say in which part, its higher ones where in that.
#[inline]
fn mark(key: Key) -> u32 {
    key as u32
}

impl Places {
    /// The place of a key, as `is_it` says of places that may be.
    #[inline]
    pub fn find(&self, key: Key, is_it: impl Fn(u32) -> bool) -> Option<u32> {
        let mark = mark(key);
        self.parts[self.part(mark)].find(mark, is_it)
    }

    /// Asks for the memory in which a key's place is looked for.
    #[inline]
    pub fn fetch(&self, key: Key) {
        let mark = mark(key);
        if let Some(slot) = self.parts[self.part(mark)].first(mark) {
            fetch(slot, size_of_val(slot));
        }
    }

    /// The thing of a key has left the place `from` and is at `to`.
    pub fn change(&mut self, key: Key, from: u32, to: u32) {
        let mark = mark(key);
        let part = self.part(mark);
        self.parts[part].change(Slot::new(mark, from), Slot::new(mark, to));
    }

    /// Adds the place of a key that has none, where there are `len` things with it, at places of which `is_here` says yes;
    /// none is at [`u32::MAX`].
    #[inline]
    pub fn add(&mut self, key: Key, place: u32, len: usize, is_here: impl Fn(u32) -> bool) {
        if len > self.parts.len() * PART {
            self.split(&is_here);
        }
        let slot = Slot::new(mark(key), place);
        let part = self.part(slot.mark());
        self.parts[part].add(slot, is_here);
    }

    /// Splits the next part in turn: those go into the new part whose mark has one more bit set.
    fn split(&mut self, is_here: impl Fn(u32) -> bool) {
        let new = self.parts.len();
        let old = new - (new + 1).next_power_of_two() / 2;
        self.parts.push(Part::default());
        self.mask = self.parts.len().next_power_of_two() - 1;
        let split = std::mem::take(&mut self.parts[old]);
        let (moves, stays) = split.here(is_here).partition::<Vec<_>, _>(|slot| self.part(slot.mark()) == new);
        (self.parts[old], self.parts[new]) = (Part::of(&stays), Part::of(&moves));
    }

    /// The part of a mark: as many bits as number the parts, without the highest where there is no such part yet.
    #[inline]
    fn part(&self, mark: u32) -> usize {
        let part = mark as usize & self.mask;
        if part < self.parts.len() { part } else { part & (self.mask >> 1) }
    }
}

impl Part {
    /// With these, and room for more.
    fn of(slots: &[Slot]) -> Self {
        let mut part = Self { slots: vec![Slot::VACANT; room_for(slots.len())].into(), taken: 0 };
        slots.iter().for_each(|&slot| part.put(slot, |_| true));
        part
    }

    /// Where a mark points to: as far from the first slot to the end as the mark is from zero to 2^32.
    #[inline]
    fn home(&self, mark: u32) -> usize {
        ((u64::from(mark) * self.slots.len() as u64) >> 32) as usize
    }

    #[inline]
    fn after(&self, at: usize) -> usize {
        if at + 1 < self.slots.len() { at + 1 } else { 0 }
    }

    #[inline]
    fn first(&self, mark: u32) -> Option<&Slot> {
        self.slots.get(self.home(mark))
    }

    #[inline]
    fn find(&self, mark: u32, is_it: impl Fn(u32) -> bool) -> Option<u32> {
        let mut at = self.home(mark);
        while let Some(&slot) = self.slots.get(at)
            && slot != Slot::VACANT
        {
            if slot.mark() == mark && is_it(slot.place()) {
                return Some(slot.place());
            }
            at = self.after(at);
        }
        None
    }

    fn change(&mut self, from: Slot, to: Slot) {
        let mut at = self.home(from.mark());
        while self.slots[at] != from {
            assert!(self.slots[at] != Slot::VACANT, "a place stays here until its thing has left");
            at = self.after(at);
        }
        self.slots[at] = to;
    }

    #[inline]
    fn add(&mut self, slot: Slot, is_here: impl Fn(u32) -> bool) {
        if 4 * (self.taken + 1) > 3 * self.slots.len() {
            let here: Vec<_> = std::mem::take(self).here(&is_here).collect();
            *self = Self::of(&here);
        }
        self.put(slot, is_here);
    }

    /// Puts a slot where one is vacant, or what it names has left.
    #[inline]
    fn put(&mut self, slot: Slot, is_here: impl Fn(u32) -> bool) {
        let mut at = self.home(slot.mark());
        while self.slots[at] != Slot::VACANT && is_here(self.slots[at].place()) {
            at = self.after(at);
        }
        self.taken += usize::from(self.slots[at] == Slot::VACANT);
        self.slots[at] = slot;
    }

    /// Slots that name what is in the line.
    fn here(self, is_here: impl Fn(u32) -> bool) -> impl Iterator<Item = Slot> {
        let taken = self.slots.into_iter().filter(|&slot| slot != Slot::VACANT);
        taken.filter(move |slot| is_here(slot.place()))
    }
}

/// How many slots are made for so many that are taken: half of them at the most, so that as many as a half more come before
/// the next time.
fn room_for(taken: usize) -> usize {
    taken * 2 + 4
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key_of(place: u32) -> Key {
        // As those of a hash are.
        let half =
            |of: u64| (of + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_right(29).wrapping_mul(0xF39C_C060_5CED_C835);
        Key::from(half(place.into()).rotate_right(32))
    }

    fn find(places: &Places, key: u32, first: u32) -> Option<u32> {
        places.find(key_of(key), |place| place >= first && key_of(place) == key_of(key))
    }

    #[test]
    fn every_key_is_found_while_the_parts_split() {
        let mut places = Places::default();
        for place in 0..10 * PART as u32 {
            places.add(key_of(place), place, place as usize + 1, |_| true);
            assert_eq!(find(&places, place / 2, 0), Some(place / 2));
        }
        assert!(places.parts.len() > 5, "{} parts", places.parts.len());
        for place in 0..10 * PART as u32 {
            assert_eq!(find(&places, place, 0), Some(place));
        }
        assert_eq!(find(&places, 10 * PART as u32, 0), None);
    }

    #[test]
    fn what_left_is_not_found_and_its_room_is_used_again() {
        let (mut places, len) = (Places::default(), 350_u32);
        for place in 0..100 * len {
            let first = place.saturating_sub(len - 1);
            places.add(key_of(place), place, len as usize, |other| other >= first);
            assert_eq!(find(&places, first, first), Some(first));
            assert_eq!(find(&places, place, first), Some(place));
            assert_eq!(first.checked_sub(1).and_then(|gone| find(&places, gone, first)), None);
        }
        assert_eq!(places.parts.len(), 1);
        let slots = &places.parts[0].slots;
        assert!(slots.len() <= room_for(len as usize), "{} slots", slots.len());
        let taken = slots.iter().filter(|&&slot| slot != Slot::VACANT).count();
        assert_eq!(taken, places.parts[0].taken);
        assert!(4 * taken <= 3 * slots.len(), "{taken} of {}", slots.len());
    }

    #[test]
    fn what_is_elsewhere_is_found_there() {
        let (mut places, count) = (Places::default(), 5 * PART as u32);
        for place in 0..count {
            places.add(key_of(place), place, place as usize + 1, |_| true);
            // Half of those before are elsewhere by now, and their first places are others'.
            if place % 2 == 0 {
                places.change(key_of(place / 2), place / 2, place / 2 + count);
            }
        }
        for place in 0..count {
            let is = if place < count / 2 { place + count } else { place };
            assert_eq!(places.find(key_of(place), |at| at % count == place), Some(is));
        }
    }
}
