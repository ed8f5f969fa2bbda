//! Where spans wait to be delivered: it is bounded, and nobody waits for a place in it.

use std::time::Duration;

use opentelemetry::Context;
use opentelemetry_sdk::{
    error::OTelSdkResult,
    trace::{Span, SpanData, SpanProcessor},
};
use tokio::sync::mpsc::Sender;

/// The end at which spans go in.
#[derive(Debug)]
pub(super) struct Queue(pub(super) Sender<SpanData>);

impl SpanProcessor for Queue {
    fn on_start(&self, _span: &mut Span, _context: &Context) {}

    fn on_end(&self, span: SpanData) {
        if self.0.try_send(span).is_err() {
            count("dropped", 1);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    /// The tasks of the process say when it ends, not the library.
    fn shutdown_with_timeout(&self, _timeout: Duration) -> OTelSdkResult {
        Ok(())
    }
}

/// Counts what became of spans.
pub(super) fn count(outcome: &'static str, spans: usize) {
    metrics::counter!("trace_spans_total", "outcome" => outcome).increment(spans as u64);
}
