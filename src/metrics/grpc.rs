//! Calls of the gRPC interface by how they ended. A code gets its counter with its first answer.

use std::sync::{Arc, OnceLock};

use ::metrics::{Counter, Label};
use metrics_exporter_prometheus::PrometheusRecorder;

use super::{counter, families};

/// The codes of gRPC, each at its number.
const CODES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

/// The counters of one call. Clones count into the same numbers.
#[derive(Clone)]
pub struct Call(Arc<Inner>);

struct Inner {
    recorder: Arc<PrometheusRecorder>,
    method: &'static str,
    counters: [OnceLock<Counter>; CODES.len()],
}

impl Call {
    pub(super) fn new(recorder: Arc<PrometheusRecorder>, method: &'static str) -> Self {
        Self(Arc::new(Inner { recorder, method, counters: [const { OnceLock::new() }; CODES.len()] }))
    }

    /// Counts an answer with the code of this number; one that gRPC does not have counts as `UNKNOWN`.
    pub fn answered(&self, code: usize) {
        self.answered_many(code, 1);
    }

    /// Counts so many answers with the same code.
    pub fn answered_many(&self, code: usize, answers: u64) {
        let at = if code < CODES.len() { code } else { 2 };
        let made = self.0.counters[at].get_or_init(|| {
            let labels = vec![Label::new("method", self.0.method), Label::new("code", CODES[at])];
            counter(&self.0.recorder, &families::GRPC_REQUESTS, labels)
        });
        made.increment(answers);
    }
}
