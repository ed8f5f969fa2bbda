//! Numbers about what a process does, for whoever watches over it, in the form that Prometheus reads. Names follow
//! its conventions: seconds and totals, the unit in the name. `docs/OPERATIONS.md` lists them all.
//!
//! Labels are of our own making, never a caller's: whoever could invent a label's values could fill the memory.

use std::sync::OnceLock;

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

/// Bounds of durations, in seconds: from a cached read to a request that gives up.
const SECONDS: [f64; 13] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

static NUMBERS: OnceLock<PrometheusHandle> = OnceLock::new();

/// Begins to count. Numbers belong to the process: beginning twice in one process changes nothing.
pub fn start() {
    let begin = || -> Result<PrometheusHandle, BuildError> {
        PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)?
            .install_recorder()
    };
    if NUMBERS.get().is_none() {
        match begin() {
            Ok(handle) => drop(NUMBERS.set(handle)),
            // Another start at the same moment was first.
            Err(error) => tracing::debug!(%error, "numbers are counted already"),
        }
    }
}

/// What was counted so far; empty before [`start`].
pub(crate) fn written() -> String {
    NUMBERS.get().map(PrometheusHandle::render).unwrap_or_default()
}

/// Does what has to be done now and then, so that durations do not pile up between two readings.
pub(crate) fn upkeep() {
    if let Some(numbers) = NUMBERS.get() {
        numbers.run_upkeep();
    }
}
