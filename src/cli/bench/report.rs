//! What a benchmark prints at its end: two tables for people, one JSON object for programs.

use std::collections::BTreeMap;
use std::io;

use serde::Serialize;

use super::args::BenchArgs;
use super::tally::Tally;
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
    fn of(tally: &Tally) -> Self {
        let micros = |nanos: u64| (nanos as f64 / 100.0).round() / 10.0;
        let at = |quantile| micros(tally.latencies.value_at_quantile(quantile));
        Self { p50: at(0.5), p99: at(0.99), p999: at(0.999), max: micros(tally.latencies.max()) }
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
        let Latency { p50, p99, p999, max } = self.latency;
        let latencies = [p50, p99, p999, max].map(|micros| format!("{:.3}", micros / 1_000.0));
        [self.requests.clone(), self.decisions.clone()].into_iter().chain(latencies).collect()
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
            requests: format!("{:.0}", self.per_second(self.tally.requests)),
            decisions: format!("{:.0}", self.per_second(self.tally.measured.decisions())),
            latency: Latency::of(&self.tally),
        };
        output.rows(&[speed])?;
        output.rows(&self.outcomes())?;
        output.text(&self.words())
    }

    fn per_second(&self, count: u64) -> f64 {
        if self.seconds > 0.0 { (count as f64 / self.seconds * 10.0).round() / 10.0 } else { 0.0 }
    }

    fn whole(&self) -> Whole<'_> {
        let (args, tally) = (self.args, &self.tally);
        let charged = tally.measured.charged_micros + tally.warm_up.charged_micros;
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
            requests: tally.requests,
            requests_per_second: self.per_second(tally.requests),
            decisions: tally.measured.decisions(),
            decisions_per_second: self.per_second(tally.measured.decisions()),
            latency_micros: Latency::of(tally),
            allowed: tally.measured.allowed,
            denied: &tally.measured.denied,
            errors: &tally.measured.errors,
            charged: Amount(i64::try_from(charged).ok().and_then(Credits::from_micros).unwrap_or(Credits::MAX)),
        }
    }

    fn outcomes(&self) -> Vec<Outcome> {
        let counts = &self.tally.measured;
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
