//! When, and under which numbers, the operations of a line were entered, in 32 bits each: those that stand in line together
//! were entered within some weeks and some milliards of entries of each other.

use crate::domain::Timestamp;

/// So much less than one before it may one that comes later be: teams draw on several books, whose times differ.
const SLACK: u64 = 1 << 30;

/// The times and numbers of what stands in a line, or has stood there.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Span {
    at: Range,
    seq: Range,
}

impl Span {
    /// Of the first that comes.
    pub fn of(at: Timestamp, seq: u64) -> Self {
        Self { at: Range::of(millis(at)), seq: Range::of(seq) }
    }

    /// A time and a number of one that comes to the line's end, as they are kept. `None`: they are too far from those of the
    /// others to be told from that.
    #[inline]
    pub fn note(&mut self, at: Timestamp, seq: u64) -> Option<(u32, u32)> {
        let (at, seq) = (millis(at), seq);
        let kept = self.at.keep(at).zip(self.seq.keep(seq))?;
        (self.at.last, self.seq.last) = (self.at.last.max(at), self.seq.last.max(seq));
        Some(kept)
    }

    /// The time and the number that were kept so.
    #[inline]
    pub fn tell(&self, (at, seq): (u32, u32)) -> (Timestamp, u64) {
        let at = Timestamp::from_millis(self.at.tell(at) as i64).expect("it was a time when it came");
        (at, self.seq.tell(seq))
    }

    /// Takes note of the first in line that is kept so: what comes may lie as far behind it.
    pub fn begin(&mut self, at: Timestamp, seq: u64) {
        self.at.begin(millis(at));
        self.seq.begin(seq);
    }
}

fn millis(at: Timestamp) -> u64 {
    at.millis() as u64
}

/// Values of which the upper bits need not be kept.
#[derive(Clone, Copy, Debug, Default)]
struct Range {
    /// None is lower, and none lies 2^32 above it or more.
    base: u64,
    /// The highest.
    last: u64,
}

impl Range {
    fn of(value: u64) -> Self {
        Self { base: value.saturating_sub(SLACK), last: value }
    }

    #[inline]
    fn keep(&self, value: u64) -> Option<u32> {
        let is_near = value.saturating_add(SLACK) >= self.last && value.wrapping_sub(self.base) <= u64::from(u32::MAX);
        is_near.then_some(value as u32)
    }

    #[inline]
    fn tell(&self, kept: u32) -> u64 {
        self.base + u64::from(kept.wrapping_sub(self.base as u32))
    }

    /// All that came after `first` are no more than the slack below it: see [`Range::keep`].
    fn begin(&mut self, first: u64) {
        self.base = self.base.max(first.saturating_sub(SLACK));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use rand::{RngExt, SeedableRng, rngs::StdRng};

    use super::*;

    #[test]
    fn what_is_kept_is_told_as_it_was_while_it_stands_in_line() {
        let mut random = StdRng::seed_from_u64(0x5BA9);
        let (mut near, mut far) = (0, 0);
        let (mut now, mut seq) = (1_795_000_000_000_i64, 7_u64);
        let (mut line, mut span) = (VecDeque::new(), Span::default());
        for step in 0..200_000 {
            // Some days pass, or a second, or a clock is set back; and some hundred million entries.
            now += [1_000, 3 << 27, -(1 << 29), -(1 << 31), 1 << 32]
                [[0, 1, 1, 0, 2, 0, 3, 1, 0, 4][random.random_range(0..10)]];
            now = now.max(0);
            seq += random.random_range(0..1 << 28);
            let at = Timestamp::from_millis(now % Timestamp::MAX.millis()).expect("1970 to 9999");
            if line.is_empty() {
                span = Span::of(at, seq);
            }
            match span.note(at, seq) {
                Some(kept) => {
                    line.push_back((kept, (at, seq)));
                    near += 1;
                }
                None => far += 1,
            }
            line.iter().for_each(|(kept, told)| assert_eq!(span.tell(*kept), *told, "step {step}"));
            while line.len() > random.random_range(0..8) {
                line.pop_front();
                line.front().into_iter().for_each(|(_, (at, seq))| span.begin(*at, *seq));
            }
        }
        assert!(near > 50_000 && far > 50_000, "{near} are near and {far} far");
    }
}
