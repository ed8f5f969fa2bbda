//! The listener for operators: `GET /livez` says that the process runs, `GET /readyz` that it can take on work,
//! or else what it waits for, and `GET /metrics` what it has done so far.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener},
    time::Duration,
};

use axum::{Router, http::StatusCode, response::IntoResponse, routing::get};
use http::{HeaderName, header::CONTENT_TYPE};
use hyper_util::service::TowerToHyperService;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{sleep, timeout},
};

use crate::{
    lifecycle::Tasks,
    listen::{self, Limits},
    metrics,
    readiness::Readiness,
    settings::{Faults, Reader, Setting, Values, from_str},
};

/// How often the numbers are looked after.
const UPKEEP: Duration = Duration::from_secs(5);
/// How long a process that runs may take to say whether it is ready.
const PATIENCE: Duration = Duration::from_secs(2);

/// What the operator's listener allows.
const LIMITS: Limits = Limits {
    connections: 256,
    streams: 16,
    head: 16 * 1024,
    first_request: Duration::from_secs(10),
    http2_only: false,
};

/// Serves the operator's endpoints for as long as the process runs, also while it stops.
///
/// # Errors
/// When the listener cannot be used.
pub fn serve(listener: TcpListener, readiness: Readiness, tasks: &Tasks) -> io::Result<()> {
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
        listen::serve(listener, LIMITS, connection, &Tasks::default()).await;
    });
    Ok(())
}

/// The numbers in the text format of Prometheus.
async fn numbers() -> impl IntoResponse {
    const TEXT: [(HeaderName, &str); 1] = [(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    (TEXT, metrics::written())
}

/// Why a process is not ready.
#[derive(Debug, thiserror::Error)]
pub enum NotReady {
    /// The settings do not say where to ask.
    #[error(transparent)]
    Settings(#[from] Faults),
    /// Nobody answers.
    #[error("nobody answers at {0}")]
    Silent(SocketAddr, #[source] io::Error),
    /// What it waits for.
    #[error("{0}")]
    Waiting(String),
}

/// Asks the process that runs with these settings whether it is ready, as the health check of a container does.
///
/// # Errors
/// [`NotReady`].
pub async fn ask(values: &Values, settings: &[Setting]) -> Result<(), NotReady> {
    let mut reader = Reader::new(values, settings);
    let address: Option<SocketAddr> = reader.read("ADMIN_LISTEN", from_str);
    let mut address = reader.finish(address)?;
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    let asking = async {
        let mut stream = TcpStream::connect(address).await?;
        let request = b"GET /readyz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
        stream.write_all(request).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok(answer)
    };
    let asked = timeout(PATIENCE, asking)
        .await
        .unwrap_or_else(|late| Err(late.into()));
    let answer = asked.map_err(|error| NotReady::Silent(address, error))?;
    let body = answer
        .split_once("\r\n\r\n")
        .map_or("", |(_head, body)| body.trim());
    match answer.starts_with("HTTP/1.1 200 ") {
        true => Ok(()),
        false => Err(NotReady::Waiting(body.to_owned())),
    }
}
