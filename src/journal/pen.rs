//! Numbers and names as bytes, for the codec.

use super::codec::ENTRY_BYTES_MAX;
use crate::domain::{Credits, NAME_BYTES_MAX, Timestamp};

/// Writes an entry's parts one behind the other into a place that has room for any entry. A name is written with as many
/// bytes as it may have at the most, and what follows over what it did not need: what is always as long is written with few
/// instructions.
pub(super) struct Pen<'a> {
    place: &'a mut [u8; ENTRY_BYTES_MAX],
    at: usize,
}

impl<'a> Pen<'a> {
    pub fn new(place: &'a mut [u8; ENTRY_BYTES_MAX]) -> Self {
        Self { place, at: 0 }
    }

    /// How many bytes have been written.
    pub fn written(&self) -> usize {
        self.at
    }

    /// Writes with a function that answers how many bytes it wrote.
    #[inline]
    pub fn name(&mut self, write: impl FnOnce(&mut [u8; NAME_BYTES_MAX]) -> usize) {
        let place = self.place[self.at..].first_chunk_mut().expect("the place has room for the largest of names");
        self.at += write(place);
    }

    pub fn byte(&mut self, byte: u8) {
        self.put([byte]);
    }

    pub fn credits(&mut self, credits: Credits) {
        self.number(credits.micros() as u64);
    }

    pub fn time(&mut self, time: Timestamp) {
        self.number(time.millis() as u64);
    }

    pub fn number(&mut self, number: u64) {
        self.put(number.to_le_bytes());
    }

    fn put<const N: usize>(&mut self, bytes: [u8; N]) {
        let place = self.place[self.at..].first_chunk_mut().expect("the place has room for the largest of entries");
        *place = bytes;
        self.at += N;
    }
}
