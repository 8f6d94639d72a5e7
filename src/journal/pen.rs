//! Numbers and names as bytes, for the codec.

use super::codec::ENTRY_BYTES_MAX;
use crate::domain::{Credits, NAME_BYTES_MAX, Timestamp};

/// Writes an entry's parts one behind the other into a place that has room for any entry. Each is written with as many
/// bytes as it may have at the most, and the next one over what it did not need: what is always as long is written with few
/// instructions.
pub(super) struct Pen<'a> {
    place: &'a mut [u8; ENTRY_BYTES_MAX],
    at: usize,
}

/// The most bytes that a number below 2^56 takes, as all credits and times are.
const NUMBER_BYTES_MAX: usize = 8;

const _: () = assert!(Credits::MAX.micros() < 1 << 56 && Timestamp::MAX.millis() < 1 << 56);

impl<'a> Pen<'a> {
    pub fn new(place: &'a mut [u8; ENTRY_BYTES_MAX]) -> Self {
        Self { place, at: 0 }
    }

    /// How many bytes have been written.
    pub fn written(&self) -> usize {
        self.at
    }

    /// Writes with a function that answers how many bytes it wrote.
    pub fn name(&mut self, write: impl FnOnce(&mut [u8; NAME_BYTES_MAX]) -> usize) {
        let place = self.place[self.at..].first_chunk_mut().expect("the place has room for the largest of names");
        self.at += write(place);
    }

    pub fn byte(&mut self, byte: u8) {
        self.place[self.at] = byte;
        self.at += 1;
    }

    pub fn fingerprint(&mut self, number: u64) {
        self.put(number.to_le_bytes(), 8);
    }

    pub fn credits(&mut self, credits: Credits) {
        self.number(credits.micros().unsigned_abs());
    }

    pub fn time(&mut self, time: Timestamp) {
        self.number(time.millis().unsigned_abs());
    }

    /// LEB128 of a number below 2^56: seven bits of it go into each byte, all at once.
    fn number(&mut self, number: u64) {
        if number < 0x80 {
            return self.byte(number as u8);
        }
        let halves = (number & 0x0fff_ffff) | (number & 0x00ff_ffff_f000_0000) << 4;
        let quarters = (halves & 0x0000_3fff_0000_3fff) | (halves & 0x0fff_c000_0fff_c000) << 2;
        let sevens = (quarters & 0x007f_007f_007f_007f) | (quarters & 0x3f80_3f80_3f80_3f80) << 1;
        let length = (70 - number.leading_zeros() as usize) / 7;
        let goes_on = 0x8080_8080_8080_8080 & ((1 << (8 * length - 1)) - 1);
        self.put((sevens | goes_on).to_le_bytes(), length);
    }

    fn put(&mut self, bytes: [u8; NUMBER_BYTES_MAX], length: usize) {
        self.place[self.at..self.at + NUMBER_BYTES_MAX].copy_from_slice(&bytes);
        self.at += length;
    }
}
