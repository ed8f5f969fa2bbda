//! The listener for operators: `GET /livez` says that the process runs, `GET /readyz` that it can serve.

use std::{
    io,
    net::TcpListener,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{Router, http::StatusCode, routing::get};
use hyper_util::service::TowerToHyperService;

use crate::{
    lifecycle::Tasks,
    listen::{self, Limits},
};

/// What the operator's listener allows.
const LIMITS: Limits = Limits {
    connections: 256,
    streams: 16,
    head: 16 * 1024,
    first_request: Duration::from_secs(10),
    http2_only: false,
};

/// Whether the process can serve. Cheap to clone; clones are the same latch.
#[derive(Debug, Clone, Default)]
pub struct Readiness(Arc<AtomicBool>);

impl Readiness {
    /// Opens or closes the latch.
    pub fn set(&self, ready: bool) {
        self.0.store(ready, Ordering::SeqCst);
    }

    /// Whether the latch is open.
    pub fn get(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// Serves the operator's endpoints until the tasks are asked to stop.
///
/// # Errors
/// When the listener cannot be used.
pub fn serve(listener: TcpListener, readiness: Readiness, tasks: &Tasks) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let stopping = tasks.clone();
    let ready = move || async move {
        if readiness.get() && !stopping.is_stopping() {
            (StatusCode::OK, "ready\n")
        } else {
            (StatusCode::SERVICE_UNAVAILABLE, "not ready\n")
        }
    };
    let routes = Router::new()
        .route("/livez", get(|| async { "alive\n" }))
        .route("/readyz", get(ready));
    let stop = tasks.clone();
    tasks.spawn("admin listener", async move {
        let connection = |_operator| TowerToHyperService::new(routes.clone());
        listen::serve(listener, LIMITS, connection, &stop).await;
    });
    Ok(())
}
