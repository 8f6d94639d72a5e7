//! The tending loop: enters the expiries of holds that are due, forgets old operations, and shows
//! what stands. No decision waits for it: a lapsed hold counts as returned by itself.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::clock::Clock;
use crate::engine::JournalLog;
use crate::engine::balance::Totals;
use crate::engine::meter::Meter;
use crate::metrics::Metrics;

/// Scopes tended before other tasks get their turn.
const TURN_SCOPES: usize = 1_024;

/// Tends all scopes every `interval` until `stop` says so.
pub async fn run(
    meter: Arc<Meter<JournalLog>>,
    clock: Clock,
    metrics: Metrics,
    interval: Duration,
    mut stop: oneshot::Receiver<()>,
) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(interval) => {}
            _ = &mut stop => return,
        }
        step(&meter, &clock, &metrics).await;
    }
}

async fn step(meter: &Meter<JournalLog>, clock: &Clock, metrics: &Metrics) {
    let now = clock.now();
    let mut totals = meter.totals(now);
    for (index, scope) in meter.scopes().iter().enumerate() {
        let expired = meter.tend(scope, now, &mut totals);
        metrics.holds.expired.increment(expired as u64);
        if index % TURN_SCOPES == TURN_SCOPES - 1 {
            tokio::task::yield_now().await;
        }
    }
    show(&totals, clock, metrics);
    if let Some(journal) = meter.log().journal() {
        // Expiries wait for nobody; they are written with the next entry or here.
        let written = journal.write();
        metrics.journal.failed.set(if written.is_err() { 1.0 } else { 0.0 });
        metrics.journal.bytes.set(journal.stats().bytes_on_disk as f64);
    }
    metrics.clock_steps.absolute(clock.steps());
}

fn show(totals: &Totals, clock: &Clock, metrics: &Metrics) {
    metrics.holds.open.set(totals.open_holds as f64);
    metrics.books.debt_credits.set(totals.debt_micros as f64 / 1e6);
    metrics.leases.held_credits.set(totals.free_micros as f64 / 1e6);
    metrics.leases.suspense_credits.set(totals.lost_micros as f64 / 1e6);
    metrics.books.remembered_operations.set(totals.operations as f64);
    let age = totals.oldest.map_or(0, |oldest| clock.now().millis_since(oldest));
    metrics.books.remembered_age_seconds.set(age as f64 / 1e3);
}
