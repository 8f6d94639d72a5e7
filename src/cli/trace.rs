//! A CSV of real calls: when each began, and how many tokens its model read and wrote. Not here: what is asked
//! before and after a call.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use jiff::civil::DateTime;
use serde::Deserialize;
use serde::de::{Deserializer, Error};

use crate::domain::Credits;

/// Micro-credits of one token that the model reads.
const READ_MICROS: u64 = 3;

/// Micro-credits of one token that the model writes.
const WRITTEN_MICROS: u64 = 15;

/// The fewest tokens that an estimate expects back; else it expects a quarter of the context.
const ESTIMATE_TOKENS_MIN: u64 = 64;

/// The most calls of one trace; a row takes some 40 bytes of memory.
pub(super) const CALLS_MAX: usize = 5_000_000;

/// The most tokens of one call; above what any model takes.
const TOKENS_MAX: u64 = 100_000_000;

#[derive(Debug, Deserialize)]
struct Record {
    #[serde(rename = "TIMESTAMP", deserialize_with = "time")]
    at: DateTime,
    #[serde(rename = "ContextTokens")]
    read: u64,
    #[serde(rename = "GeneratedTokens")]
    written: u64,
}

fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<DateTime, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(|_| D::Error::custom("TIMESTAMP is not a time such as 2023-11-16 18:15:46.68"))
}

/// Real calls in the order of their times.
#[derive(Clone, Debug)]
pub(super) struct Trace {
    calls: Vec<Call>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Call {
    /// Since the first call.
    pub(super) at: Duration,
    read: u64,
    pub(super) written: u64,
}

impl Call {
    /// What it may cost, as far as its context says.
    pub(super) fn estimate(&self) -> Credits {
        credits(self.read, (self.read / 4).max(ESTIMATE_TOKENS_MIN))
    }

    /// What it has cost.
    pub(super) fn cost(&self) -> Credits {
        credits(self.read, self.written)
    }
}

fn credits(read: u64, written: u64) -> Credits {
    let micros = read * READ_MICROS + written * WRITTEN_MICROS;
    i64::try_from(micros).ok().and_then(Credits::from_micros).unwrap_or(Credits::MAX)
}

impl Trace {
    /// Reads the whole file.
    pub(super) fn read(path: &Path) -> anyhow::Result<Self> {
        let file = std::fs::File::open(path).with_context(|| format!("--trace {}", path.display()))?;
        Self::parse(file).with_context(|| format!("--trace {}", path.display()))
    }

    /// Reads what is in such a file.
    pub(super) fn parse(from: impl std::io::Read) -> anyhow::Result<Self> {
        let mut records = Vec::new();
        for (n, record) in csv::Reader::from_reader(from).deserialize().enumerate() {
            let record: Record = record.context("wanted are the columns TIMESTAMP,ContextTokens,GeneratedTokens")?;
            if record.read > TOKENS_MAX || record.written > TOKENS_MAX {
                bail!("line {}: more than {TOKENS_MAX} tokens in one call", n + 2);
            }
            if n == CALLS_MAX {
                bail!("more than {CALLS_MAX} calls; cut it");
            }
            records.push(record);
        }
        records.sort_by_key(|record| record.at);
        let Some(first) = records.first().map(|record| record.at) else { bail!("there are no calls in it") };
        let since = |at: DateTime| Duration::try_from(at.duration_since(first)).unwrap_or_default();
        let calls = records.iter().map(|r| Call { at: since(r.at), read: r.read, written: r.written });
        Ok(Self { calls: calls.collect() })
    }

    /// What all estimates come to.
    pub(super) fn expected(&self) -> Credits {
        let sum = self.calls.iter().try_fold(Credits::ZERO, |sum, call| sum.checked_add(call.estimate()));
        sum.unwrap_or(Credits::MAX)
    }

    /// How much a time of the trace has to be shorter, for the whole to take `within`.
    pub(super) fn shorter(&self, within: Duration) -> impl Fn(Duration) -> Duration + Copy + use<> {
        let span = self.calls.last().map_or(0, |call| call.at.as_micros()).max(1);
        move |time| {
            let micros = time.as_micros() * within.as_micros() / span;
            Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
        }
    }

    /// The calls, in order.
    pub(super) fn into_calls(self) -> Vec<Call> {
        self.calls
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CSV: &str = "TIMESTAMP,ContextTokens,GeneratedTokens\n\
        2023-11-16 18:15:50.5000000,396,109\n2023-11-16 18:15:46.5000000,374,44\n2023-11-16 18:15:54.5000000,0,0\n";

    #[test]
    fn a_trace_is_in_order_and_fits_the_time_given() {
        let trace = Trace::parse(CSV.as_bytes()).expect("three calls");
        assert_eq!((trace.calls.len(), trace.expected()), (3, credits(770, 93 + 99 + 64)));
        let shorter = trace.shorter(Duration::from_secs(2));
        let calls = trace.into_calls();
        let times: Vec<_> = calls.iter().map(|call| shorter(call.at).as_millis()).collect();
        assert_eq!(times, [0, 1_000, 2_000]);
        assert_eq!((calls[0].estimate(), calls[0].cost()), (credits(374, 93), credits(374, 44)));
    }

    #[test]
    fn what_is_no_trace_is_refused_with_its_line() {
        for (csv, why) in [
            ("", "no calls"),
            ("TIMESTAMP,ContextTokens,GeneratedTokens\n", "no calls"),
            ("a,b\n1,2\n", "TIMESTAMP,ContextTokens,GeneratedTokens"),
            ("TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:46,-3,1\n", "line: 2"),
            ("TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:46,3,999999999\n", "line 2"),
        ] {
            let refused = format!("{:#}", Trace::parse(csv.as_bytes()).expect_err(csv));
            assert!(refused.contains(why), "{refused}");
        }
    }
}
