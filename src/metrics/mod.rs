//! Every metric: made once, described once, handed on as handles.
//!
//! [`Metrics`] is made at the start and cloned to whoever counts; a handle is an atomic, so counting
//! takes no lock and looks nothing up. There is no global recorder: two servers in one process, as in
//! tests, count apart. What each metric means stands in [`FAMILIES`].
//!
//! Not here: the HTTP route that serves [`Metrics::render`], and the loop that calls
//! [`Metrics::run_upkeep`] every [`UPKEEP_INTERVAL`].

mod blocks;
mod ends;
mod families;
mod grpc;
mod http;
mod leases;
mod seconds;
mod syncs;

pub use blocks::Blocks;
pub use ends::Ends;
pub use families::{DECISION_BUCKETS, FAMILIES, Family, Kind, SYNC_BUCKETS};
pub use grpc::Call;
pub use http::Route;
pub use leases::Leases;
pub use seconds::DecisionSeconds;
pub use syncs::Syncs;

use std::sync::Arc;
use std::time::Duration;

use ::metrics::{Counter, Gauge, Key, KeyName, Label, Level, Metadata, Recorder as _, SharedString};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

use crate::domain::Reason;

/// How often [`Metrics::run_upkeep`] must run: samples of the syncs' histogram are kept one by one until then.
pub const UPKEEP_INTERVAL: Duration = Duration::from_secs(1);

/// All metrics of one server. Clones count into the same numbers.
#[derive(Clone)]
pub struct Metrics {
    recorder: Arc<PrometheusRecorder>,
    handle: PrometheusHandle,
    /// What was decided.
    pub decisions: Decisions,
    /// Credits set aside.
    pub holds: Holds,
    /// The way to the store.
    pub flush: Flush,
    /// What is lent to this sidecar.
    pub leases: Leases,
    /// Operations that met several sidecars.
    pub ends: Ends,
    /// What is borrowed of a lender beside the store.
    pub blocks: Blocks,
    /// The local file of entries.
    pub journal: Journal,
    /// What the books hold, computed now and then.
    pub books: Books,
    /// Connections of the HTTP interface.
    pub connections: Connections,
    /// Times that the machine's clock was set back; set from `Clock::steps`.
    pub clock_steps: Counter,
}

/// What was decided.
#[derive(Clone)]
pub struct Decisions {
    /// Decisions that allow.
    pub allowed: Counter,
    denied: [Counter; Reason::ALL.len()],
    /// Seconds from reading a request to a durable decision.
    pub seconds: DecisionSeconds,
}

impl Decisions {
    /// Decisions that deny for this reason.
    pub fn denied(&self, reason: Reason) -> &Counter {
        &self.denied[reason as usize]
    }
}

const _: () = {
    let mut n = 0;
    while n < Reason::ALL.len() {
        assert!(Reason::ALL[n] as usize == n, "a reason's counter is found by its place in the list");
        n += 1;
    }
};

/// Credits set aside.
#[derive(Clone)]
pub struct Holds {
    /// Holds that have not ended.
    pub open: Gauge,
    /// Holds ended by a settle.
    pub settled: Counter,
    /// Holds ended by a release.
    pub released: Counter,
    /// Holds ended by their expiry.
    pub expired: Counter,
    /// Settles priced by the rate card in force, because the hold's is lost.
    pub repriced: Counter,
    /// Holds whose call was answered and did not tell what it used.
    pub untold: Counter,
}

/// The way to the store.
#[derive(Clone)]
pub struct Flush {
    /// Credits spent that the store has not confirmed.
    pub unflushed_credits: Gauge,
    /// Entries that the store has not confirmed.
    pub unflushed_entries: Gauge,
    /// Age in seconds of the oldest of them, 0 without any.
    pub lag_seconds: Gauge,
}

/// The local file of entries.
#[derive(Clone)]
pub struct Journal {
    /// Bytes of all its files.
    pub bytes: Gauge,
    /// 1 once it failed, else 0.
    pub failed: Gauge,
    /// Seconds that loading the store's rows, before the replay, took at the start.
    pub load_seconds: Gauge,
    /// Seconds that the replay at the start took.
    pub replay_seconds: Gauge,
}

/// What the books hold.
#[derive(Clone)]
pub struct Books {
    /// Credits of debt.
    pub debt_credits: Gauge,
    /// Balances that differ from the ledger.
    pub audit_differences: Gauge,
    /// Operation ids remembered.
    pub remembered_operations: Gauge,
    /// Age in seconds of the oldest of them.
    pub remembered_age_seconds: Gauge,
}

/// Connections of the HTTP interface.
#[derive(Clone)]
pub struct Connections {
    /// Open ones.
    pub open: Gauge,
    /// Closed at once because too many were open.
    pub refused: Counter,
}

impl Metrics {
    /// Makes every handle, so that every metric is shown from the start with 0. Only the requests
    /// come with their first answer, and the syncs with their store.
    pub fn new() -> Self {
        let syncs = Matcher::Full(families::SYNC_SECONDS.name.to_owned());
        let builder = PrometheusBuilder::new().upkeep_timeout(UPKEEP_INTERVAL);
        let builder = builder.set_buckets_for_metric(syncs, &SYNC_BUCKETS).expect("there are buckets");
        let recorder = builder.build_recorder();
        for family in FAMILIES.iter().filter(|family| family.name != families::DECISION_SECONDS.name) {
            describe(&recorder, family);
        }
        gauge(&recorder, &families::BUILD_INFO, vec![Label::new("version", env!("CARGO_PKG_VERSION"))]).set(1.0);
        Self {
            decisions: Decisions::new(&recorder),
            holds: Holds::new(&recorder),
            flush: Flush::new(&recorder),
            leases: Leases::new(&recorder),
            ends: Ends::new(&recorder),
            blocks: Blocks::new(&recorder),
            journal: Journal::new(&recorder),
            books: Books::new(&recorder),
            connections: Connections {
                open: gauge(&recorder, &families::CONNECTIONS, vec![]),
                refused: counter(&recorder, &families::CONNECTIONS_REFUSED, vec![]),
            },
            clock_steps: counter(&recorder, &families::CLOCK_STEPS, vec![]),
            handle: recorder.handle(),
            recorder: Arc::new(recorder),
        }
    }

    /// The page of `/metrics`, in Prometheus' text format.
    pub fn render(&self) -> String {
        let mut page = self.handle.render();
        self.decisions.seconds.render(&mut page);
        page
    }

    /// Moves the samples of histograms into their buckets.
    pub fn run_upkeep(&self) {
        self.handle.run_upkeep();
    }

    /// The syncs with one store; make it once, where the loop is made.
    pub fn syncs(&self, store: &'static str) -> Syncs {
        Syncs::new(&self.recorder, store)
    }

    /// The counters of one route of the HTTP interface; make it once, where the route is made.
    pub fn route(&self, route: impl Into<SharedString>) -> Route {
        Route::new(Arc::clone(&self.recorder), route.into())
    }

    /// The counters of one call of the gRPC interface.
    pub fn call(&self, method: &'static str) -> Call {
        Call::new(Arc::clone(&self.recorder), method)
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Decisions {
    fn new(recorder: &PrometheusRecorder) -> Self {
        let of = |outcome: &'static str, reason: &'static str| {
            let labels = vec![Label::new("outcome", outcome), Label::new("reason", reason)];
            counter(recorder, &families::DECISIONS, labels)
        };
        Self {
            allowed: of("allow", "none"),
            denied: Reason::ALL.map(|reason| of("deny", reason.as_str())),
            seconds: DecisionSeconds::default(),
        }
    }
}

impl Holds {
    fn new(recorder: &PrometheusRecorder) -> Self {
        let ends = |kind: &'static str| counter(recorder, &families::HOLD_ENDS, vec![Label::new("kind", kind)]);
        Self {
            open: gauge(recorder, &families::OPEN_HOLDS, vec![]),
            settled: ends("settle"),
            released: ends("release"),
            expired: ends("expire"),
            repriced: counter(recorder, &families::HOLDS_REPRICED, vec![]),
            untold: counter(recorder, &families::HOLDS_UNTOLD, vec![]),
        }
    }
}

impl Flush {
    fn new(recorder: &PrometheusRecorder) -> Self {
        Self {
            unflushed_credits: gauge(recorder, &families::UNFLUSHED_CREDITS, vec![]),
            unflushed_entries: gauge(recorder, &families::UNFLUSHED_ENTRIES, vec![]),
            lag_seconds: gauge(recorder, &families::FLUSH_LAG, vec![]),
        }
    }
}

impl Journal {
    fn new(recorder: &PrometheusRecorder) -> Self {
        Self {
            bytes: gauge(recorder, &families::JOURNAL_BYTES, vec![]),
            failed: gauge(recorder, &families::JOURNAL_FAILED, vec![]),
            load_seconds: gauge(recorder, &families::LOAD_SECONDS, vec![]),
            replay_seconds: gauge(recorder, &families::REPLAY_SECONDS, vec![]),
        }
    }
}

impl Books {
    fn new(recorder: &PrometheusRecorder) -> Self {
        Self {
            debt_credits: gauge(recorder, &families::DEBT_CREDITS, vec![]),
            audit_differences: gauge(recorder, &families::AUDIT_DIFFERENCES, vec![]),
            remembered_operations: gauge(recorder, &families::REMEMBERED_OPERATIONS, vec![]),
            remembered_age_seconds: gauge(recorder, &families::REMEMBERED_AGE, vec![]),
        }
    }
}

const METADATA: Metadata<'static> = Metadata::new("purser", Level::INFO, None);

fn counter(recorder: &PrometheusRecorder, family: &Family, labels: Vec<Label>) -> Counter {
    debug_assert!(family.kind == Kind::Counter && family.labels.len() == labels.len(), "{}", family.name);
    recorder.register_counter(&Key::from_parts(family.name, labels), &METADATA)
}

fn gauge(recorder: &PrometheusRecorder, family: &Family, labels: Vec<Label>) -> Gauge {
    debug_assert!(family.kind == Kind::Gauge && family.labels.len() == labels.len(), "{}", family.name);
    recorder.register_gauge(&Key::from_parts(family.name, labels), &METADATA)
}

fn describe(recorder: &PrometheusRecorder, family: &Family) {
    let (name, help) = (KeyName::from_const_str(family.name), SharedString::const_str(family.help));
    match family.kind {
        Kind::Counter => recorder.describe_counter(name, Some(family.unit), help),
        Kind::Gauge => recorder.describe_gauge(name, Some(family.unit), help),
        Kind::Histogram => recorder.describe_histogram(name, Some(family.unit), help),
    }
}

#[cfg(test)]
mod tests;
