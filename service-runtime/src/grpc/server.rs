//! A gRPC server with the limits that the library leaves open, health and reflection.

use std::{io, net::TcpListener, time::Duration};

use tonic::{
    service::Routes,
    transport::{Server, server::TcpIncoming},
};
use tonic_health::server::HealthReporter;

use crate::{
    grpc::context::{ContextLayer, LONGEST_REQUEST},
    lifecycle::Tasks,
};

/// The largest message a caller may send, in bytes.
pub const LARGEST_MESSAGE: usize = 1024 * 1024;

/// The services of one process, with health and reflection added.
///
/// # Errors
/// When the descriptor set is not one.
pub async fn with_health_and_reflection(
    mut routes: Routes,
    descriptors: &'static [u8],
    names: &[&'static str],
) -> Result<(Routes, HealthReporter), tonic_reflection::server::Error> {
    let (reporter, health) = tonic_health::server::health_reporter();
    for name in names {
        reporter
            .set_service_status(*name, tonic_health::ServingStatus::Serving)
            .await;
    }
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
    routes = routes.add_service(health).add_service(v1).add_service(v1alpha);
    Ok((routes, reporter))
}

/// Serves until the tasks are asked to stop, then finishes the requests that run.
///
/// # Errors
/// When the listener cannot be used.
pub fn serve(listener: TcpListener, routes: Routes, tasks: &Tasks) -> io::Result<()> {
    let incoming = TcpIncoming::from(tokio::net::TcpListener::from_std(listener)?).with_nodelay(Some(true));
    let server = Server::builder()
        .layer(ContextLayer::default())
        .timeout(LONGEST_REQUEST)
        .max_concurrent_streams(Some(1024))
        .http2_max_local_error_reset_streams(Some(1024))
        .http2_max_pending_accept_reset_streams(Some(20))
        .http2_max_header_list_size(Some(32 * 1024))
        .http2_keepalive_interval(Some(Duration::from_secs(20)))
        .http2_keepalive_timeout(Some(Duration::from_secs(10)))
        .add_routes(routes);
    let stop = tasks.clone();
    tasks.spawn("gRPC server", async move {
        let serving = server.serve_with_incoming_shutdown(incoming, async move { stop.stopping().await });
        if let Err(error) = serving.await {
            tracing::error!(%error, "the gRPC server stopped");
        }
    });
    Ok(())
}
