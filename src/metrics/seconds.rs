//! How long decisions take: a histogram that is counted into at once.
//!
//! The exporter's own keeps each sample, with the time at which it came, until it is put into its bucket. Many decisions come
//! together and have taken equally long: for these that would be one sample each, of memory that is used for the first time.

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::families::{DECISION_BUCKETS, DECISION_SECONDS};

/// Counts by bucket. Clones count into the same numbers.
#[derive(Clone, Default)]
pub struct DecisionSeconds(Arc<Counts>);

#[derive(Default)]
struct Counts {
    /// Each without those of the buckets before it; the last one has no bound.
    buckets: [AtomicU64; DECISION_BUCKETS.len() + 1],
    nanos: AtomicU64,
}

impl DecisionSeconds {
    /// Counts decisions that have taken so long, each of them.
    pub fn record(&self, took: Duration, decisions: u64) {
        let seconds = took.as_secs_f64();
        let at = DECISION_BUCKETS.partition_point(|bound| *bound < seconds);
        self.0.buckets[at].fetch_add(decisions, Ordering::Relaxed);
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.0.nanos.fetch_add(nanos.saturating_mul(decisions), Ordering::Relaxed);
    }

    /// Adds it to the page of metrics, in Prometheus' text format.
    pub(super) fn render(&self, page: &mut String) {
        let (name, mut count) = (DECISION_SECONDS.name, 0);
        let mut line = |line: std::fmt::Arguments<'_>| writeln!(page, "{line}").expect("a text grows");
        line(format_args!("# HELP {name} {}", DECISION_SECONDS.help));
        line(format_args!("# TYPE {name} histogram"));
        let bounds = DECISION_BUCKETS.iter().map(ToString::to_string).chain(["+Inf".to_owned()]);
        for (bound, bucket) in bounds.zip(&self.0.buckets) {
            count += bucket.load(Ordering::Relaxed);
            line(format_args!("{name}_bucket{{le=\"{bound}\"}} {count}"));
        }
        let sum = Duration::from_nanos(self.0.nanos.load(Ordering::Relaxed)).as_secs_f64();
        line(format_args!("{name}_sum {sum}"));
        line(format_args!("{name}_count {count}\n"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_belongs_to_its_bucket_and_many_count_as_often_as_they_are() {
        let seconds = DecisionSeconds::default();
        seconds.record(Duration::ZERO, 1);
        seconds.record(Duration::from_micros(2), 3);
        seconds.record(Duration::from_nanos(2_001), 5);
        seconds.record(Duration::from_secs(7), 2);
        let mut page = String::new();
        seconds.render(&mut page);
        for (bound, count) in [("0.000001", 1), ("0.000002", 4), ("0.000005", 9), ("1", 9), ("+Inf", 11)] {
            let line = format!("purser_decision_seconds_bucket{{le=\"{bound}\"}} {count}\n");
            assert!(page.contains(&line), "{line} in {page}");
        }
        assert!(page.contains("purser_decision_seconds_sum 14.000016005\n"), "{page}");
        assert!(page.ends_with("purser_decision_seconds_count 11\n\n"), "{page}");
    }
}
