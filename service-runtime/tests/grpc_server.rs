//! What every gRPC server does with a request, whatever it asks for, seen from a socket and with a client that
//! has no rules of its own.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed step is a failed test")]

use std::{net::SocketAddr, time::Duration};

use axum::routing::post;
use bytes::Bytes;
use futures_util::{StreamExt, stream::FuturesUnordered};
use http::{HeaderMap, Request};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use service_runtime::{
    admin,
    grpc::server::{serve, with_health_and_reflection},
    lifecycle::Tasks,
    listen, metrics,
    readiness::Readiness,
    telemetry::Tracer,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::Semaphore,
};
use tonic::{Code, Status, service::Routes};
use tonic_types::StatusExt;

const CHECK: &str = "/grpc.health.v1.Health/Check";

/// What holds up a method until a test opens it.
static GATE: Semaphore = Semaphore::const_new(0);

/// A server with health, reflection, a method that takes ten seconds, one that panics and one that is held up.
async fn server(tasks: &Tasks) -> SocketAddr {
    async fn slow() -> &'static str {
        tokio::time::sleep(Duration::from_secs(10)).await;
        "too late"
    }
    async fn panic() -> &'static str {
        panic!("on purpose")
    }
    async fn held() {
        let _opened = GATE.acquire().await;
    }
    let routes = Routes::default()
        .into_axum_router()
        .route("/test.Test/Slow", post(slow))
        .route("/test.Test/Panic", post(panic))
        .route("/test.Test/Held", post(held));
    let routes = with_health_and_reflection(
        Routes::from(routes),
        tonic_health::pb::FILE_DESCRIPTOR_SET,
        &[],
        Readiness::default(),
        tasks,
    )
    .await
    .unwrap();
    let listener = listen::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    serve(listener, None, routes, Tracer::default(), tasks).unwrap();
    address
}

type Sender = http2::SendRequest<Full<Bytes>>;

async fn connect(address: SocketAddr) -> Sender {
    let stream = TcpStream::connect(address).await.unwrap();
    let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .unwrap();
    Tasks::default().spawn("client", async move { drop(connection.await) });
    sender
}

/// Sends these bytes to a method as they are, over a connection of their own.
async fn call(
    address: SocketAddr,
    method: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> (Status, HeaderMap) {
    ask(connect(address).await, address, method, headers, body).await
}

async fn ask(
    mut sender: Sender,
    address: SocketAddr,
    method: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> (Status, HeaderMap) {
    let mut request = Request::post(format!("http://{address}{method}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let body = Full::new(Bytes::copy_from_slice(body));
    let response = sender.send_request(request.body(body).unwrap()).await.unwrap();
    let (head, body) = response.into_parts();
    let trailers = body.collect().await.unwrap().trailers().cloned();
    let status = Status::from_header_map(&head.headers)
        .or_else(|| Status::from_header_map(&trailers?))
        .unwrap_or_else(|| Status::ok(""));
    (status, head.headers)
}

/// A message of these bytes in its frame.
fn framed(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    [&[0][..], &length, message].concat()
}

fn reason(status: &Status) -> String {
    status
        .get_details_error_info()
        .map(|info| info.reason)
        .unwrap_or_default()
}

#[tokio::test]
async fn an_expired_deadline_is_told_as_one() {
    let tasks = Tasks::default();
    let address = server(&tasks).await;
    for timeout in ["1n", "50m"] {
        let headers = [("grpc-timeout", timeout), ("x-request-id", "my-id")];
        let (status, headers) = call(address, "/test.Test/Slow", &headers, &framed(b"")).await;
        assert_eq!(status.code(), Code::DeadlineExceeded);
        assert_eq!(reason(&status), "DEADLINE_EXCEEDED");
        assert_eq!(headers["x-request-id"], "my-id");
    }
}

#[tokio::test]
async fn a_deadline_bounds_a_message_that_never_comes_to_an_end() {
    let tasks = Tasks::default();
    let address = server(&tasks).await;
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .unwrap();
    let driving = Tasks::default();
    driving.spawn("client", async move { drop(connection.await) });
    let never = http_body_util::StreamBody::new(futures_util::stream::pending::<
        Result<hyper::body::Frame<Bytes>, std::convert::Infallible>,
    >());
    let request = Request::post(format!("http://{address}{CHECK}"))
        .header("content-type", "application/grpc")
        .header("grpc-timeout", "50m")
        .body(never)
        .unwrap();
    let response = sender.send_request(request).await.unwrap();
    let status = Status::from_header_map(response.headers()).unwrap();
    assert_eq!(reason(&status), "DEADLINE_EXCEEDED");
}

#[tokio::test]
async fn a_panic_ends_one_request_and_is_told_as_its_id() {
    let tasks = Tasks::default();
    let address = server(&tasks).await;
    for _ in 0..2 {
        let (status, _) = call(address, "/test.Test/Panic", &[("x-request-id", "my-id")], b"").await;
        assert_eq!(status.code(), Code::Internal);
        assert_eq!(status.message(), "Something went wrong. Request id: my-id");
        assert_eq!(reason(&status), "INTERNAL");
    }
    assert!(!tasks.is_stopping());
}

#[tokio::test]
async fn what_the_library_refuses_has_a_reason_too() {
    let tasks = Tasks::default();
    let address = server(&tasks).await;
    let truncated = &framed(b"\x0a\x05ab")[..];
    let no_utf8 = &framed(b"\x0a\x02\xff\xfe")[..];
    let endless = &[&[0, 0xff, 0xff, 0xff, 0xff][..], b"x"].concat()[..];
    let two = &[framed(b""), framed(b"")].concat()[..];
    for (method, body, code, expected) in [
        (CHECK, truncated, Code::InvalidArgument, "MALFORMED_MESSAGE"),
        (CHECK, no_utf8, Code::InvalidArgument, "MALFORMED_MESSAGE"),
        (CHECK, &b""[..], Code::InvalidArgument, "MALFORMED_MESSAGE"),
        (CHECK, b"\x07\0\0\0\0", Code::InvalidArgument, "MALFORMED_MESSAGE"),
        (
            CHECK,
            &framed(b"")[..3],
            Code::InvalidArgument,
            "MALFORMED_MESSAGE",
        ),
        (CHECK, b"\x01\0\0\0\0", Code::InvalidArgument, "MALFORMED_MESSAGE"),
        (CHECK, endless, Code::OutOfRange, "MESSAGE_TOO_LARGE"),
        (CHECK, two, Code::Ok, ""),
        (
            "/grpc.health.v1.Health/Nothing",
            b"",
            Code::Unimplemented,
            "UNIMPLEMENTED",
        ),
        ("/nothing", b"", Code::Unimplemented, "UNIMPLEMENTED"),
        (CHECK, &framed(b"\x0a\x01x"), Code::NotFound, "NOT_FOUND"),
    ] {
        let (status, headers) = call(address, method, &[], body).await;
        assert_eq!(
            (status.code(), &*reason(&status)),
            (code, expected),
            "{method} {body:?}: {status:?}"
        );
        assert_eq!(headers["x-request-id"].len(), 32);
    }
    let (status, headers) = call(address, CHECK, &[("grpc-encoding", "gzip")], b"\x01\0\0\0\x01x").await;
    assert_eq!(
        (status.code(), &*reason(&status)),
        (Code::Unimplemented, "UNIMPLEMENTED")
    );
    assert_eq!(headers["grpc-accept-encoding"], "identity");
}

#[tokio::test]
async fn stopping_lets_what_runs_finish() {
    let tasks = Tasks::default();
    let address = server(&tasks).await;
    let headers = [("grpc-timeout", "300m")];
    let running = call(address, "/test.Test/Slow", &headers, b"");
    let stopping = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        tasks.stop();
        assert!(tasks.finished(Duration::from_secs(5)).await);
        assert!(
            TcpStream::connect(address).await.is_err(),
            "nothing is accepted any more"
        );
    };
    let ((status, _), ()) = tokio::join!(running, stopping);
    assert_eq!(status.code(), Code::DeadlineExceeded);
}

#[tokio::test]
async fn a_stream_that_has_nothing_to_say_ends_with_the_process() {
    let tasks = Tasks::default();
    let address = server(&tasks).await;
    let anything = framed(b"");
    let watching = call(address, "/grpc.health.v1.Health/Watch", &[], &anything);
    let stopping = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        tasks.stop();
        assert!(tasks.finished(Duration::from_secs(5)).await, "nothing is cut off");
    };
    let ((status, _), ()) = tokio::join!(watching, stopping);
    assert_eq!(
        (status.code(), status.message()),
        (Code::Unavailable, "The service is stopping.")
    );
}

/// Everything at `/metrics` of an operator's listener.
async fn numbers(tasks: &Tasks) -> String {
    let listener = listen::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let mut stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    admin::serve(listener, None, Readiness::default(), tasks).unwrap();
    let request = b"GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn more_than_can_run_is_refused_at_once_but_health_is_told() {
    const MOST: usize = 1024;
    metrics::start();
    let tasks = Tasks::default();
    let address = server(&tasks).await;
    // Over several connections, since each has a limit of its own.
    let (first, second) = (connect(address).await, connect(address).await);
    let asking = [&first, &second].map(|sender| {
        let calls = (0..MOST / 2 + 50).map(|_| ask(sender.clone(), address, "/test.Test/Held", &[], b""));
        calls.collect::<Vec<_>>()
    });
    let mut answers: FuturesUnordered<_> = asking.into_iter().flatten().collect();
    for _ in 0..100 {
        let (status, headers) = answers.next().await.unwrap();
        assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
        let details = status.get_error_details();
        assert_eq!(details.error_info().unwrap().reason, "OVERLOADED");
        assert!(details.retry_info().unwrap().retry_delay.is_some());
        assert!(headers.contains_key("x-request-id"));
    }
    assert_eq!(
        call(address, CHECK, &[], &[0, 0, 0, 0, 0]).await.0.code(),
        Code::Ok
    );
    // A name that the caller made up is no name of a number.
    let (refused, _) = call(address, "/made.Up/Name", &[], b"").await;
    assert_eq!(refused.code(), Code::ResourceExhausted);
    let numbers = numbers(&tasks).await;
    assert!(numbers.contains("method=\"refused\""), "{numbers}");
    assert!(!numbers.contains("made.Up"), "{numbers}");
    GATE.close();
    let rest: Vec<_> = answers.collect().await;
    assert_eq!(rest.len(), MOST);
    assert!(rest.iter().all(|(status, _)| status.code() == Code::Ok));
}
