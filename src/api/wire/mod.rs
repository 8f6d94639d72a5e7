//! The values that fields of bodies are made of: exact amounts, ids, times, bounded numbers.
//!
//! The domain knows no serde; these are its values' forms on the wire. Structs are not defined here,
//! and no range of a route is.

mod object;
mod row;
mod schema;

pub use object::{Object, Patch};
pub use row::{KnownOp, Op};
pub use schema::AskedAmount;

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use crate::domain::{
    Credits, CreditsError, IdError, Model, OperationId, SubscriptionId, TeamId, Timestamp, TimestampError, UserId,
};
use crate::rates::{Decimal, SECOND_MICROS_MAX};

/// Credits on the wire: a JSON string or a plain JSON number, read from its literal and never through
/// a float; written as a string. Works with `serde_json` and this crate's own reader only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Amount(pub Credits);

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let literal = <&RawValue>::deserialize(deserializer)?.get();
        amount(literal).map(Self).map_err(de::Error::custom)
    }
}

/// Credits of a JSON value's literal.
fn amount(literal: &str) -> Result<Credits, CreditsError> {
    let Some(quoted) = literal.strip_prefix('"') else { return literal.parse() };
    let text = quoted.strip_suffix('"').ok_or(CreditsError::NotDecimal)?;
    if text.contains('\\') {
        let text: String = serde_json::from_str(literal).map_err(|_| CreditsError::NotDecimal)?;
        return text.parse();
    }
    text.parse()
}

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(decimal(self.0, &mut [0; DECIMAL_BYTES_MAX]))
    }
}

/// Digits of a credit, a point and those of a micro-credit.
pub const DECIMAL_BYTES_MAX: usize = 19 + 1 + FRACTION_DIGITS;

/// A micro-credit is a millionth.
const FRACTION_DIGITS: usize = 6;

/// The text that [`Credits`] are shown as. An answer has three amounts, and a formatter takes some times as long for each.
pub fn decimal(credits: Credits, place: &mut [u8; DECIMAL_BYTES_MAX]) -> &str {
    let (mut left, mut at) = (credits.micros().unsigned_abs(), place.len());
    let mut put = |byte| {
        at -= 1;
        place[at] = byte;
    };
    let mut is_written = false;
    for _ in 0..FRACTION_DIGITS {
        is_written |= left % 10 != 0;
        if is_written {
            put(b'0' + (left % 10) as u8);
        }
        left /= 10;
    }
    if is_written {
        put(b'.');
    }
    while {
        put(b'0' + (left % 10) as u8);
        left /= 10;
        left > 0
    } {}
    str::from_utf8(&place[at..]).expect("digits are a text")
}

/// Seconds on the wire: a JSON number or a JSON string, read from its literal, with up to 6 fraction digits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seconds(u64);

impl Seconds {
    /// In millionths.
    pub const fn micros(self) -> u64 {
        self.0
    }

    /// So many millionths; `None` above the most that one call may take.
    pub fn from_micros(micros: u64) -> Option<Self> {
        (micros <= SECOND_MICROS_MAX).then_some(Self(micros))
    }

    /// Reads a number, quoted or not.
    pub fn of(literal: &str) -> Option<Self> {
        let text = literal.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(literal);
        let (micros, is_exact) = Decimal::parse(text).ok()?.in_units(6)?;
        u64::try_from(micros).ok().filter(|_| is_exact).and_then(Self::from_micros)
    }
}

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let literal = <&RawValue>::deserialize(deserializer)?.get();
        let wrong = "is not a number of seconds from 0 to 1000000000 with at most 6 fraction digits";
        Self::of(literal).ok_or_else(|| de::Error::custom(wrong))
    }
}

/// A value whose form on the wire is a JSON string.
pub trait Text: Sized + fmt::Display {
    /// Why a text is not such a value; reads on from the field's name: `is not ...`, `must have ...`.
    type Error: fmt::Display;
    /// Its name in the OpenAPI document.
    const NAME: &'static str;
    /// A regular expression that all its texts match; `None` for times.
    const PATTERN: Option<&'static str>;
    /// What is expected, with an article: `a team id`.
    const WHAT: &'static str;

    /// Reads the string's content.
    fn read(text: &str) -> Result<Self, Self::Error>;

    /// The string's content.
    fn text(&self) -> Cow<'_, str>;
}

macro_rules! text {
    ($($name:ident, $read:path, $text:path, $error:ty, $schema:literal, $what:literal, $pattern:expr;)*) => {
        $(impl Text for $name {
            type Error = $error;
            const NAME: &'static str = $schema;
            const WHAT: &'static str = $what;
            const PATTERN: Option<&'static str> = $pattern;

            fn read(text: &str) -> Result<Self, $error> {
                $read(text)
            }

            fn text(&self) -> Cow<'_, str> {
                $text(self).into()
            }
        })*
    };
}

/// What ids of teams, users and subscriptions look like.
const NAME_PATTERN: Option<&str> = Some(r"^(?!\.{1,2}$)[A-Za-z0-9._:@-]{1,128}$");

text! {
    TeamId, TeamId::new, TeamId::as_str, IdError, "TeamId", "a team id", NAME_PATTERN;
    UserId, UserId::new, UserId::as_str, IdError, "UserId", "a user id", NAME_PATTERN;
    SubscriptionId, SubscriptionId::new, SubscriptionId::as_str, IdError, "SubscriptionId", "a subscription id", NAME_PATTERN;
    OperationId, OperationId::new, OperationId::as_str, IdError, "OperationId", "an operation id", Some(r"^(?!\.{1,2}$)[!-~]{1,128}$");
    Model, Model::new, Model::as_str, IdError, "Model", "a model's name", Some(r"^(?!\.{1,2}$)[!-~]{1,128}$");
    Timestamp, Timestamp::from_str, Timestamp::to_string, TimestampError, "Time", "an RFC 3339 time", None;
}

/// A team's id in a struct that is documented.
pub type WireTeam = Wire<TeamId>;
/// A user's id in a struct that is documented.
pub type WireUser = Wire<UserId>;
/// A subscription's id in a struct that is documented.
pub type WireSubscription = Wire<SubscriptionId>;
/// An operation's id in a struct that is documented.
pub type WireOperation = Wire<OperationId>;
/// A model's name in a struct that is documented.
pub type WireModel = Wire<Model>;
/// A time in a struct that is documented.
pub type WireTime = Wire<Timestamp>;

/// An id, a time or another [`Text`] as a JSON string, checked as it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Wire<T>(pub T);

impl<'de, T: Text> Deserialize<'de> for Wire<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read<T>(PhantomData<T>);
        impl<T: Text> Visitor<'_> for Read<T> {
            type Value = T;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{} as a string", T::WHAT)
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
                T::read(text).map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Read(PhantomData)).map(Self)
    }
}

impl<T: Text> Serialize for Wire<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0.text())
    }
}

/// A whole number from `MIN` to `MAX`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Whole<const MIN: u64, const MAX: u64>(u64);

impl<const MIN: u64, const MAX: u64> Whole<MIN, MAX> {
    /// The number; `None` out of range.
    pub const fn new(number: u64) -> Option<Self> {
        const { assert!(MIN <= MAX, "a range holds something") };
        if MIN <= number && number <= MAX { Some(Self(number)) } else { None }
    }

    /// Reads the number from a header or the like, as JSON has it: digits alone.
    ///
    /// # Errors
    /// What is expected instead.
    pub fn read(text: &str) -> Result<Self, String> {
        let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
        let read = text.parse().ok().filter(|_| is_plain).and_then(Self::new);
        read.ok_or_else(|| format!("must be a whole number from {MIN} to {MAX}"))
    }

    /// The number.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl<'de, const MIN: u64, const MAX: u64> Deserialize<'de> for Whole<MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read<const MIN: u64, const MAX: u64>;
        impl<const MIN: u64, const MAX: u64> Visitor<'_> for Read<MIN, MAX> {
            type Value = Whole<MIN, MAX>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a whole number from {MIN} to {MAX}")
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Self::Value, E> {
                Whole::new(number).ok_or_else(|| E::invalid_value(de::Unexpected::Unsigned(number), &self))
            }
        }
        deserializer.deserialize_u64(Read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_number_of_a_header_is_digits_alone_and_in_its_range() {
        type Ten = Whole<1, 10>;
        assert_eq!(Ten::read("10").map(Ten::get), Ok(10));
        for text in ["", "0", "11", "+5", "-5", " 5", "5.0", "99999999999999999999"] {
            assert_eq!(Ten::read(text), Err("must be a whole number from 1 to 10".to_owned()), "{text}");
        }
    }

    #[test]
    fn amounts_are_read_from_their_literal_and_written_as_strings() {
        for (json, micros) in [
            ("1.25", 1_250_000),
            ("\"1.25\"", 1_250_000),
            ("\"\\u0031.25\"", 1_250_000),
            ("8999999999.999999", 8_999_999_999_999_999),
            (" 7 ", 7_000_000),
        ] {
            let amount: Amount = serde_json::from_str(json).expect(json);
            assert_eq!(amount.0.micros(), micros, "{json}");
        }
        let amount: Amount = serde_json::from_str("1.10").expect("an amount");
        assert_eq!(serde_json::to_string(&amount).expect("serialises"), "\"1.1\"");
    }

    #[test]
    fn an_amount_is_written_as_it_is_shown() {
        let powers = (0..=15).map(|n| 10_i64.pow(n));
        for micros in powers.flat_map(|n| [n - 1, n, n + 1, 7 * n]).chain([Credits::MAX.micros()]) {
            let Some(credits) = Credits::from_micros(micros) else { continue };
            assert_eq!(decimal(credits, &mut [0; DECIMAL_BYTES_MAX]), credits.to_string());
        }
    }

    #[test]
    fn seconds_are_read_from_their_literal() {
        for (json, micros) in
            [("12.345678", Some(12_345_678)), ("\"7\"", Some(7_000_000)), ("1e9", Some(SECOND_MICROS_MAX))]
        {
            assert_eq!(serde_json::from_str(json).ok().map(Seconds::micros), micros, "{json}");
        }
        for json in ["-1", "0.0000001", "1000000000.000001", "null", "true", "[1]", "\"\""] {
            assert!(serde_json::from_str::<Seconds>(json).is_err(), "{json}");
        }
    }

    #[test]
    fn what_is_no_amount_is_refused() {
        for json in
            ["-1", "-0", "1e3", "1.0000001", "9223372036854775808", "null", "true", "[1]", "\"\"", "\"1 \"", "\"a\\n\""]
        {
            assert!(serde_json::from_str::<Amount>(json).is_err(), "{json}");
        }
    }
}
