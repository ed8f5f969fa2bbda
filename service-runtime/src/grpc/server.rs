//! A gRPC server with the limits that the library leaves open, health and reflection.

use std::{
    convert::Infallible,
    io,
    net::{SocketAddr, TcpListener},
    sync::Arc,
    time::Duration,
};

use http::{Request, Response};
use hyper::{body::Incoming, service::service_fn};
use tonic::{body::Body, service::Routes};
use tonic_health::{ServingStatus, server::HealthReporter};
use tower::Service;

use crate::{
    grpc::{edge::Edge, until_stopped::UntilStopped},
    lifecycle::Tasks,
    listen::{self, Limits},
    readiness::Readiness,
    telemetry::Tracer,
    tls::Acceptor,
};

/// The largest message a caller may send, in bytes.
pub const LARGEST_MESSAGE: usize = 1024 * 1024;

/// The services of one process, with health, which tells whether the process is ready, and reflection.
///
/// # Errors
/// When the descriptor set is not one.
pub async fn with_health_and_reflection(
    mut routes: Routes,
    descriptors: &'static [u8],
    names: &'static [&'static str],
    readiness: Readiness,
    tasks: &Tasks,
) -> Result<Routes, tonic_reflection::server::Error> {
    let (reporter, health) = tonic_health::server::health_reporter();
    tell(&reporter, names, readiness.is_ready()).await;
    let stop = tasks.clone();
    tasks.spawn("health", async move {
        let mut changes = readiness.changes();
        loop {
            tokio::select! {
                _changed = changes.changed() => tell(&reporter, names, readiness.is_ready()).await,
                () = stop.stopping() => return tell(&reporter, names, false).await,
            }
        }
    });
    // Only what is served here is listed, although the descriptors hold the whole contract.
    let reflection = || {
        let builder = tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(descriptors)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            .with_service_name("grpc.health.v1.Health");
        names
            .iter()
            .fold(builder, |builder, name| builder.with_service_name(*name))
    };
    let (v1, v1alpha) = (reflection().build_v1()?, reflection().build_v1alpha()?);
    let tasks = || tasks.clone();
    routes = routes
        .add_service(UntilStopped {
            inner: health,
            tasks: tasks(),
        })
        .add_service(UntilStopped {
            inner: v1,
            tasks: tasks(),
        })
        .add_service(UntilStopped {
            inner: v1alpha,
            tasks: tasks(),
        });
    Ok(routes.prepare())
}

/// Tells the health of every service, and under the empty name that of the process.
async fn tell(reporter: &HealthReporter, names: &[&'static str], ready: bool) {
    let status = match ready {
        true => ServingStatus::Serving,
        false => ServingStatus::NotServing,
    };
    for name in names.iter().chain(&[""]) {
        reporter.set_service_status(*name, status).await;
    }
}

/// What a gRPC listener allows. A client may open its connection long before it has something to ask.
const LIMITS: Limits = Limits {
    connections: 10_000,
    streams: 1024,
    taken_back: 1024,
    head: 32 * 1024,
    first_request: Duration::from_secs(60),
    longest_answer: None,
    http2_only: true,
};

/// Serves until the tasks are asked to stop, then finishes the requests that run. With `tls`, nothing is said in the
/// clear.
///
/// # Errors
/// When the listener cannot be used.
pub fn serve<S>(
    listener: TcpListener,
    tls: Option<Acceptor>,
    services: S,
    tracer: Tracer,
    tasks: &Tasks,
) -> io::Result<()>
where
    S: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible, Future: Send>,
    S: Clone + Send + Sync + 'static,
{
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let edge = Arc::new(Edge::new(services, tracer));
    let stop = tasks.clone();
    tasks.spawn("gRPC server", async move {
        let connection = |client: SocketAddr| {
            let edge = Arc::clone(&edge);
            service_fn(move |request: Request<Incoming>| {
                let edge = Arc::clone(&edge);
                async move { edge.answer(request, client.ip()).await }
            })
        };
        listen::serve(listener, tls, LIMITS, connection, &stop).await;
    });
    Ok(())
}
