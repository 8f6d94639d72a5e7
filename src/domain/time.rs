//! Instants and billing windows. No clock is read here: every instant comes in as an argument.
//!
//! A window is a calendar month counted from the billing anchor, half open: `[start, end)`. Month
//! `n` starts at `anchor + n months`, always counted from the anchor itself, so 31 January leads to
//! 28 February and then to 31 March (rule 3 of the product).

use std::fmt;
use std::str::FromStr;

use jiff::{ToSpan, tz::TimeZone};

/// Milliseconds since 1970-01-01T00:00:00Z. From 1970 to 9999.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// 1970-01-01T00:00:00Z.
    pub const MIN: Self = Self(0);

    /// 9999-12-30T00:00:00Z: the last instant that RFC 3339 and the calendar can both carry.
    pub const MAX: Self = Self(253_402_128_000_000);

    /// An instant by its milliseconds; `None` outside of 1970 to 9999.
    pub const fn from_millis(millis: i64) -> Option<Self> {
        if millis >= 0 && millis <= Self::MAX.0 { Some(Self(millis)) } else { None }
    }

    /// Milliseconds since 1970.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// The instant `millis` later, at most [`Timestamp::MAX`].
    #[must_use]
    pub const fn plus_millis(self, millis: u64) -> Self {
        let later = self.0.saturating_add_unsigned(millis);
        if later > Self::MAX.0 { Self::MAX } else { Self(later) }
    }

    /// Milliseconds from `earlier` to this instant, 0 when `earlier` is later.
    pub const fn millis_since(self, earlier: Self) -> u64 {
        if self.0 > earlier.0 { self.0.abs_diff(earlier.0) } else { 0 }
    }

    fn zoned(self) -> jiff::Zoned {
        let instant = jiff::Timestamp::from_millisecond(self.0).expect("1970 to 9999 is within the calendar");
        instant.to_zoned(TimeZone::UTC)
    }
}

/// RFC 3339 in UTC, with milliseconds only where there are any.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = if self.0 % 1_000 == 0 { 0 } else { 3 };
        write!(f, "{:.digits$}", self.zoned().timestamp())
    }
}

/// Why a text is not an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not an RFC 3339 time between 1970 and 9999 such as 2026-11-22T12:00:00Z")]
pub struct TimestampError;

/// Reads RFC 3339 with any offset; finer than a millisecond is cut off.
impl FromStr for Timestamp {
    type Err = TimestampError;

    fn from_str(text: &str) -> Result<Self, TimestampError> {
        let instant: jiff::Timestamp = text.parse().map_err(|_| TimestampError)?;
        Self::from_millis(instant.as_millisecond()).ok_or(TimestampError)
    }
}

/// One billing month of an anchor, `[start, end)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Window {
    /// The first instant; names the window.
    pub start: Timestamp,
    /// The first instant after it.
    pub end: Timestamp,
}

impl Window {
    /// The window of `anchor` that holds `now`. Before the anchor, windows count backwards.
    pub fn containing(anchor: Timestamp, now: Timestamp) -> Self {
        let guess = whole_months(anchor, now);
        let month = (guess - 1..=guess + 1).rev().find(|&n| nth_start(anchor, n) <= now).unwrap_or(guess - 1);
        let window = Self { start: nth_start(anchor, month), end: nth_start(anchor, month + 1) };
        debug_assert!(window.start <= now || now < Timestamp::MIN.plus_millis(MONTH_MILLIS_MAX));
        debug_assert!(now < window.end || window.end == Timestamp::MAX);
        window
    }

    /// Whether `now` lies in it.
    pub fn contains(&self, now: Timestamp) -> bool {
        self.start <= now && now < self.end
    }

    /// The window of `anchor` that begins where this one ends.
    #[must_use]
    pub fn next(&self, anchor: Timestamp) -> Self {
        Self::containing(anchor, self.end)
    }
}

/// No month is longer.
const MONTH_MILLIS_MAX: u64 = 31 * 24 * 3_600_000;

/// Calendar months from `anchor` to `now` by year and month alone: right to within one.
fn whole_months(anchor: Timestamp, now: Timestamp) -> i32 {
    let (from, to) = (anchor.zoned(), now.zoned());
    (i32::from(to.year()) - i32::from(from.year())) * 12 + i32::from(to.month()) - i32::from(from.month())
}

/// The start of month `n` of an anchor, kept within [`Timestamp::MIN`] and [`Timestamp::MAX`].
fn nth_start(anchor: Timestamp, n: i32) -> Timestamp {
    let Ok(start) = anchor.zoned().checked_add(n.months()) else {
        return if n < 0 { Timestamp::MIN } else { Timestamp::MAX };
    };
    Timestamp(start.timestamp().as_millisecond().clamp(Timestamp::MIN.0, Timestamp::MAX.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect(text)
    }

    #[test]
    fn windows_are_counted_from_the_anchor() {
        for (anchor, now, start, end) in [
            ("2026-01-31T10:00:00Z", "2026-02-28T09:59:59Z", "2026-01-31T10:00:00Z", "2026-02-28T10:00:00Z"),
            ("2026-01-31T10:00:00Z", "2026-02-28T10:00:00Z", "2026-02-28T10:00:00Z", "2026-03-31T10:00:00Z"),
            ("2028-01-31T00:00:00Z", "2028-02-29T00:00:00Z", "2028-02-29T00:00:00Z", "2028-03-31T00:00:00Z"),
            ("2024-02-29T00:00:00Z", "2025-02-28T00:00:00Z", "2025-02-28T00:00:00Z", "2025-03-29T00:00:00Z"),
            ("2026-11-15T00:00:00Z", "2027-01-03T00:00:00Z", "2026-12-15T00:00:00Z", "2027-01-15T00:00:00Z"),
            ("2026-11-15T00:00:00Z", "2026-10-01T00:00:00Z", "2026-09-15T00:00:00Z", "2026-10-15T00:00:00Z"),
        ] {
            let window = Window::containing(at(anchor), at(now));
            assert_eq!((window.start, window.end), (at(start), at(end)), "{anchor} {now}");
            assert!(window.contains(at(now)));
            assert_eq!(window.next(at(anchor)).start, window.end);
        }
    }

    #[test]
    fn times_are_rfc_3339_in_utc() {
        assert_eq!(at("2026-11-22T13:01:00+01:00").to_string(), "2026-11-22T12:01:00Z");
        assert_eq!(at("2026-11-22T12:01:00.5Z").to_string(), "2026-11-22T12:01:00.500Z");
        assert!("2026-11-22".parse::<Timestamp>().is_err());
        assert!("1969-12-31T23:59:59Z".parse::<Timestamp>().is_err());
    }
}
