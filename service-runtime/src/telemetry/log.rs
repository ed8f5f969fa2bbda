//! The log: one line per request and per event, to standard error, so that standard output stays the program's.

use std::io::IsTerminal;

use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt, util::SubscriberInitExt};

use super::lines;
use crate::settings::Environment;

/// Starts logging: readable lines in development, JSON in production. `filter` is what the operator asked
/// for in `RUST_LOG`, otherwise `info`. Starting twice in one process changes nothing.
pub fn start(environment: Environment, filter: Option<&str>) {
    // Statement logs of sqlx carry bound values of slow queries; only their absence is safe.
    let filter = format!(
        "{},sqlx=error,h2=warn,hyper=warn,tower=warn",
        filter.unwrap_or("info")
    );
    let lines = fmt::layer()
        .with_writer(lines::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    let started = match environment {
        Environment::Development => {
            let registry = tracing_subscriber::registry().with(EnvFilter::new(filter));
            registry.with(lines.compact().with_target(false)).try_init()
        }
        Environment::Production => {
            let registry = tracing_subscriber::registry().with(EnvFilter::new(filter));
            registry
                .with(lines.json().flatten_event(true).with_current_span(false))
                .try_init()
        }
    };
    if started.is_ok() {
        lines::catch_panics();
    }
}
