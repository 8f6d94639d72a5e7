//! Which version of the rate card priced something.

use std::fmt;
use std::str::FromStr;

/// The version of a rate card: a part of its content's hash, so the same prices have the same version everywhere. As text
/// 16 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RateVersion(u64);

impl RateVersion {
    /// The version with these bits.
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// Its bits.
    pub const fn bits(self) -> u64 {
        self.0
    }
}

impl fmt::Display for RateVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// A text is no version of a rate card.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not the version of a rate card, 16 digits of 0-9 a-f")]
pub struct RateVersionError;

impl FromStr for RateVersion {
    type Err = RateVersionError;

    fn from_str(text: &str) -> Result<Self, RateVersionError> {
        let is_plain = text.len() == 16 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let bits = is_plain.then(|| u64::from_str_radix(text, 16).ok()).flatten();
        bits.map(Self).ok_or(RateVersionError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_reads_back_as_it_was_written() {
        for bits in [0, 1, u64::MAX, 0x00ab_cdef_0123_4567] {
            let version = RateVersion::from_bits(bits);
            assert_eq!(version.to_string().parse(), Ok(version));
        }
        for text in ["", "1", "00000000000000000", "000000000000000G", "00000000000000AB", "+000000000000001"] {
            assert_eq!(text.parse::<RateVersion>(), Err(RateVersionError), "{text}");
        }
    }
}
