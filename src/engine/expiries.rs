//! Which open hold expires next: a heap of times and numbers, whose holders know where in it they are.

use super::numbered::make_room;
use crate::domain::Timestamp;

/// Children of one place: they lie in one line of the processor's cache.
const CHILDREN: usize = 4;

/// When a hold expires, and its number: twelve bytes, where a time of eight would make it sixteen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Turn {
    at: [u32; 2],
    number: u32,
}

impl Turn {
    fn new(at: Timestamp, number: u32) -> Self {
        let millis = at.millis() as u64;
        Self { at: [(millis >> 32) as u32, millis as u32], number }
    }

    fn at(self) -> Timestamp {
        let [high, low] = self.at.map(i64::from);
        Timestamp::from_millis(high << 32 | low).expect("it was a time when it came")
    }
}

/// The expiries of holds, each at a place that changes while others come and go: whoever changes them is told of each hold's
/// number and its place from then on, so that none need be looked for.
#[derive(Debug, Default)]
pub(super) struct Expiries(Vec<Turn>);

impl Expiries {
    /// The first to expire: when, and its number.
    pub fn first(&self) -> Option<(Timestamp, u32)> {
        self.0.first().map(|turn| (turn.at(), turn.number))
    }

    /// When the one at a place expires.
    pub fn at(&self, place: u32) -> Timestamp {
        self.0[place as usize].at()
    }

    /// Adds one.
    pub fn add(&mut self, at: Timestamp, number: u32, moved: impl FnMut(u32, u32)) {
        make_room(&mut self.0);
        self.0.push(Turn::new(at, number));
        self.rise(self.0.len() - 1, moved);
    }

    /// Takes the one at a place out.
    pub fn remove(&mut self, place: u32, moved: impl FnMut(u32, u32)) {
        let place = place as usize;
        self.0.swap_remove(place);
        if place < self.0.len() {
            self.settle(place, moved);
        }
    }

    /// The one at a place expires then instead.
    pub fn change(&mut self, place: u32, at: Timestamp, moved: impl FnMut(u32, u32)) {
        let turn = &mut self.0[place as usize];
        *turn = Turn::new(at, turn.number);
        self.settle(place as usize, moved);
    }

    /// Moves the one at a place to where it belongs.
    fn settle(&mut self, place: usize, moved: impl FnMut(u32, u32)) {
        match place > 0 && self.0[place] < self.0[(place - 1) / CHILDREN] {
            true => self.rise(place, moved),
            false => self.sink(place, moved),
        }
    }

    fn rise(&mut self, mut place: usize, mut moved: impl FnMut(u32, u32)) {
        let turn = self.0[place];
        while place > 0
            && let above = (place - 1) / CHILDREN
            && turn < self.0[above]
        {
            self.set(place, self.0[above], &mut moved);
            place = above;
        }
        self.set(place, turn, &mut moved);
    }

    fn sink(&mut self, mut place: usize, mut moved: impl FnMut(u32, u32)) {
        let turn = self.0[place];
        while let Some(below) = self.least_below(place)
            && self.0[below] < turn
        {
            self.set(place, self.0[below], &mut moved);
            place = below;
        }
        self.set(place, turn, &mut moved);
    }

    /// Which of those below a place expires first.
    fn least_below(&self, place: usize) -> Option<usize> {
        let first = place * CHILDREN + 1;
        (first..self.0.len().min(first + CHILDREN)).min_by_key(|&below| self.0[below])
    }

    fn set(&mut self, place: usize, turn: Turn, moved: &mut impl FnMut(u32, u32)) {
        self.0[place] = turn;
        moved(turn.number, place as u32);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use rand::{RngExt, SeedableRng, rngs::StdRng};

    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis).expect("1970 to 9999")
    }

    #[test]
    fn the_first_to_expire_is_first_whoever_comes_goes_or_is_extended() {
        let mut random = StdRng::seed_from_u64(0xE817);
        let (mut expiries, mut places) = (Expiries::default(), BTreeMap::new());
        let (mut model, mut next) = (BTreeSet::new(), 0);
        for step in 0..30_000 {
            // Times on both sides of where their upper half changes.
            let when = at((1 << 32) + random.random_range(-200..200));
            let mut moved = |number, place| _ = places.insert(number, place);
            let grows = step / 1_000 % 2 == 0;
            let some =
                (!model.is_empty()).then(|| *model.iter().nth(random.random_range(0..model.len())).expect("is there"));
            match (some, random.random_range(0..5)) {
                (Some((was, number)), 0) => {
                    expiries.change(places[&number], when, |number, place| _ = places.insert(number, place));
                    model.remove(&(was, number));
                    model.insert((when, number));
                }
                (Some(one), choice) if (choice < 2) == grows => {
                    let place = places.remove(&one.1).expect("has a place");
                    expiries.remove(place, |number, place| _ = places.insert(number, place));
                    model.remove(&one);
                }
                _ => {
                    expiries.add(when, next, &mut moved);
                    model.insert((when, next));
                    next += 1;
                }
            }
            assert_eq!(expiries.first(), model.first().copied(), "step {step}");
            assert_eq!(places.len(), model.len());
            if step % 100 == 0 {
                model.iter().for_each(|(when, number)| assert_eq!(expiries.at(places[number]), *when));
            }
        }
        assert!(next > 5_000, "{next} came");
    }
}
