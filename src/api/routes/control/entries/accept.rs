//! Which format a caller accepts (RFC 9110, 12.5.1).

use http::HeaderMap;
use http::header::ACCEPT;

use crate::api::problem::{Code, Problem};

/// How entries are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A page as one JSON object.
    Json,
    /// One JSON object a line.
    Ndjson,
    /// Comma-separated values (RFC 4180) with a header line.
    Csv,
}

impl Format {
    /// In the order in which they are given to who has no preference.
    const ALL: [Self; 3] = [Self::Json, Self::Ndjson, Self::Csv];

    const fn essence(self) -> (&'static str, &'static str) {
        match self {
            Self::Json => ("application", "json"),
            Self::Ndjson => ("application", "x-ndjson"),
            Self::Csv => ("text", "csv"),
        }
    }

    /// The answer's `Content-Type`.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Ndjson => "application/x-ndjson",
            Self::Csv => "text/csv; charset=utf-8; header=present",
        }
    }
}

/// The format that the caller likes best; JSON for who names none.
///
/// # Errors
/// `not_acceptable` where it takes none of them.
pub fn format(headers: &HeaderMap) -> Result<Format, Problem> {
    let values = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let ranges: Vec<Range<'_>> = values.flat_map(|value| value.split(',')).filter_map(Range::read).collect();
    if ranges.is_empty() {
        return Ok(Format::Json);
    }
    let weighed = Format::ALL.into_iter().map(|format| (weight(&ranges, format), format));
    // The first of equals: `max_by` would answer the last.
    let best = weighed.rev().max_by_key(|(weight, _)| *weight);
    match best {
        Some((weight, format)) if weight > 0 => Ok(format),
        _ => Err(Problem::new(
            Code::NotAcceptable,
            "Entries are written as application/json, application/x-ndjson or text/csv; accept one of them.",
        )),
    }
}

/// One media range of an `Accept` header.
struct Range<'a> {
    kind: &'a str,
    subtype: &'a str,
    /// `q` in thousandths.
    weight: u16,
}

impl<'a> Range<'a> {
    /// `None` for an empty element of the list; what cannot be read is matched by nothing.
    fn read(text: &'a str) -> Option<Self> {
        let mut parts = text.split(';').map(str::trim);
        let essence = parts.next().filter(|essence| !essence.is_empty())?;
        let (kind, subtype) = essence.split_once('/').unwrap_or((essence, ""));
        let q = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
        Some(Self { kind, subtype, weight: q.map_or(1_000, thousandths) })
    }

    /// How exactly it names a format; `None`: not at all.
    fn matches(&self, format: Format) -> Option<u8> {
        let (kind, subtype) = format.essence();
        match (self.kind, self.subtype) {
            ("*", "*") => Some(0),
            (own, "*") if own.eq_ignore_ascii_case(kind) => Some(1),
            (own, sub) if own.eq_ignore_ascii_case(kind) && sub.eq_ignore_ascii_case(subtype) => Some(2),
            _ => None,
        }
    }
}

/// The weight of the range that names a format most exactly.
fn weight(ranges: &[Range<'_>], format: Format) -> u16 {
    let matching = ranges.iter().filter_map(|range| Some((range.matches(format)?, range.weight)));
    matching.max().map_or(0, |(_, weight)| weight)
}

/// A weight such as `0.8` in thousandths; one that cannot be read counts as 1.
fn thousandths(q: &str) -> u16 {
    let (whole, fraction) = q.split_once('.').unwrap_or((q, ""));
    let digits = format!("{fraction:0<3}");
    match (whole, digits.get(..3).and_then(|digits| digits.parse().ok())) {
        ("0", Some(thousandths)) => thousandths,
        _ => 1_000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_that_is_liked_best_is_given() {
        for (accept, expected) in [
            (None, Some(Format::Json)),
            (Some(""), Some(Format::Json)),
            (Some("*/*"), Some(Format::Json)),
            (Some("application/json"), Some(Format::Json)),
            (Some("application/x-ndjson"), Some(Format::Ndjson)),
            (Some("text/csv"), Some(Format::Csv)),
            (Some("TEXT/CSV; charset=utf-8"), Some(Format::Csv)),
            (Some("text/*"), Some(Format::Csv)),
            (Some("text/html, */*;q=0.1"), Some(Format::Json)),
            (Some("application/json;q=0.5, text/csv;q=0.9"), Some(Format::Csv)),
            (Some("application/json;q=0, */*;q=0.5"), Some(Format::Ndjson)),
            (Some("application/*;q=0.2, text/csv;q=0.25"), Some(Format::Csv)),
            (Some("text/html"), None),
            (Some("text/csv;q=0"), None),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(accept) = accept {
                headers.insert(ACCEPT, accept.parse().expect("a value"));
            }
            assert_eq!(format(&headers).ok(), expected, "{accept:?}");
        }
    }
}
