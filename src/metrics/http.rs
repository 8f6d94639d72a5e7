//! Requests by route and status. A status gets its counter with its first answer, so that the page
//! holds no series for answers that never come.

use std::sync::{Arc, OnceLock};

use ::metrics::{Counter, Label, SharedString};
use metrics_exporter_prometheus::PrometheusRecorder;

use super::{counter, families};

/// Every status that is counted apart; the label of any other is its class, such as `4xx`.
const STATUSES: [&str; 23] = [
    "200", "201", "202", "204", "304", "400", "401", "402", "403", "404", "405", "406", "408", "409", "413", "414",
    "415", "422", "429", "431", "500", "503", "504",
];

/// Labels of the classes, by the first digit of the status less one.
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// The counters of one route. Clones count into the same numbers.
#[derive(Clone)]
pub struct Route(Arc<Inner>);

struct Inner {
    recorder: Arc<PrometheusRecorder>,
    route: SharedString,
    counters: [OnceLock<Counter>; STATUSES.len() + CLASSES.len()],
}

impl Route {
    pub(super) fn new(recorder: Arc<PrometheusRecorder>, route: SharedString) -> Self {
        Self(Arc::new(Inner { recorder, route, counters: [const { OnceLock::new() }; STATUSES.len() + CLASSES.len()] }))
    }

    /// Counts an answer with this status.
    pub fn answered(&self, status: u16) {
        let listed = STATUSES.iter().position(|known| known.parse() == Ok(status));
        let class = usize::from(status / 100).clamp(1, CLASSES.len()) - 1;
        let at = listed.unwrap_or(STATUSES.len() + class);
        let made = self.0.counters[at].get_or_init(|| {
            let status = if listed.is_some() { STATUSES[at] } else { CLASSES[class] };
            let labels = vec![Label::new("route", self.0.route.clone()), Label::new("status", status)];
            counter(&self.0.recorder, &families::HTTP_REQUESTS, labels)
        });
        made.increment(1);
    }
}
