//! Reading values back from rows, column by column in the order in which the statement names them,
//! and the types that the driver lacks: times, and texts that may hold any character.

use std::borrow::Cow;
use std::str::FromStr;

use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::postgres::types::Oid;
use sqlx::postgres::{PgArgumentBuffer, PgHasArrayType, PgRow, PgTypeInfo, PgValueFormat, PgValueRef, Postgres};
use sqlx::{Decode, Encode, Row, Type, ValueRef};

use super::failure::Failure;
use crate::domain::{Credits, IdError, Timestamp};

/// A time in milliseconds since 1970, as a `timestamptz`; beyond what that can hold, infinity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Time(pub i64);

/// Microseconds from 1970 to 2000, where `timestamptz` begins.
const MICROS_TO_2000: i64 = 946_684_800_000_000;

impl Time {
    /// The eight bytes of a `timestamptz`.
    pub fn to_bytes(self) -> [u8; 8] {
        let micros = self.0.checked_mul(1_000).and_then(|micros| micros.checked_sub(MICROS_TO_2000));
        micros.unwrap_or(if self.0 < 0 { i64::MIN } else { i64::MAX }).to_be_bytes()
    }
}

impl From<Timestamp> for Time {
    fn from(at: Timestamp) -> Self {
        Self(at.millis())
    }
}

impl Type<Postgres> for Time {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(Oid(1184))
    }
}

impl PgHasArrayType for Time {
    fn array_type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(Oid(1185))
    }
}

impl Encode<'_, Postgres> for Time {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        buffer.extend_from_slice(&self.to_bytes());
        Ok(IsNull::No)
    }
}

impl<'r> Decode<'r, Postgres> for Time {
    fn decode(value: PgValueRef<'r>) -> Result<Self, BoxDynError> {
        if value.format() != PgValueFormat::Binary {
            return Err("a time came as text".into());
        }
        let micros = i64::from_be_bytes(value.as_bytes()?.try_into()?);
        Ok(Self(micros.saturating_add(MICROS_TO_2000).div_euclid(1_000)))
    }
}

/// Marks a character that PostgreSQL cannot keep. It is of a private plane, so that ordinary texts
/// are kept as they are.
const MARK: char = '\u{F0000}';

/// A text as PostgreSQL can keep it: without the character NUL.
pub fn kept(text: &str) -> Cow<'_, str> {
    if !text.contains(['\0', MARK]) {
        return Cow::Borrowed(text);
    }
    let mut kept = String::with_capacity(text.len() + 4);
    for character in text.chars() {
        match character {
            '\0' => kept.extend([MARK, '0']),
            MARK => kept.extend([MARK, MARK]),
            other => kept.push(other),
        }
    }
    Cow::Owned(kept)
}

/// The text that was kept.
pub fn original(kept: &str) -> String {
    if !kept.contains(MARK) {
        return kept.to_owned();
    }
    let mut characters = kept.chars();
    let mut text = String::with_capacity(kept.len());
    while let Some(character) = characters.next() {
        match character {
            MARK => text.push(if characters.next() == Some(MARK) { MARK } else { '\0' }),
            other => text.push(other),
        }
    }
    text
}

/// Reads a row's columns one after the other.
pub struct Reader<'r> {
    row: &'r PgRow,
    next: usize,
}

impl<'r> Reader<'r> {
    /// Starts at the first column.
    pub fn new(row: &'r PgRow) -> Self {
        Self { row, next: 0 }
    }

    fn take<T: Decode<'r, Postgres> + Type<Postgres>>(&mut self) -> Result<T, Failure> {
        let value = self.row.try_get(self.next)?;
        self.next += 1;
        Ok(value)
    }

    fn wrong(&self, cause: impl Into<String>) -> Failure {
        let column = self.row.columns().get(self.next - 1).map(|column| sqlx::Column::name(column).to_owned());
        Failure::Value { column: column.unwrap_or_default(), cause: cause.into() }
    }

    /// The next column, an integer.
    pub fn int(&mut self) -> Result<i64, Failure> {
        self.take()
    }

    /// The next column, an integer that fits `T`.
    pub fn count<T: TryFrom<i64>>(&mut self) -> Result<T, Failure> {
        let value = self.int()?;
        T::try_from(value).map_err(|_| self.wrong(format!("{value} is out of range")))
    }

    /// The next column, yes or no.
    pub fn flag(&mut self) -> Result<bool, Failure> {
        self.take()
    }

    /// The next column, a text without odd characters.
    pub fn text(&mut self) -> Result<&'r str, Failure> {
        self.take()
    }

    /// The next column, a text that may have held any character.
    pub fn any_text(&mut self) -> Result<String, Failure> {
        Ok(original(self.text()?))
    }

    /// The next column, an amount in micro-credits.
    pub fn credits(&mut self) -> Result<Credits, Failure> {
        let micros = self.int()?;
        Credits::from_micros(micros).ok_or_else(|| self.wrong(format!("{micros} is not an amount of micro-credits")))
    }

    /// The next column, a time.
    pub fn time(&mut self) -> Result<Timestamp, Failure> {
        let Time(millis) = self.take()?;
        Timestamp::from_millis(millis).ok_or_else(|| self.wrong(format!("{millis} is not a time from 1970 to 9999")))
    }

    /// The next column, an id.
    pub fn id<T>(&mut self, make: fn(&str) -> Result<T, IdError>) -> Result<T, Failure> {
        let text = self.text()?;
        make(text).map_err(|error| self.wrong(format!("{text:?} {error}")))
    }

    /// The next column, one of the words of `T`.
    pub fn word<T: FromStr>(&mut self) -> Result<T, Failure> {
        let text = self.text()?;
        text.parse().map_err(|_| self.wrong(format!("{text:?} is none of the words known here")))
    }

    /// The next column, one of the words of `T`, found by `parse`.
    pub fn word_by<T>(&mut self, parse: fn(&str) -> Option<T>) -> Result<T, Failure> {
        let text = self.text()?;
        parse(text).ok_or_else(|| self.wrong(format!("{text:?} is none of the words known here")))
    }

    /// The next column, JSON.
    pub fn json<T: serde::de::DeserializeOwned>(&mut self) -> Result<T, Failure> {
        let text = self.text()?;
        serde_json::from_str(text).map_err(|error| self.wrong(error.to_string()))
    }

    /// The next column, or `None` where it is null.
    pub fn maybe<T>(&mut self, read: impl Fn(&mut Self) -> Result<T, Failure>) -> Result<Option<T>, Failure> {
        if self.row.try_get_raw(self.next)?.is_null() {
            self.next += 1;
            return Ok(None);
        }
        read(self).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_comes_back() {
        for text in ["", "plain", "a\\0b", "\0", "a\0b", "\u{F0000}", "\u{F0000}0", "\0\u{F0000}\0", "ü\u{10FFFF}"] {
            let kept = kept(text);
            assert!(!kept.contains('\0'), "{text:?}");
            assert_eq!(original(&kept), text);
        }
        assert!(matches!(kept("R\\D"), Cow::Borrowed(_)), "ordinary texts are kept as they are");
    }

    #[test]
    fn times_beyond_the_range_are_infinite() {
        assert_eq!(Time(i64::MIN).to_bytes(), i64::MIN.to_be_bytes());
        assert_eq!(Time(i64::MAX).to_bytes(), i64::MAX.to_be_bytes());
        assert_eq!(Time(946_684_800_001).to_bytes(), 1_000_i64.to_be_bytes());
    }
}
