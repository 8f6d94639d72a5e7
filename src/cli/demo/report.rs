//! The tables at the end of a demo. As JSON lines, every row says in `table` which one it is of.

use std::io;
use std::time::Duration;

use serde::Serialize;

use super::audit::Audit;
use super::tally::{Count, Kind, Tally};
use crate::cli::{Format, Output, Row};

#[derive(Serialize)]
struct DecisionRow {
    table: &'static str,
    call: String,
    decision: String,
    payer_or_reason: String,
    count: u64,
    credits: String,
}

impl Row for DecisionRow {
    const HEADINGS: &'static [&'static str] = &["call", "decision", "payer or reason", "count", "credits"];

    fn cells(&self) -> Vec<String> {
        let count = self.count.to_string();
        vec![self.call.clone(), self.decision.clone(), self.payer_or_reason.clone(), count, self.credits.clone()]
    }
}

#[derive(Serialize)]
struct EndRow {
    table: &'static str,
    what: String,
    count: u64,
    credits: String,
}

impl Row for EndRow {
    const HEADINGS: &'static [&'static str] = &["holds and debits afterwards", "count", "credits"];

    fn cells(&self) -> Vec<String> {
        vec![self.what.clone(), self.count.to_string(), self.credits.clone()]
    }
}

#[derive(Serialize)]
struct LatencyRow {
    table: &'static str,
    request: &'static str,
    count: u64,
    p50_micros: u64,
    p99_micros: u64,
    p999_micros: u64,
    max_micros: u64,
}

impl Row for LatencyRow {
    const HEADINGS: &'static [&'static str] = &["latency in ms", "count", "p50", "p99", "p99.9", "max"];

    fn cells(&self) -> Vec<String> {
        let times = [self.p50_micros, self.p99_micros, self.p999_micros, self.max_micros].map(millis);
        [self.request.to_owned(), self.count.to_string()].into_iter().chain(times).collect()
    }
}

#[derive(Serialize)]
struct Summary<'a> {
    table: &'static str,
    requests: u64,
    seconds: f64,
    repeats: u64,
    contradictions: u64,
    refused: u64,
    unanswered: u64,
    teams: u64,
    entries: u64,
    compared: u64,
    differences: u64,
    listed: &'a [String],
}

/// What is left of a report beside the counts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    /// How long traffic was sent.
    pub(super) took: Duration,
    /// Everything that was due was sent.
    pub(super) complete: bool,
}

/// Prints everything.
pub(super) fn print(tally: &Tally, audit: &Audit, run: Run, format: Format) -> io::Result<()> {
    let mut output = Output::stdout(format);
    output.rows(&decisions(tally))?;
    output.rows(&ends(tally, audit))?;
    output.rows(&latencies(tally))?;
    match format {
        Format::Json => output.object(&summary(tally, audit, run)),
        Format::Table => output.text(&words(tally, audit, run)),
    }
}

fn decisions(tally: &Tally) -> Vec<DecisionRow> {
    let row = |(outcome, count): (&super::tally::Outcome, &Count)| DecisionRow {
        table: "decisions",
        call: outcome.call.to_owned(),
        decision: outcome.decision.clone(),
        payer_or_reason: outcome.why.clone(),
        count: count.count,
        credits: credits(count.micros),
    };
    tally.decisions.iter().map(row).collect()
}

fn ends(tally: &Tally, audit: &Audit) -> Vec<EndRow> {
    let row = |what: &str, count: Count| EndRow {
        table: "ends",
        what: what.to_owned(),
        count: count.count,
        credits: credits(count.micros),
    };
    let counted = tally.ends.iter().map(|(what, count)| row(what, *count));
    let expired = audit.kinds.get("expired").map(|&count| EndRow {
        table: "ends",
        what: "expired, says the ledger".to_owned(),
        count,
        credits: "-".to_owned(),
    });
    let debt = (tally.debt.count > 0).then(|| row("left a debt", tally.debt));
    counted.chain(expired).chain(debt).collect()
}

fn latencies(tally: &Tally) -> Vec<LatencyRow> {
    let row = |kind: Kind| {
        let latencies = tally.latencies(kind)?;
        Some(LatencyRow {
            table: "latencies",
            request: kind.as_str(),
            count: latencies.len(),
            p50_micros: latencies.value_at_quantile(0.5),
            p99_micros: latencies.value_at_quantile(0.99),
            p999_micros: latencies.value_at_quantile(0.999),
            max_micros: latencies.max(),
        })
    };
    Kind::ALL.into_iter().filter_map(row).collect()
}

fn summary<'a>(tally: &Tally, audit: &'a Audit, run: Run) -> Summary<'a> {
    Summary {
        table: "summary",
        requests: tally.sent,
        seconds: run.took.as_secs_f64(),
        repeats: tally.repeats,
        contradictions: tally.contradictions,
        refused: tally.refused.values().sum(),
        unanswered: tally.unanswered.values().sum(),
        teams: audit.teams,
        entries: audit.entries,
        compared: audit.compared,
        differences: audit.differences,
        listed: &audit.listed,
    }
}

fn words(tally: &Tally, audit: &Audit, run: Run) -> String {
    let seconds = run.took.as_secs_f64().max(0.001);
    let mut text = format!(
        "{} requests in {seconds:.1} s, {:.0} a second; latencies count from when a request was due.\n",
        tally.sent,
        tally.sent as f64 / seconds
    );
    if !run.complete {
        text += "The server fell behind: not everything that was due was sent.\n";
    }
    text += &format!("{} repeated ids got the first answer again, {} did not.\n", tally.repeats, tally.contradictions);
    for (code, count) in &tally.refused {
        text += &format!("{count} requests were refused: {code}.\n");
    }
    for (why, count) in &tally.unanswered {
        text += &format!("{count} requests have no answer: {why}\n");
    }
    text += &format!(
        "Audit: {} numbers of {} teams recomputed from {} entries of the ledger, {} differences.\n",
        audit.compared, audit.teams, audit.entries, audit.differences
    );
    audit.listed.iter().for_each(|difference| text += &format!("  {difference}\n"));
    text
}

fn credits(micros: i128) -> String {
    let (whole, hundredths) = (micros / 1_000_000, micros % 1_000_000 / 10_000);
    format!("{whole}.{hundredths:02}")
}

fn millis(micros: u64) -> String {
    format!("{}.{:03}", micros / 1_000, micros % 1_000)
}
