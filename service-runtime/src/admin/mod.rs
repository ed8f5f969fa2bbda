//! The listener for operators: `GET /livez` says that the process runs, `GET /readyz` that it can take on work,
//! or else what it waits for, and `GET /metrics` what it has done so far.

mod ask;

pub use self::ask::{NotReady, ask};

use std::{io, net::TcpListener, time::Duration};

use axum::{Router, http::StatusCode, response::IntoResponse, routing::get};
use http::{HeaderName, header::CONTENT_TYPE};
use hyper_util::service::TowerToHyperService;
use tokio::time::sleep;

use crate::{
    lifecycle::Tasks,
    listen::{self, Limits},
    metrics,
    readiness::Readiness,
    tls::Acceptor,
};

/// How often the numbers are looked after.
const UPKEEP: Duration = Duration::from_secs(5);

/// What the operator's listener allows.
const LIMITS: Limits = Limits {
    connections: 256,
    streams: 16,
    taken_back: 20,
    head: 16 * 1024,
    first_request: Duration::from_secs(10),
    longest_answer: Some(Duration::from_secs(30)),
    http2_only: false,
};

/// Serves the operator's endpoints for as long as the process runs, also while it stops.
///
/// # Errors
/// When the listener cannot be used.
pub fn serve(
    listener: TcpListener,
    tls: Option<Acceptor>,
    readiness: Readiness,
    tasks: &Tasks,
) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let stopping = tasks.clone();
    let ready = move || async move {
        if stopping.is_stopping() {
            return (
                StatusCode::SERVICE_UNAVAILABLE,
                "not ready: stopping\n".to_owned(),
            );
        }
        match readiness.is_ready() {
            true => (StatusCode::OK, format!("{readiness}\n")),
            false => (StatusCode::SERVICE_UNAVAILABLE, format!("{readiness}\n")),
        }
    };
    let routes = Router::new()
        .route("/livez", get(|| async { "alive\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(numbers));
    tasks.accompany(async {
        loop {
            sleep(UPKEEP).await;
            metrics::upkeep();
        }
    });
    tasks.accompany(async move {
        let connection = |_operator| TowerToHyperService::new(routes.clone());
        listen::serve(listener, tls, LIMITS, connection, &Tasks::default()).await;
    });
    Ok(())
}

/// The numbers in the text format of Prometheus.
async fn numbers() -> impl IntoResponse {
    const TEXT: [(HeaderName, &str); 1] = [(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    (TEXT, metrics::written())
}
