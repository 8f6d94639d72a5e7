//! Things that stand in line, each at its place: who comes goes to the end, who leaves leaves from the front. However long
//! it grows, no step moves more than a few of them, so that nobody waits for the line to be copied.

use std::collections::VecDeque;

use super::fetch::{LINE_BYTES, fetch};

/// Things that are moved together at the most.
const CHUNK: usize = 512;

/// The highest place.
const PLACE_MAX: u32 = u32::MAX >> 1;

/// A line of fewer than 2^31 things: who counts places may have a bit beside.
#[derive(Debug)]
pub(super) struct Line<T> {
    /// Chunks behind which there is another; all but the first are whole.
    full: VecDeque<VecDeque<T>>,
    last: VecDeque<T>,
    /// The place of the first thing. Places are counted on past [`PLACE_MAX`], from zero again.
    first: u32,
    len: usize,
}

impl<T> Default for Line<T> {
    fn default() -> Self {
        Self { full: VecDeque::new(), last: VecDeque::new(), first: 0, len: 0 }
    }
}

impl<T> Line<T> {
    /// Puts a thing at the end; answers its place.
    pub fn push(&mut self, thing: T) -> u32 {
        if self.last.len() == CHUNK {
            // Where so many came, as many more are likely to come: what grows is copied.
            let next = VecDeque::with_capacity(CHUNK);
            self.full.push_back(std::mem::replace(&mut self.last, next));
        }
        make_room(&mut self.last);
        self.last.push_back(thing);
        let place = self.first.wrapping_add(self.len as u32) & PLACE_MAX;
        self.len += 1;
        place
    }

    /// Asks for the memory that the next thing comes to.
    #[inline]
    pub fn fetch_end(&self) {
        if let Some(last) = self.last.back() {
            fetch(last, 2 * size_of::<T>() + LINE_BYTES);
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is a thing at a place.
    #[inline]
    pub fn is_here(&self, place: u32) -> bool {
        self.after_first(place) < self.len
    }

    /// The first thing and its place.
    pub fn first(&self) -> Option<(u32, &T)> {
        let thing = self.full.front().unwrap_or(&self.last).front();
        thing.map(|thing| (self.first, thing))
    }

    /// Takes the first thing away.
    pub fn pop(&mut self) -> Option<T> {
        let thing = match self.full.front_mut() {
            None => self.last.pop_front()?,
            Some(chunk) => {
                let thing = chunk.pop_front();
                if chunk.is_empty() {
                    self.full.pop_front();
                }
                thing?
            }
        };
        self.first = self.first.wrapping_add(1) & PLACE_MAX;
        self.len -= 1;
        Some(thing)
    }

    /// The thing at a place.
    pub fn get(&self, place: u32) -> Option<&T> {
        let (chunk, at) = self.find(place)?;
        self.full.get(chunk).unwrap_or(&self.last).get(at)
    }

    /// The thing at a place, to change it.
    pub fn get_mut(&mut self, place: u32) -> Option<&mut T> {
        let (chunk, at) = self.find(place)?;
        self.full.get_mut(chunk).unwrap_or(&mut self.last).get_mut(at)
    }

    /// How many places after the first one is.
    #[inline]
    fn after_first(&self, place: u32) -> usize {
        (place.wrapping_sub(self.first) & PLACE_MAX) as usize
    }

    /// The chunk of a place, where the last one comes after all that are full, and the place in it; `None`: nothing is there any more.
    fn find(&self, place: u32) -> Option<(usize, usize)> {
        debug_assert!(place <= PLACE_MAX, "{place} is one of a line");
        let at = self.after_first(place);
        if at >= self.len {
            return None;
        }
        Some(match self.full.front().map(VecDeque::len) {
            None => (0, at),
            Some(first) if at < first => (0, at),
            Some(first) => (1 + (at - first) / CHUNK, (at - first) % CHUNK),
        })
    }
}

/// Makes room for one more and a quarter of what is there: most lines are short, and doubling would leave up to half of
/// their memory without use. More than of members (`numbered.rs`), for a line is filled by draws, which wait meanwhile.
fn make_room<T>(things: &mut VecDeque<T>) {
    if things.len() == things.capacity() {
        things.reserve_exact(things.len() / 4 + 4);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thing_stays_at_its_place_until_it_leaves() {
        let mut line = Line { first: PLACE_MAX - 700, ..Line::default() };
        let places: Vec<_> = (0..2_000).map(|number| line.push(number)).collect();
        for gone in 0..2_000 {
            assert_eq!(line.first(), Some((places[gone], &gone)));
            for number in [gone, gone + 1, gone + CHUNK - 1, gone + CHUNK, 1_999] {
                assert_eq!(line.get(places[number.min(1_999)]), Some(&number.min(1_999)));
            }
            assert_eq!(line.get_mut((places[1_999] + 1) & PLACE_MAX), None);
            assert_eq!(line.pop(), Some(gone));
            assert_eq!(line.get(places[gone]), None, "what has left is nobody else");
        }
        assert_eq!(line.pop(), None);
    }
}
