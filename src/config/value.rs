//! One value as it was given, and the readers that turn it into what a key holds.
//!
//! A reader answers what is wrong as the rest of a sentence that begins with the key:
//! `"is 3; allowed are 10 to 100"`.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// A value before its key is known to want it.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Given {
    Text(String),
    Integer(i64),
    Boolean(bool),
    List(Vec<String>),
    /// Something that no key takes, by its name in TOML.
    Other(&'static str),
}

impl Given {
    fn kind(&self) -> String {
        match self {
            Self::Text(text) => format!("is the text {text:?}"),
            Self::Integer(number) => format!("is the number {number}"),
            Self::Boolean(truth) => format!("is {truth}"),
            Self::List(_) => "is a list".to_owned(),
            Self::Other(name) => format!("is a {name}"),
        }
    }
}

/// A whole number within a range.
pub(super) fn count<T>(given: &Given, allowed: RangeInclusive<T>) -> Result<T, String>
where
    T: TryFrom<i64> + PartialOrd + Display,
{
    let limits = format!("allowed are whole numbers from {} to {}", allowed.start(), allowed.end());
    let Given::Integer(number) = given else {
        return Err(format!("{}; {limits}", given.kind()));
    };
    match T::try_from(*number) {
        Ok(value) if allowed.contains(&value) => Ok(value),
        _ => Err(format!("is {number}; {limits}")),
    }
}

/// A size: a number of bytes, or a text with a unit such as `"64KiB"`.
pub(super) fn bytes(given: &Given, allowed: RangeInclusive<u64>) -> Result<u64, String> {
    let limits = format!("allowed are {} to {}", bytes_text(*allowed.start()), bytes_text(*allowed.end()));
    let size = match given {
        Given::Integer(number) => u64::try_from(*number).ok(),
        Given::Text(text) => parse_unit(text, &[("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("B", 1)]),
        _ => None,
    };
    match size {
        Some(size) if allowed.contains(&size) => Ok(size),
        Some(size) => Err(format!("is {}; {limits}", bytes_text(size))),
        None => Err(format!("{}; write bytes as a number or a text such as \"64KiB\"; {limits}", given.kind())),
    }
}

/// A duration: a text with a unit such as `"10ms"`, `"60s"`, `"5m"` or `"24h"`.
pub(super) fn duration(given: &Given, allowed: RangeInclusive<Duration>) -> Result<Duration, String> {
    let limits = format!("allowed are {} to {}", duration_text(*allowed.start()), duration_text(*allowed.end()));
    let millis = match given {
        Given::Text(text) => parse_unit(text, &[("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)]),
        _ => None,
    };
    match millis.map(Duration::from_millis) {
        Some(value) if allowed.contains(&value) => Ok(value),
        Some(value) => Err(format!("is {}; {limits}", duration_text(value))),
        None => Err(format!("{}; write a whole number with ms, s, m or h such as \"10ms\"; {limits}", given.kind())),
    }
}

/// `true` or `false`.
pub(super) fn truth(given: &Given) -> Result<bool, String> {
    match given {
        Given::Boolean(truth) => Ok(*truth),
        _ => Err(format!("{}; allowed are true and false", given.kind())),
    }
}

/// A text that is not empty.
pub(super) fn text(given: &Given) -> Result<String, String> {
    match given {
        Given::Text(text) if text.is_empty() => Err("is empty".to_owned()),
        Given::Text(text) => Ok(text.clone()),
        _ => Err(format!("{}; a text is wanted", given.kind())),
    }
}

/// The path of a file or a folder.
pub(super) fn path(given: &Given) -> Result<PathBuf, String> {
    text(given).map(PathBuf::from)
}

/// A text with a form of its own.
pub(super) fn parsed<T: FromStr<Err = String>>(given: &Given) -> Result<T, String> {
    text(given)?.parse()
}

/// A list of such texts, or a single one.
pub(super) fn list<T: FromStr<Err = String>>(given: &Given, entries_max: usize) -> Result<Vec<T>, String> {
    let texts = match given {
        Given::Text(text) => std::slice::from_ref(text),
        Given::List(texts) => texts.as_slice(),
        _ => return Err(format!("{}; a text or a list of texts is wanted", given.kind())),
    };
    if texts.is_empty() || texts.len() > entries_max {
        return Err(format!("has {} entries; allowed are 1 to {entries_max}", texts.len()));
    }
    texts.iter().map(|text| text.parse()).collect()
}

/// A whole number with one of the units; `None` for anything else, also above 64 bits.
fn parse_unit(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit.trim_start())?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

/// A duration as the configuration writes it, with the largest unit that divides it.
pub(super) fn duration_text(value: Duration) -> String {
    let millis = u64::try_from(value.as_millis()).unwrap_or(u64::MAX);
    let units = [("h", 3_600_000), ("m", 60_000), ("s", 1_000)];
    match units.iter().find(|(_, factor)| millis > 0 && millis.is_multiple_of(*factor)) {
        Some((unit, factor)) => format!("{}{unit}", millis / factor),
        None => format!("{millis}ms"),
    }
}

/// A size as the configuration writes it, with the largest unit that divides it.
pub(super) fn bytes_text(value: u64) -> String {
    let units = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    match units.iter().find(|(_, factor)| value > 0 && value.is_multiple_of(*factor)) {
        Some((unit, factor)) => format!("{}{unit}", value / factor),
        None => format!("{value}B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text_of(text: &str) -> Given {
        Given::Text(text.to_owned())
    }

    #[test]
    fn durations_have_a_unit_and_read_back_as_written() {
        let all = Duration::ZERO..=Duration::from_secs(1_000_000);
        for (text, millis) in [("10ms", 10), ("60s", 60_000), ("5 m", 300_000), ("24h", 86_400_000), ("0ms", 0)] {
            let value = duration(&text_of(text), all.clone()).expect(text);
            assert_eq!(value.as_millis(), millis, "{text}");
            assert_eq!(duration(&text_of(&duration_text(value)), all.clone()), Ok(value));
        }
        for bad in ["", "10", "ms", "1.5s", "-1s", "10 sec", "99999999999999999999s", "99999999999999h"] {
            assert!(duration(&text_of(bad), all.clone()).is_err(), "{bad}");
        }
        assert!(duration(&Given::Integer(10), all).is_err());
    }

    #[test]
    fn sizes_are_bytes_or_have_a_unit() {
        let all = 0..=u64::MAX;
        for (text, size) in [("64KiB", 65_536), ("1 MiB", 1 << 20), ("4GiB", 4 << 30), ("7B", 7)] {
            assert_eq!(bytes(&text_of(text), all.clone()), Ok(size), "{text}");
            assert_eq!(bytes(&text_of(&bytes_text(size)), all.clone()), Ok(size));
        }
        assert_eq!(bytes(&Given::Integer(12), all.clone()), Ok(12));
        for bad in ["64", "64KB", "1.5MiB", "-1B", "99999999999GiB"] {
            assert!(bytes(&text_of(bad), all.clone()).is_err(), "{bad}");
        }
    }

    #[test]
    fn refusals_say_what_is_allowed() {
        for (got, wanted) in [
            (count(&Given::Integer(0), 1..=9_u32).map(|_| ()), "is 0; allowed are whole numbers from 1 to 9"),
            (count(&text_of("4"), 1..=9_u32).map(|_| ()), "is the text \"4\"; allowed are whole numbers from 1 to 9"),
            (truth(&Given::Integer(1)).map(|_| ()), "is the number 1; allowed are true and false"),
            (bytes(&Given::Integer(1), 1024..=2048).map(|_| ()), "is 1B; allowed are 1KiB to 2KiB"),
            (text(&text_of("")).map(|_| ()), "is empty"),
        ] {
            assert_eq!(got, Err(wanted.to_owned()));
        }
    }
}
