//! Writes a message from its end to its beginning, so that how long a part is is known when its length is written before it.

use prost::encoding::{WireType, encoded_len_varint};

use super::frames::PREFIX_BYTES;

/// A message as far as it is written. It panics where the place is too small.
pub struct Backwards<'a> {
    place: &'a mut [u8],
    at: usize,
}

impl<'a> Backwards<'a> {
    /// Nothing yet; the message will end with this place.
    pub fn new(place: &'a mut [u8]) -> Self {
        Self { at: place.len(), place }
    }

    /// What is written, behind the prefix that a message has on the wire.
    pub fn framed(mut self) -> &'a [u8] {
        let len = (self.place.len() - self.at) as u32;
        self.at -= PREFIX_BYTES;
        self.place[self.at] = 0;
        self.place[self.at + 1..self.at + PREFIX_BYTES].copy_from_slice(&len.to_be_bytes());
        &self.place[self.at..]
    }

    /// A field whose value is a number.
    pub fn number(&mut self, tag: u32, number: u64) {
        self.varint(number);
        self.key(tag, WireType::Varint);
    }

    /// As [`Self::number`], where zero is left out.
    pub fn number_but_zero(&mut self, tag: u32, number: u64) {
        if number != 0 {
            self.number(tag, number);
        }
    }

    /// A field whose value is a text.
    pub fn text(&mut self, tag: u32, text: &[u8]) {
        self.part(tag, |to| {
            to.at -= text.len();
            to.place[to.at..to.at + text.len()].copy_from_slice(text);
        });
    }

    /// A field whose value is what `write` writes, its last field first.
    pub fn part(&mut self, tag: u32, write: impl FnOnce(&mut Self)) {
        let end = self.at;
        write(self);
        self.varint((end - self.at) as u64);
        self.key(tag, WireType::LengthDelimited);
    }

    fn key(&mut self, tag: u32, wire_type: WireType) {
        self.varint((tag << 3 | wire_type as u32).into());
    }

    fn varint(&mut self, mut number: u64) {
        let end = self.at;
        self.at -= encoded_len_varint(number);
        let (last, others) = self.place[self.at..end].split_last_mut().expect("a number has a byte");
        for byte in others {
            *byte = number as u8 | 0x80;
            number >>= 7;
        }
        *last = number as u8;
    }
}
