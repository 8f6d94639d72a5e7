//! What one unit costs.

use std::fmt;
use std::str::FromStr;

use super::decimal::{Decimal, DecimalError};

/// Fraction digits of a price.
const PLACES: i32 = 12;

/// Units of a price in one credit.
const PER_CREDIT: u128 = 10_u128.pow(PLACES as u32);

/// An exact price, from 0 to [`Price::MAX`] in units of 0.000 000 000 001 credits: of a call, an image, a second, or a
/// million tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Price(u128);

/// Why a number is no price.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PriceError {
    /// It is no number.
    #[error(transparent)]
    NotDecimal(#[from] DecimalError),
    /// Finer than a price is.
    #[error("has more than 12 fraction digits")]
    TooFine,
    /// Above [`Price::MAX`].
    #[error("is above 1000000, the highest price")]
    TooHigh,
}

impl Price {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// The highest price, a million credits.
    pub const MAX: Self = Self(1_000_000 * PER_CREDIT);

    /// The price in its units.
    pub(super) const fn units(self) -> u128 {
        self.0
    }

    /// Whether this is nothing.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// The price nearest to a number, and whether it is exactly that.
    ///
    /// # Errors
    /// [`PriceError::TooHigh`].
    pub fn nearest(number: Decimal) -> Result<(Self, bool), PriceError> {
        let (units, is_exact) = number.in_units(PLACES).ok_or(PriceError::TooHigh)?;
        if units <= Self::MAX.0 { Ok((Self(units), is_exact)) } else { Err(PriceError::TooHigh) }
    }
}

impl FromStr for Price {
    type Err = PriceError;

    fn from_str(text: &str) -> Result<Self, PriceError> {
        match Self::nearest(Decimal::parse(text)?)? {
            (price, true) => Ok(price),
            (_, false) => Err(PriceError::TooFine),
        }
    }
}

/// Decimal credits without trailing zeros.
impl fmt::Display for Price {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, fraction) = (self.0 / PER_CREDIT, self.0 % PER_CREDIT);
        if fraction == 0 {
            return write!(f, "{whole}");
        }
        let digits = format!("{fraction:012}");
        write!(f, "{whole}.{}", digits.trim_end_matches('0'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_price_reads_back_as_it_was_written() {
        for (text, shown) in
            [("2.50", "2.5"), ("0.000000000001", "0.000000000001"), ("1000000", "1000000"), ("0.0", "0")]
        {
            let price: Price = text.parse().expect(text);
            assert_eq!(price.to_string(), shown);
            assert_eq!(shown.parse(), Ok(price));
        }
        assert_eq!("0.0000000000001".parse::<Price>(), Err(PriceError::TooFine));
        assert_eq!("1000000.000000000001".parse::<Price>(), Err(PriceError::TooHigh));
        assert_eq!("1e50".parse::<Price>(), Err(PriceError::TooHigh));
    }
}
