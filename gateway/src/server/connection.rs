//! One connection: HTTP/1.1 or HTTP/2, with the limits that the libraries leave open.

use std::{
    convert::Infallible,
    net::SocketAddr,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use http::Request;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulShutdown},
};
use tokio::{net::TcpStream, time};

use crate::edge::{Edge, address_value};

/// How long the head of a request may take to arrive, and how long a connection may be idle.
const LONGEST_HEAD: Duration = Duration::from_secs(10);

/// What is read at once of HTTP/1. It leaves room for the edge to refuse a head that is too large with a
/// problem; one that is larger still gets a bare 4xx from the library.
const READ_BUFFER: usize = 64 * 1024;

/// Serves a connection; the future ends with it.
pub fn serve(
    stream: TcpStream,
    client: SocketAddr,
    edge: Arc<Edge>,
    graceful: &GracefulShutdown,
) -> impl Future<Output = ()> + Send + use<> {
    // An answer in two segments must not wait for the acknowledgement of the first one.
    let _best_effort = stream.set_nodelay(true);
    let address = address_value(client.ip());
    let asked = Arc::new(AtomicBool::new(false));
    let has_asked = Arc::clone(&asked);
    let service = service_fn(move |request: Request<Incoming>| {
        asked.store(true, Ordering::Relaxed);
        let (edge, address) = (Arc::clone(&edge), address.clone());
        async move { Ok::<_, Infallible>(edge.answer(request, address).await) }
    });
    let connection = builder()
        .serve_connection(TokioIo::new(stream), service)
        .into_owned();
    let watched = graceful.watch(connection);
    async move {
        let mut serving = pin!(watched);
        // Telling HTTP/1 from HTTP/2 has no timer of its own: who never asks anything is let go.
        let ended = time::timeout(LONGEST_HEAD, &mut serving).await;
        let result = match ended {
            Ok(result) => result,
            Err(_elapsed) if !has_asked.load(Ordering::Relaxed) => return,
            Err(_elapsed) => serving.await,
        };
        if let Err(error) = result {
            tracing::debug!(%error, "a connection ended early");
        }
    }
}

fn builder() -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(LONGEST_HEAD)
        .max_buf_size(READ_BUFFER);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(128)
        .max_header_list_size(64 * 1024)
        .max_pending_accept_reset_streams(20)
        .max_local_error_reset_streams(256)
        .initial_stream_window_size(64 * 1024)
        .initial_connection_window_size(1024 * 1024)
        .keep_alive_interval(Duration::from_secs(20))
        .keep_alive_timeout(Duration::from_secs(10));
    builder
}
