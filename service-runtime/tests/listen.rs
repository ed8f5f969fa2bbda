//! What every listener does with connections, whatever is served on them.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed step is a failed test")]

use std::{convert::Infallible, net::SocketAddr, time::Duration};

use http::{Request, Response};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use service_runtime::{
    lifecycle::Tasks,
    listen::{self, Limits},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, timeout},
};

const PATIENCE: Duration = Duration::from_secs(20);
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A listener whose answers are empty, or as long as the path says.
fn serve(limits: Limits, tasks: &Tasks) -> SocketAddr {
    let listener = listen::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    let stop = tasks.clone();
    tasks.spawn("listener", async move {
        let answer = |_client| {
            service_fn(async |request: Request<Incoming>| {
                // As many bytes as the path says.
                let length = request.uri().path()[1..].parse().unwrap_or(0);
                Ok::<_, Infallible>(Response::new("x".repeat(length)))
            })
        };
        listen::serve(listener, None, limits, answer, &stop).await;
    });
    address
}

fn limits() -> Limits {
    Limits {
        connections: 100,
        streams: 10,
        taken_back: 20,
        head: 16 * 1024,
        first_request: Duration::from_millis(200),
        longest_answer: Some(Duration::from_secs(1)),
        http2_only: false,
    }
}

#[tokio::test]
async fn who_asks_nothing_in_time_is_let_go() {
    for http2_only in [false, true] {
        let tasks = Tasks::default();
        let limits = Limits {
            http2_only,
            ..limits()
        };
        let address = serve(limits, &tasks);
        for said in [&b""[..], &PREFACE[..10], PREFACE] {
            let begun = Instant::now();
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(said).await.unwrap();
            let mut heard = Vec::new();
            let ended = timeout(PATIENCE, stream.read_to_end(&mut heard)).await;
            assert!(ended.is_ok(), "{said:?} keeps its connection");
            assert!(
                begun.elapsed() >= limits.first_request,
                "{said:?} was let go too early"
            );
        }
    }
}

#[tokio::test]
async fn only_http2_means_only_http2() {
    let tasks = Tasks::default();
    let limits = Limits {
        http2_only: true,
        first_request: PATIENCE * 10,
        ..limits()
    };
    let mut stream = TcpStream::connect(serve(limits, &tasks)).await.unwrap();
    stream
        .write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .await
        .unwrap();
    let mut heard = Vec::new();
    let _closed_or_reset = timeout(PATIENCE, stream.read_to_end(&mut heard)).await.unwrap();
    assert!(!heard.starts_with(b"HTTP/1"), "{heard:?}");
}

#[tokio::test]
async fn more_connections_than_there_is_room_for_wait_their_turn() {
    let tasks = Tasks::default();
    let limits = Limits {
        connections: 2,
        first_request: PATIENCE * 10,
        ..limits()
    };
    let address = serve(limits, &tasks);
    let ask = async |stream: &mut TcpStream| {
        stream
            .write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n")
            .await
            .unwrap();
        let mut start = [0; 12];
        timeout(Duration::from_millis(500), stream.read_exact(&mut start))
            .await
            .is_ok_and(|read| read.is_ok() && &start == b"HTTP/1.1 200")
    };
    let mut first = TcpStream::connect(address).await.unwrap();
    let mut second = TcpStream::connect(address).await.unwrap();
    assert!(ask(&mut first).await && ask(&mut second).await);
    let mut third = TcpStream::connect(address).await.unwrap();
    assert!(!ask(&mut third).await, "there is room for two");
    drop(first);
    let mut start = [0; 12];
    timeout(PATIENCE, third.read_exact(&mut start))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(&start, b"HTTP/1.1 200");
}

#[tokio::test]
async fn who_asks_nothing_does_not_hold_up_the_end() {
    for http2_only in [false, true] {
        let tasks = Tasks::default();
        let limits = Limits {
            http2_only,
            first_request: PATIENCE * 10,
            ..limits()
        };
        let address = serve(limits, &tasks);
        let mut silent = Vec::new();
        for said in [&b""[..], &PREFACE[..10], PREFACE] {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(said).await.unwrap();
            silent.push(stream);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        tasks.stop();
        assert!(
            tasks.finished(Duration::from_secs(5)).await,
            "http2_only: {http2_only}"
        );
    }
}

#[tokio::test]
async fn who_was_connected_before_the_end_is_answered() {
    let tasks = Tasks::default();
    let address = serve(limits(), &tasks);
    let mut streams = Vec::new();
    for _ in 0..20 {
        streams.push(TcpStream::connect(address).await.unwrap());
    }
    tasks.stop();
    for stream in &mut streams {
        stream
            .write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n")
            .await
            .unwrap();
    }
    for stream in &mut streams {
        let mut heard = Vec::new();
        timeout(PATIENCE, stream.read_to_end(&mut heard))
            .await
            .unwrap()
            .unwrap();
        assert!(
            heard.starts_with(b"HTTP/1.1 200"),
            "{:?}",
            String::from_utf8_lossy(&heard)
        );
    }
    assert!(tasks.finished(PATIENCE).await);
}

/// More than the kernel keeps for a client that does not read.
const LONG: usize = 32 * 1024 * 1024;

#[tokio::test]
async fn who_does_not_read_its_answer_is_let_go() {
    let tasks = Tasks::default();
    let address = serve(limits(), &tasks);
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET /{LONG} HTTP/1.1\r\nhost: localhost\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_secs(4)).await;
    let mut heard = Vec::new();
    let _ended_or_reset = timeout(PATIENCE, stream.read_to_end(&mut heard)).await.unwrap();
    assert!(heard.len() < LONG, "it was all sent");
}

#[tokio::test]
async fn who_gives_no_room_for_its_answers_is_let_go() {
    let tasks = Tasks::default();
    let stream = TcpStream::connect(serve(limits(), &tasks)).await.unwrap();
    // Whoever says that a stream may hold nothing is answered with heads, and never gets a body.
    let mut builder = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
    let (mut sender, connection) = builder
        .initial_stream_window_size(0)
        .handshake::<_, String>(TokioIo::new(stream))
        .await
        .unwrap();
    let request = Request::get("http://localhost/100").body(String::new()).unwrap();
    let (ended, response) = timeout(PATIENCE, async {
        tokio::join!(connection, sender.send_request(request))
    })
    .await
    .unwrap();
    assert_eq!(response.unwrap().status(), 200);
    drop(ended);
}

#[tokio::test]
async fn who_reads_in_time_keeps_its_connection() {
    let tasks = Tasks::default();
    let mut stream = TcpStream::connect(serve(limits(), &tasks)).await.unwrap();
    for _ in 0..4 {
        stream
            .write_all(b"GET /3 HTTP/1.1\r\nhost: localhost\r\n\r\n")
            .await
            .unwrap();
        let mut heard = Vec::new();
        while !heard.ends_with(b"xxx") {
            assert_ne!(stream.read_buf(&mut heard).await.unwrap(), 0);
        }
        tokio::time::sleep(Duration::from_millis(700)).await;
    }
}

#[tokio::test]
async fn who_sends_nothing_but_pings_is_let_go() {
    let tasks = Tasks::default();
    let limits = Limits {
        first_request: PATIENCE * 10,
        ..limits()
    };
    let mut stream = TcpStream::connect(serve(limits, &tasks)).await.unwrap();
    let ping = [0, 0, 8, 6, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8];
    let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    stream.write_all(&[PREFACE, &settings].concat()).await.unwrap();
    let (mut reading, mut writing) = stream.into_split();
    let flooding = async { while writing.write_all(&ping.repeat(100)).await.is_ok() {} };
    let mut heard = Vec::new();
    let (_ended_or_reset, ()) = timeout(PATIENCE, async {
        tokio::join!(reading.read_to_end(&mut heard), flooding)
    })
    .await
    .unwrap();
    assert!(heard.len() < 2000 * ping.len(), "{} bytes answered", heard.len());
}
