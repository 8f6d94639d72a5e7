//! What a benchmark prints at its end: two tables for people, one JSON object for programs.

use std::collections::BTreeMap;
use std::io;

use serde::Serialize;

use super::args::BenchArgs;
use super::tally::{Measured, Tally};
use crate::api::wire::Amount;
use crate::cli::{Format, Output, Row};
use crate::domain::Credits;

/// One run.
#[derive(Debug)]
pub(super) struct Run<'a> {
    pub(super) args: &'a BenchArgs,
    /// Where requests went.
    pub(super) target: String,
    /// What the ids of its teams begin with.
    pub(super) prefix: &'a str,
    /// How long was measured.
    pub(super) seconds: f64,
    /// Everything that was due was sent and answered, to the end.
    pub(super) complete: bool,
    pub(super) tally: Tally,
    /// All that was measured.
    pub(super) all: Measured,
}

#[derive(Serialize)]
struct Whole<'a> {
    via: &'static str,
    target: &'a str,
    prefix: &'a str,
    connections: u32,
    in_flight: u32,
    rows: u32,
    rate: Option<u32>,
    threads: u32,
    teams: u32,
    members: u32,
    seed: u64,
    seconds: f64,
    complete: bool,
    requests: u64,
    requests_per_second: f64,
    decisions: u64,
    decisions_per_second: f64,
    latency_micros: Latency,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    parts: Vec<Part>,
    allowed: u64,
    denied: &'a BTreeMap<String, u64>,
    errors: &'a BTreeMap<String, u64>,
    /// Of all that was allowed, also while warming up.
    charged: Amount,
}

#[derive(Clone, Copy, Serialize)]
struct Latency {
    p50: f64,
    p99: f64,
    #[serde(rename = "p99.9")]
    p999: f64,
    max: f64,
}

impl Latency {
    fn of(measured: &Measured) -> Self {
        let micros = |nanos: u64| (nanos as f64 / 100.0).round() / 10.0;
        let at = |quantile| micros(measured.latencies.value_at_quantile(quantile));
        Self { p50: at(0.5), p99: at(0.99), p999: at(0.999), max: micros(measured.latencies.max()) }
    }

    fn cells(self) -> impl Iterator<Item = String> {
        [self.p50, self.p99, self.p999, self.max].into_iter().map(|micros| format!("{:.3}", micros / 1_000.0))
    }
}

#[derive(Serialize)]
struct Speed {
    requests: String,
    decisions: String,
    latency: Latency,
}

impl Row for Speed {
    const HEADINGS: &'static [&'static str] = &["requests/s", "decisions/s", "p50 ms", "p99 ms", "p99.9 ms", "max ms"];

    fn cells(&self) -> Vec<String> {
        [self.requests.clone(), self.decisions.clone()].into_iter().chain(self.latency.cells()).collect()
    }
}

/// A part of what was measured.
#[derive(Serialize)]
struct Part {
    /// Since measuring began.
    from_seconds: u32,
    requests_per_second: f64,
    decisions_per_second: f64,
    latency_micros: Latency,
}

impl Row for Part {
    const HEADINGS: &'static [&'static str] =
        &["from s", "requests/s", "decisions/s", "p50 ms", "p99 ms", "p99.9 ms", "max ms"];

    fn cells(&self) -> Vec<String> {
        let speeds = [self.requests_per_second, self.decisions_per_second].map(|speed| format!("{speed:.0}"));
        let cells = std::iter::once(self.from_seconds.to_string()).chain(speeds);
        cells.chain(self.latency_micros.cells()).collect()
    }
}

#[derive(Serialize)]
struct Outcome {
    answer: String,
    count: u64,
    percent: String,
}

impl Row for Outcome {
    const HEADINGS: &'static [&'static str] = &["answer", "debits", "%"];

    fn cells(&self) -> Vec<String> {
        vec![self.answer.clone(), self.count.to_string(), self.percent.clone()]
    }
}

impl Run<'_> {
    /// Prints everything.
    pub(super) fn print(&self, format: Format) -> io::Result<()> {
        let mut output = Output::stdout(format);
        if format == Format::Json {
            return output.object(&self.whole());
        }
        let speed = Speed {
            requests: format!("{:.0}", per_second(self.all.requests, self.seconds)),
            decisions: format!("{:.0}", per_second(self.all.counts.decisions(), self.seconds)),
            latency: Latency::of(&self.all),
        };
        output.rows(&[speed])?;
        if self.args.every.is_some() {
            output.rows(&self.parts())?;
        }
        output.rows(&self.outcomes())?;
        output.text(&self.words())
    }

    /// Those that have begun, where parts were asked for.
    fn parts(&self) -> Vec<Part> {
        let Some(every) = self.args.every else { return Vec::new() };
        let part = |(number, measured): (u32, &Measured)| {
            let from_seconds = number * every;
            let seconds = (self.seconds - f64::from(from_seconds)).min(every.into());
            (seconds > 0.0).then(|| Part {
                from_seconds,
                requests_per_second: per_second(measured.requests, seconds),
                decisions_per_second: per_second(measured.counts.decisions(), seconds),
                latency_micros: Latency::of(measured),
            })
        };
        (0..).zip(&self.tally.parts).filter_map(part).collect()
    }

    fn whole(&self) -> Whole<'_> {
        let (args, Measured { counts, requests, .. }) = (self.args, &self.all);
        let charged = counts.charged_micros + self.tally.warm_up.charged_micros;
        Whole {
            via: args.via.as_str(),
            target: &self.target,
            prefix: self.prefix,
            connections: args.connections,
            in_flight: args.in_flight(),
            rows: args.rows(),
            rate: args.rate,
            threads: args.threads,
            teams: args.teams,
            members: args.members,
            seed: args.seed,
            seconds: (self.seconds * 1_000.0).round() / 1_000.0,
            complete: self.complete,
            requests: *requests,
            requests_per_second: per_second(*requests, self.seconds),
            decisions: counts.decisions(),
            decisions_per_second: per_second(counts.decisions(), self.seconds),
            latency_micros: Latency::of(&self.all),
            parts: self.parts(),
            allowed: counts.allowed,
            denied: &counts.denied,
            errors: &counts.errors,
            charged: Amount(i64::try_from(charged).ok().and_then(Credits::from_micros).unwrap_or(Credits::MAX)),
        }
    }

    fn outcomes(&self) -> Vec<Outcome> {
        let counts = &self.all.counts;
        let all = counts.decisions() + counts.errors.values().sum::<u64>();
        let row = |answer: String, count: u64| Outcome {
            answer,
            count,
            percent: format!("{:.2}", count as f64 * 100.0 / all.max(1) as f64),
        };
        let denied = counts.denied.iter().map(|(reason, count)| row(format!("denied: {reason}"), *count));
        let errors = counts.errors.iter().map(|(why, count)| row(format!("error: {why}"), *count));
        std::iter::once(row("allowed".to_owned(), counts.allowed)).chain(denied).chain(errors).collect()
    }

    fn words(&self) -> String {
        let args = self.args;
        let from = match (args.rate, &args.trace) {
            (None, None) => "when a request was sent, each after an answer",
            _ => "when a request was due",
        };
        let mut text = format!(
            "{} over {} connections of {} in flight to {}, {:.1} s measured; latencies count from {from}.\n",
            args.via.as_str(),
            args.connections,
            args.in_flight(),
            self.target,
            self.seconds
        );
        if !self.complete {
            text += "It ended early, or the server fell behind: not everything that was due was sent and answered.\n";
        }
        text + &format!("The {} teams {}-team-... stay, with their ledger.\n", args.teams, self.prefix)
    }
}

fn per_second(count: u64, seconds: f64) -> f64 {
    if seconds > 0.0 { (count as f64 / seconds * 10.0).round() / 10.0 } else { 0.0 }
}
