//! Decimal numbers, exact, as texts write them.

/// The most digits that are kept of a number. A double that was written out has 17.
const DIGITS_MAX: u32 = 25;

/// The largest exponent, either way.
const EXPONENT_MAX: i32 = 60;

/// A number of 0 or more: `digits` times ten to the power of `exponent`, without trailing zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decimal {
    digits: u128,
    exponent: i32,
}

/// Why a text is no such number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecimalError {
    /// Not digits with at most one point and one exponent.
    #[error("is not a decimal number such as 2.5")]
    NotDecimal,
    /// Starts with a minus sign.
    #[error("is negative; 0 or more is wanted")]
    Negative,
    /// More digits, or a larger exponent, than any price has.
    #[error("has more digits than a price may have")]
    TooLong,
}

impl Decimal {
    /// Reads the literal of a number in JSON or TOML, such as `2.5`, `10` or `2.5e-06`.
    ///
    /// # Errors
    /// See [`DecimalError`].
    pub fn parse(text: &str) -> Result<Self, DecimalError> {
        if text.starts_with('-') {
            return Err(DecimalError::Negative);
        }
        let (number, exponent) = match text.split_once(['e', 'E']) {
            Some((number, exponent)) => (number, parse_exponent(exponent)?),
            None => (text, 0),
        };
        let (whole, fraction) = match number.split_once('.') {
            Some((whole, fraction)) if !fraction.is_empty() => (whole, fraction),
            Some(_) => return Err(DecimalError::NotDecimal),
            None => (number, ""),
        };
        if whole.is_empty() || !whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit()) {
            return Err(DecimalError::NotDecimal);
        }
        let fraction = fraction.trim_end_matches('0');
        let places = i32::try_from(fraction.len()).map_err(|_| DecimalError::TooLong)?;
        let digits = whole.bytes().chain(fraction.bytes()).try_fold(0_u128, |sum, b| {
            let sum = sum.checked_mul(10)?.checked_add(u128::from(b - b'0'))?;
            (sum < 10_u128.pow(DIGITS_MAX)).then_some(sum)
        });
        let digits = digits.ok_or(DecimalError::TooLong)?;
        Ok(Self { digits, exponent: exponent - places }.shortest())
    }

    /// The exact product.
    ///
    /// # Errors
    /// [`DecimalError::TooLong`].
    pub fn times(self, other: Self) -> Result<Self, DecimalError> {
        let digits = self.digits.checked_mul(other.digits).ok_or(DecimalError::TooLong)?;
        Ok(Self { digits, exponent: self.exponent + other.exponent }.shortest())
    }

    /// Ten to the power of `exponent`.
    pub const fn power_of_ten(exponent: i32) -> Self {
        Self { digits: 1, exponent }
    }

    /// Whether it is 0.
    pub const fn is_zero(self) -> bool {
        self.digits == 0
    }

    /// The number in units of ten to the power of minus `places`, rounded to the nearest, and whether that is exact; `None`
    /// where it does not fit.
    pub fn in_units(self, places: i32) -> Option<(u128, bool)> {
        let shift = self.exponent + places;
        let factor = 10_u128.checked_pow(shift.unsigned_abs());
        if shift >= 0 {
            let units = if self.digits == 0 { Some(0) } else { self.digits.checked_mul(factor?) };
            return units.map(|units| (units, true));
        }
        // A number that is smaller than any divisor that fits is 0, but not exactly.
        let Some(divisor) = factor else { return Some((0, self.digits == 0)) };
        let (units, rest) = (self.digits / divisor, self.digits % divisor);
        Some((units + u128::from(rest >= divisor - rest), rest == 0))
    }

    fn shortest(mut self) -> Self {
        while self.digits != 0 && self.digits.is_multiple_of(10) {
            (self.digits, self.exponent) = (self.digits / 10, self.exponent + 1);
        }
        if self.digits == 0 { Self { digits: 0, exponent: 0 } } else { self }
    }
}

fn parse_exponent(text: &str) -> Result<i32, DecimalError> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(DecimalError::NotDecimal);
    }
    let exponent: i32 = text.parse().map_err(|_| DecimalError::TooLong)?;
    if exponent.abs() <= EXPONENT_MAX { Ok(exponent) } else { Err(DecimalError::TooLong) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn units(text: &str, places: i32) -> Option<(u128, bool)> {
        Decimal::parse(text).expect(text).in_units(places)
    }

    #[test]
    fn numbers_are_read_digit_by_digit() {
        for (text, places, wanted) in [
            ("2.5e-06", 12, (2_500_000, true)),
            ("2.5E-6", 6, (3, false)),
            ("1e-05", 6, (10, true)),
            ("0", 12, (0, true)),
            ("0.000", 0, (0, true)),
            ("007.10", 1, (71, true)),
            ("0.1", 17, (10_000_000_000_000_000, true)),
            ("5.0000000000000004e-08", 18, (50_000_000_000, false)),
            ("1e+2", 0, (100, true)),
            ("1e-60", 12, (0, false)),
            ("0.4999999", 0, (0, false)),
            ("0.5", 0, (1, false)),
        ] {
            assert_eq!(units(text, places), Some(wanted), "{text}");
        }
        assert_eq!(units("1e60", 12), None, "no unit is so small");
        assert_eq!(units("0e60", 12), Some((0, true)));
    }

    #[test]
    fn what_is_no_number_is_told_apart() {
        for (text, why) in [
            ("", DecimalError::NotDecimal),
            ("-1", DecimalError::Negative),
            ("1.", DecimalError::NotDecimal),
            (".5", DecimalError::NotDecimal),
            ("1e", DecimalError::NotDecimal),
            ("1e+-5", DecimalError::NotDecimal),
            ("inf", DecimalError::NotDecimal),
            ("nan", DecimalError::NotDecimal),
            ("+1", DecimalError::NotDecimal),
            ("1_0", DecimalError::NotDecimal),
            ("1 ", DecimalError::NotDecimal),
            ("1e61", DecimalError::TooLong),
            ("1e99999999999", DecimalError::TooLong),
            ("99999999999999999999999999", DecimalError::TooLong),
        ] {
            assert_eq!(Decimal::parse(text), Err(why), "{text}");
        }
    }

    #[test]
    fn products_are_exact() {
        let number = |text| Decimal::parse(text).expect("a number");
        let product = number("2.5e-06").times(number("3")).and_then(|n| n.times(Decimal::power_of_ten(6)));
        assert_eq!(product, Ok(number("7.5")));
        let large = number("9999999999999999999999999");
        assert_eq!(large.times(large), Err(DecimalError::TooLong));
    }
}
