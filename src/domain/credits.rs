//! Exact amounts of credits: whole micro-credits, never negative, never a float.
//!
//! A [`Credits`] is between 0 and [`Credits::MAX`], so a difference that would fall below zero and a
//! sum that would rise above the cap are both `None`, never a wrapped number. The cap is what a
//! double still holds exactly, because Lua and JSON numbers are doubles.

use std::fmt;
use std::str::FromStr;

/// Micro-credits in one credit.
pub const MICROS_PER_CREDIT: i64 = 1_000_000;

/// Fraction digits that a written amount may have.
const FRACTION_DIGITS: usize = 6;

/// An amount of credits in whole micro-credits, from 0 to [`Credits::MAX`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Credits(i64);

const _: () = assert!(Credits::MAX.0 < 1 << 53, "a double must hold every amount exactly");

impl Credits {
    /// No credits.
    pub const ZERO: Self = Self(0);

    /// The largest amount, 9 000 000 000 credits; also the largest sum.
    pub const MAX: Self = Self(9_000_000_000 * MICROS_PER_CREDIT);

    /// An amount of micro-credits; `None` when negative or above [`Credits::MAX`].
    pub const fn from_micros(micros: i64) -> Option<Self> {
        if micros >= 0 && micros <= Self::MAX.0 { Some(Self(micros)) } else { None }
    }

    /// An amount of whole credits; `None` above [`Credits::MAX`].
    pub const fn from_credits(credits: u32) -> Option<Self> {
        Self::from_micros(credits as i64 * MICROS_PER_CREDIT)
    }

    /// The amount in micro-credits.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Whether this is no credits at all.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// The sum; `None` above [`Credits::MAX`].
    pub const fn checked_add(self, other: Self) -> Option<Self> {
        Self::from_micros(self.0 + other.0)
    }

    /// The difference; `None` when `other` is larger.
    pub const fn checked_sub(self, other: Self) -> Option<Self> {
        Self::from_micros(self.0 - other.0)
    }

    /// The difference, or zero when `other` is larger.
    pub const fn saturating_sub(self, other: Self) -> Self {
        if self.0 > other.0 { Self(self.0 - other.0) } else { Self::ZERO }
    }

    /// The amount `times` over; `None` above [`Credits::MAX`].
    pub const fn checked_mul(self, times: u32) -> Option<Self> {
        match self.0.checked_mul(times as i64) {
            Some(micros) => Self::from_micros(micros),
            None => None,
        }
    }

    /// A sum that the caller's invariant keeps below the cap.
    ///
    /// # Panics
    /// When the sum is above [`Credits::MAX`]: an invariant is broken.
    #[must_use]
    #[inline]
    pub fn plus(self, other: Self) -> Self {
        self.checked_add(other).expect("an amount stays below the cap that decide checked")
    }

    /// A difference that the caller's invariant keeps at or above zero.
    ///
    /// # Panics
    /// When `other` is larger: an invariant is broken.
    #[must_use]
    #[inline]
    pub fn minus(self, other: Self) -> Self {
        self.checked_sub(other).expect("no more is taken than decide found there")
    }
}

/// Decimal credits without trailing zeros: `1.25`, `0.000001`, `7`.
impl fmt::Display for Credits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, fraction) = (self.0 / MICROS_PER_CREDIT, self.0 % MICROS_PER_CREDIT);
        if fraction == 0 {
            return write!(f, "{whole}");
        }
        let (mut fraction, mut digits) = (fraction, 6);
        while fraction % 10 == 0 {
            (fraction, digits) = (fraction / 10, digits - 1);
        }
        write!(f, "{whole}.{fraction:0digits$}")
    }
}

/// Why a text is not an amount of credits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CreditsError {
    /// Empty, or anything else than digits with at most one point between digits.
    #[error("is not a decimal number of credits such as \"1.25\"")]
    NotDecimal,
    /// Starts with a minus sign.
    #[error("is negative; credits are 0 or more")]
    Negative,
    /// Written with an exponent.
    #[error("has an exponent; write the decimal number out")]
    Exponent,
    /// Finer than a micro-credit.
    #[error("has more than 6 fraction digits; the smallest amount is 0.000001")]
    TooFine,
    /// Above [`Credits::MAX`].
    #[error("is above 9000000000, the largest amount")]
    TooLarge,
}

/// Reads a JSON number's literal or a JSON string's content; no sign, no exponent, no white space.
impl FromStr for Credits {
    type Err = CreditsError;

    fn from_str(text: &str) -> Result<Self, CreditsError> {
        if text.starts_with('-') {
            return Err(CreditsError::Negative);
        }
        let (whole, fraction) = match text.split_once('.') {
            Some((whole, fraction)) if !fraction.is_empty() => (whole, fraction),
            Some(_) => return Err(CreditsError::NotDecimal),
            None => (text, ""),
        };
        if whole.is_empty() || !digits(whole) || !digits(fraction) {
            let exponent = text.starts_with(|c: char| c.is_ascii_digit()) && text.contains(['e', 'E']);
            return Err(if exponent { CreditsError::Exponent } else { CreditsError::NotDecimal });
        }
        if fraction.len() > FRACTION_DIGITS {
            return Err(CreditsError::TooFine);
        }
        let whole = parse_digits(whole).ok_or(CreditsError::TooLarge)?;
        let scale = 10_i64.pow((FRACTION_DIGITS - fraction.len()) as u32);
        let fraction = parse_digits(fraction).expect("six digits fit") * scale;
        let micros = whole.checked_mul(MICROS_PER_CREDIT).and_then(|m| m.checked_add(fraction));
        micros.and_then(Self::from_micros).ok_or(CreditsError::TooLarge)
    }
}

fn digits(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit())
}

/// The value of decimal digits, 0 of none; `None` above `i64::MAX`.
fn parse_digits(text: &str) -> Option<i64> {
    text.bytes().try_fold(0_i64, |sum, b| sum.checked_mul(10)?.checked_add(i64::from(b - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_and_writing_agree() {
        for (text, micros) in
            [("0", 0), ("1.25", 1_250_000), ("0.000001", 1), ("9000000000", Credits::MAX.0), ("007.10", 7_100_000)]
        {
            let credits: Credits = text.parse().expect(text);
            assert_eq!(credits.micros(), micros, "{text}");
            assert_eq!(credits.to_string().parse(), Ok(credits), "{text}");
        }
        assert_eq!("7.100".parse::<Credits>().map(|c| c.to_string()), Ok("7.1".to_owned()));
    }

    #[test]
    fn bad_amounts_are_told_apart() {
        for (text, why) in [
            ("", CreditsError::NotDecimal),
            ("-1", CreditsError::Negative),
            ("1e3", CreditsError::Exponent),
            ("1.5E2", CreditsError::Exponent),
            ("1.", CreditsError::NotDecimal),
            (".5", CreditsError::NotDecimal),
            ("NaN", CreditsError::NotDecimal),
            ("1 ", CreditsError::NotDecimal),
            ("1.0000001", CreditsError::TooFine),
            ("9000000000.000001", CreditsError::TooLarge),
            ("9223372036854775808", CreditsError::TooLarge),
            ("99999999999999999999999999", CreditsError::TooLarge),
        ] {
            assert_eq!(text.parse::<Credits>(), Err(why), "{text}");
        }
    }

    #[test]
    fn sums_and_differences_never_wrap() {
        assert_eq!(Credits::MAX.checked_add(Credits(1)), None);
        assert_eq!(Credits::ZERO.checked_sub(Credits(1)), None);
        assert_eq!(Credits(5).saturating_sub(Credits(9)), Credits::ZERO);
        assert_eq!(Credits::MAX.checked_mul(u32::MAX), None);
    }
}
