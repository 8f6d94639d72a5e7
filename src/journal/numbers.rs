//! Numbers as bytes, for the codec.

use crate::domain::{Credits, Timestamp};

/// Numbers on their way into a buffer. They are put together here first: each byte that is appended to a vector waits
/// until the one before has been counted.
pub(super) struct Numbers {
    bytes: [u8; 128],
    length: usize,
}

/// The most bytes that a number below 2^56 takes, as all credits and times are.
const NUMBER_BYTES_MAX: usize = 8;

const _: () = assert!(Credits::MAX.micros() < 1 << 56 && Timestamp::MAX.millis() < 1 << 56);

impl Default for Numbers {
    fn default() -> Self {
        Self { bytes: [0; 128], length: 0 }
    }
}

impl Numbers {
    /// Appends them; there are none left then.
    pub fn append_to(&mut self, to: &mut Vec<u8>) {
        to.extend_from_slice(&self.bytes[..self.length]);
        self.length = 0;
    }

    pub fn byte(&mut self, byte: u8) {
        self.bytes[self.length] = byte;
        self.length += 1;
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
        self.bytes[self.length..self.length + NUMBER_BYTES_MAX].copy_from_slice(&bytes);
        self.length += length;
    }
}
