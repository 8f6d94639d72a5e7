//! A CSV of real calls, replayed in a shorter time: before each call a hold by an estimate from its
//! context, after it a settle with the tokens that were really generated.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use jiff::civil::DateTime;
use serde::Deserialize;
use serde::de::{Deserializer, Error};

use super::job::{Job, Then};
use super::mix::Mix;
use crate::domain::Credits;

/// Micro-credits of one token that the model reads.
const READ_MICROS: u64 = 3;

/// Micro-credits of one token that the model writes.
const WRITTEN_MICROS: u64 = 15;

/// The fewest tokens that an estimate expects back; else it expects a quarter of the context.
const ESTIMATE_TOKENS_MIN: u64 = 64;

/// How long a model takes to write one token; the time between a hold and its settle.
const TOKEN_MILLIS: u64 = 20;

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
#[derive(Debug)]
pub(super) struct Trace {
    calls: Vec<Call>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Call {
    /// Since the first call.
    at: Duration,
    read: u64,
    written: u64,
}

impl Call {
    fn estimate(&self) -> Credits {
        credits(self.read, (self.read / 4).max(ESTIMATE_TOKENS_MIN))
    }

    fn cost(&self) -> Credits {
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

    fn parse(from: impl std::io::Read) -> anyhow::Result<Self> {
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

    /// The calls with their times from the start, the whole in `within`. Who calls comes from `mix`.
    pub(super) fn replay(self, within: Duration, mut mix: Mix) -> impl Iterator<Item = (Duration, Job)> {
        let span = self.calls.last().map_or(0, |call| call.at.as_micros()).max(1);
        let shorter = move |time: Duration| {
            let micros = time.as_micros() * within.as_micros() / span;
            Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
        };
        self.calls.into_iter().map(move |call| {
            let after = shorter(Duration::from_millis(call.written * TOKEN_MILLIS));
            let then = match call.written {
                0 => Then::Release { after },
                _ => Then::Settle { credits: call.cost(), after },
            };
            (shorter(call.at), mix.draw(call.estimate(), then))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::town::Town;
    use super::*;

    const CSV: &str = "TIMESTAMP,ContextTokens,GeneratedTokens\n\
        2023-11-16 18:15:50.5000000,396,109\n2023-11-16 18:15:46.5000000,374,44\n2023-11-16 18:15:54.5000000,0,0\n";

    #[test]
    fn a_trace_is_replayed_in_order_and_in_the_time_given() {
        let trace = Trace::parse(CSV.as_bytes()).expect("three calls");
        assert_eq!((trace.calls.len(), trace.expected()), (3, credits(770, 93 + 99 + 64)));
        let town = Arc::new(Town::new("demo", 1, 1, trace.expected()));
        let calls: Vec<_> = trace.replay(Duration::from_secs(2), Mix::new(town, 1, "r")).collect();
        let times: Vec<_> = calls.iter().map(|(at, _)| at.as_millis()).collect();
        assert_eq!(times, [0, 1_000, 2_000]);
        let Job::Draw(first) = &calls[0].1 else { panic!("a hold") };
        assert_eq!(first.credits, credits(374, 93));
        assert_eq!(first.then, Then::Settle { credits: credits(374, 44), after: Duration::from_millis(220) });
        let Job::Draw(last) = &calls[2].1 else { panic!("a hold") };
        assert_eq!(last.then, Then::Release { after: Duration::ZERO });
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
