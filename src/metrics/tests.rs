//! What the page of metrics promises to Prometheus.

use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::{FAMILIES, Kind, Metrics};
use crate::domain::Reason;

fn page() -> String {
    let metrics = Metrics::new();
    metrics.decisions.allowed.increment(2);
    metrics.decisions.denied(Reason::Held).increment(1);
    metrics.decisions.seconds.record(Duration::from_micros(3), 1);
    metrics.syncs("sqlite").seconds.record(0.003);
    metrics.route("/v1/teams/{team}").answered(200);
    metrics.route("/v1/teams/{team}").answered(418);
    metrics.call("purser.v1.Purser/Debit").answered(3);
    metrics.call("purser.v1.Purser/Debit").answered(17);
    metrics.run_upkeep();
    metrics.render()
}

/// Name and label names of a sample line.
fn sample(line: &str) -> (String, BTreeSet<String>) {
    let (series, _) = line.rsplit_once(' ').expect("a value");
    let Some((name, labels)) = series.split_once('{') else { return (series.to_owned(), BTreeSet::new()) };
    let labels = labels.trim_end_matches('}').split("\",").map(|label| label.split('=').next().unwrap().to_owned());
    (name.to_owned(), labels.collect())
}

#[test]
fn every_family_has_its_help_and_type() {
    let page = page();
    for family in &FAMILIES {
        let kind = format!("{:?}", family.kind).to_lowercase();
        assert_eq!(page.matches(&format!("# HELP {} {}", family.name, family.help)).count(), 1, "{}", family.name);
        assert_eq!(page.matches(&format!("# TYPE {} {kind}\n", family.name)).count(), 1, "{}", family.name);
        assert_eq!(family.kind == Kind::Counter, family.name.ends_with("_total"), "{}", family.name);
    }
}

#[test]
fn every_sample_belongs_to_a_family_and_has_its_labels() {
    let page = page();
    for line in page.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (name, mut labels) = sample(line);
        let family = FAMILIES.iter().find(|family| match family.kind {
            Kind::Histogram => {
                ["_bucket", "_sum", "_count"].iter().any(|part| name == format!("{}{part}", family.name))
            }
            _ => name == family.name,
        });
        let family = family.unwrap_or_else(|| panic!("{line}"));
        labels.remove("le");
        assert_eq!(labels, family.labels.iter().map(|label| (*label).to_owned()).collect(), "{line}");
    }
}

#[test]
fn every_metric_is_shown_before_anything_happened() {
    let metrics = Metrics::new();
    let _syncs = metrics.syncs("sqlite");
    let page = metrics.render();
    for family in FAMILIES.iter().filter(|family| !family.name.ends_with("_requests_total")) {
        assert!(page.contains(&format!("# TYPE {} ", family.name)), "{} in {page}", family.name);
    }
    for reason in Reason::ALL.map(Reason::as_str) {
        assert!(
            page.contains(&format!("purser_decisions_total{{outcome=\"deny\",reason=\"{reason}\"}} 0")),
            "{reason}"
        );
    }
}

#[test]
fn latency_is_a_histogram_from_a_microsecond_to_a_second() {
    let page = page();
    for (bound, count) in [("0.000002", 0), ("0.000005", 1), ("1", 1), ("+Inf", 1)] {
        assert!(
            page.contains(&format!("purser_decision_seconds_bucket{{le=\"{bound}\"}} {count}\n")),
            "{bound} {page}"
        );
    }
}

#[test]
fn requests_are_counted_by_route_and_status() {
    let page = page();
    assert!(page.contains("purser_http_requests_total{route=\"/v1/teams/{team}\",status=\"200\"} 1\n"), "{page}");
    assert!(page.contains("status=\"4xx\"} 1\n"), "an unusual status is counted by its class");
}

#[test]
fn two_servers_count_apart() {
    let (one, other) = (Metrics::new(), Metrics::new());
    one.clone().holds.open.increment(3.0);
    assert!(one.render().contains("purser_open_holds 3\n"));
    assert!(other.render().contains("purser_open_holds 0\n"));
}

/// Runs where promtool is installed or `PROMTOOL` names it, as `make test` does.
#[test]
fn promtool_has_nothing_to_say() {
    let promtool = std::env::var("PROMTOOL").unwrap_or_else(|_| "promtool".to_owned());
    let started = Command::new(&promtool)
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut child) = started else {
        eprintln!("left out: {promtool} cannot be started; `make test` brings it");
        return;
    };
    child.stdin.take().expect("piped").write_all(page().as_bytes()).expect("promtool reads");
    let output = child.wait_with_output().expect("promtool ends");
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && said.is_empty(), "{said}");
}
