//! One connection: HTTP/1.1 or HTTP/2, with the limits that the libraries leave open.

use std::{
    convert::Infallible,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use http::{Request, Response};
use hyper::{
    body::{Body, Incoming},
    service::{Service, service_fn},
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time,
};

use tokio_io_timeout::TimeoutStream;

use super::{
    frames::Counted,
    unsent::{Unsent, Watched},
};
use crate::{lifecycle::Tasks, tls::Acceptor};

pub(super) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// How long the head of an HTTP/1 request may take to arrive, and how long the connection may then be idle.
const LONGEST_HEAD: Duration = Duration::from_secs(10);

/// How long the handshake of TLS may take.
const LONGEST_HANDSHAKE: Duration = Duration::from_secs(5);

/// How long a connection that has asked nothing yet is kept when the process is told to stop.
const LAST_CALL: Duration = Duration::from_millis(300);

/// What differs between the listeners of a process.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The most connections at once; more wait in the kernel.
    pub connections: usize,
    /// The most requests at once on one HTTP/2 connection.
    pub streams: u32,
    /// The most requests at once that an HTTP/2 connection may take back before they were looked at. Where many callers
    /// share a connection, those who go away must not take the others along.
    pub taken_back: usize,
    /// The most that is read at once of HTTP/1 and that the headers of HTTP/2 may hold, in bytes.
    pub head: u32,
    /// How long a connection may take to ask for something.
    pub first_request: Duration,
    /// How long a client may take to read an answer. `None` where answers may be streams that go on for ever.
    pub longest_answer: Option<Duration>,
    /// Whether only HTTP/2 is spoken, as gRPC does.
    pub http2_only: bool,
}

/// Serves a connection, after shaking hands where `tls` says how; the future ends with it.
pub(super) async fn serve<S, B>(
    stream: TcpStream,
    tls: Option<Acceptor>,
    limits: Limits,
    service: S,
    stop: Tasks,
) where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible, Future: Send> + Send + 'static,
    B: Body<Data: Send, Error: Into<BoxError>> + Send + Unpin + 'static,
{
    // An answer in two segments must not wait for the acknowledgement of the first one.
    let _best_effort = stream.set_nodelay(true);
    let Some(tls) = tls else {
        return speak_http(stream, limits, service, stop).await;
    };
    let last_call = async {
        stop.stopping().await;
        time::sleep(LAST_CALL).await;
    };
    let shaken = tokio::select! {
        shaken = time::timeout(LONGEST_HANDSHAKE, Box::pin(tls.accept(stream))) => shaken,
        () = last_call => return,
    };
    match shaken.unwrap_or_else(|late| Err(late.into())) {
        Ok(stream) => speak_http(stream, limits, service, stop).await,
        // Whoever tries doors is not worth more.
        Err(error) => tracing::debug!(%error, "a TLS handshake failed"),
    }
}

/// Answers what is asked on a connection.
fn speak_http<I, S, B>(stream: I, limits: Limits, service: S, stop: Tasks) -> impl Future<Output = ()> + Send
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible, Future: Send> + Send + 'static,
    B: Body<Data: Send, Error: Into<BoxError>> + Send + Unpin + 'static,
{
    let mut stream = TimeoutStream::new(Counted::new(stream));
    stream.set_write_timeout(limits.longest_answer);
    let asked = Arc::new(AtomicBool::new(false));
    let heard = Arc::clone(&asked);
    let has_asked = move || heard.load(Ordering::Relaxed);
    let unsent = limits.longest_answer.map(|limit| (limit, Unsent::default()));
    let stalled = {
        let unsent = unsent.clone();
        async move {
            match unsent {
                Some((limit, unsent)) => unsent.stalled(limit).await,
                None => std::future::pending().await,
            }
        }
    };
    let service = service_fn(move |request: Request<Incoming>| {
        asked.store(true, Ordering::Relaxed);
        let (answering, unsent) = (service.call(request), unsent.clone());
        async move {
            let answer = answering.await?;
            let unsent = unsent.as_ref().map(|(_limit, unsent)| unsent);
            Ok::<_, Infallible>(answer.map(|body| Watched::new(body, unsent)))
        }
    });
    let connection = builder(limits)
        .serve_connection(TokioIo::new(Box::pin(stream)), service)
        .into_owned();
    let conversation = async move {
        let mut serving = pin!(connection);
        let ended = tokio::select! {
            ended = serving.as_mut() => Some(ended),
            // Neither telling HTTP/1 from HTTP/2 nor the handshake of HTTP/2 has a timer of its own.
            () = time::sleep(limits.first_request) => None,
            () = stop.stopping() => None,
        };
        let ended = match ended {
            None if !has_asked() && stop.is_stopping() => {
                // What it asks may be on its way.
                time::timeout(LAST_CALL, serving.as_mut()).await.ok()
            }
            ended => ended,
        };
        let ended = match ended {
            Some(ended) => ended,
            None if !has_asked() => return,
            None => tokio::select! {
                ended = serving.as_mut() => ended,
                () = stop.stopping() => {
                    serving.as_mut().graceful_shutdown();
                    serving.await
                }
            },
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "a connection ended early");
        }
    };
    // On the heap: each future that holds this one would otherwise reserve its whole size again, for every connection.
    Box::pin(async move {
        tokio::select! {
            () = conversation => {}
            () = stalled => tracing::debug!("a client does not read its answer"),
        }
    })
}

fn builder(limits: Limits) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    if limits.http2_only {
        builder = builder.http2_only();
    }
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(LONGEST_HEAD)
        .max_buf_size(limits.head as usize);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams)
        .max_header_list_size(limits.head)
        .max_pending_accept_reset_streams(limits.taken_back)
        .max_local_error_reset_streams(256)
        .initial_stream_window_size(64 * 1024)
        .initial_connection_window_size(1024 * 1024)
        .keep_alive_interval(Duration::from_secs(20))
        .keep_alive_timeout(Duration::from_secs(10));
    builder
}
