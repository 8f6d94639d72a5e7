//! Things that stand in line, each at its place: who comes goes to the end, who leaves leaves from the front. However long
//! it grows, no step moves more than a few of them, so that nobody waits for the line to be copied.

use std::collections::VecDeque;

/// Things that are moved together at the most.
const CHUNK: usize = 512;

/// A line of fewer than 2^32 things.
#[derive(Debug)]
pub(super) struct Line<T> {
    /// Chunks behind which there is another; all but the first are whole.
    full: VecDeque<VecDeque<T>>,
    last: VecDeque<T>,
    /// The place of the first thing. Places are counted on past 2^32, from zero again.
    first: u32,
}

impl<T> Default for Line<T> {
    fn default() -> Self {
        Self { full: VecDeque::new(), last: VecDeque::new(), first: 0 }
    }
}

impl<T> Line<T> {
    /// Puts a thing at the end; answers its place.
    pub fn push(&mut self, thing: T) -> u32 {
        if self.last.len() == CHUNK {
            self.full.push_back(std::mem::take(&mut self.last));
        }
        self.last.push_back(thing);
        self.first.wrapping_add(self.len() as u32 - 1)
    }

    /// The first thing and its place.
    pub fn first(&self) -> Option<(u32, &T)> {
        let thing = self.full.front().unwrap_or(&self.last).front();
        thing.map(|thing| (self.first, thing))
    }

    /// Takes the first thing away.
    pub fn pop(&mut self) -> Option<T> {
        let Some(chunk) = self.full.front_mut() else {
            let thing = self.last.pop_front()?;
            self.first = self.first.wrapping_add(1);
            return Some(thing);
        };
        let thing = chunk.pop_front();
        if chunk.is_empty() {
            self.full.pop_front();
        }
        self.first = self.first.wrapping_add(1);
        thing
    }

    /// The thing at a place.
    pub fn get(&self, place: u32) -> Option<&T> {
        let (chunk, at) = self.find(place);
        self.full.get(chunk).unwrap_or(&self.last).get(at)
    }

    /// The thing at a place, to change it.
    pub fn get_mut(&mut self, place: u32) -> Option<&mut T> {
        let (chunk, at) = self.find(place);
        self.full.get_mut(chunk).unwrap_or(&mut self.last).get_mut(at)
    }

    /// The chunk of a place, where the last one comes after all that are full, and the place in it.
    fn find(&self, place: u32) -> (usize, usize) {
        let at = place.wrapping_sub(self.first) as usize;
        match self.full.front().map(VecDeque::len) {
            None => (0, at),
            Some(first) if at < first => (0, at),
            Some(first) => (1 + (at - first) / CHUNK, (at - first) % CHUNK),
        }
    }

    fn len(&self) -> usize {
        let full = self.full.front().map_or(0, |first| first.len() + (self.full.len() - 1) * CHUNK);
        full + self.last.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thing_stays_at_its_place_until_it_leaves() {
        let mut line = Line { first: u32::MAX - 700, ..Line::default() };
        let places: Vec<_> = (0..2_000).map(|number| line.push(number)).collect();
        for gone in 0..2_000 {
            assert_eq!(line.first(), Some((places[gone], &gone)));
            for number in [gone, gone + 1, gone + CHUNK - 1, gone + CHUNK, 1_999] {
                assert_eq!(line.get(places[number.min(1_999)]), Some(&number.min(1_999)));
            }
            assert_eq!(line.get_mut(places[1_999].wrapping_add(1)), None);
            assert_eq!(line.pop(), Some(gone));
        }
        assert_eq!(line.pop(), None);
    }
}
