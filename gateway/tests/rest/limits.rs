//! Too large, too long, too slow.

use std::time::Duration;

use bytes::Bytes;
use http_body::Frame;
use http_body_util::StreamBody;

use crate::support::{Gateway, exchange, exchange_slowly, request};

const JSON: &str = "content-type: application/json\r\n";

#[tokio::test]
async fn a_body_may_hold_256_kib() {
    let gateway = Gateway::start();
    let body = |size: usize| format!("{{\"bio\":\"{}\"}}", "x".repeat(size - 10));
    assert_eq!(
        gateway
            .send_json("POST", "/api/v1/auth/register", body(256 * 1024))
            .await
            .0,
        201
    );
    let (status, problem) = gateway
        .send_json("POST", "/api/v1/auth/register", body(256 * 1024 + 1))
        .await;
    assert_eq!((status, &problem["reason"]), (413, &"BODY_TOO_LARGE".into()));
    // A client that sends all of it before it reads is told, too.
    let (status, _) = gateway
        .send_json("POST", "/api/v1/auth/register", body(3 * 1024 * 1024))
        .await;
    assert_eq!(status, 413);
}

#[tokio::test]
async fn a_body_without_end_is_counted_while_it_comes() {
    let gateway = Gateway::start();
    let spaces = || Ok::<_, std::io::Error>(Frame::data(Bytes::from(vec![b' '; 8192])));
    let endless = StreamBody::new(futures_util::stream::repeat_with(spaces));
    let request = gateway
        .request("POST", "/api/v1/auth/register")
        .header("content-type", "application/json");
    // The gateway answers and closes; a client that goes on sending may see either.
    if let Ok(response) = request.body(reqwest::Body::wrap(endless)).send().await {
        assert_eq!(response.status().as_u16(), 413);
    }
    let head = format!(
        "POST /api/v1/auth/register HTTP/1.1\r\nhost: localhost\r\n{JSON}transfer-encoding: chunked\r\n\r\n"
    );
    let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000)).repeat(5);
    let answer = exchange(gateway.address, format!("{head}{chunk}").as_bytes()).await;
    assert_eq!(answer.status, 413);
    gateway.assert_serves().await;
}

#[tokio::test]
async fn a_body_that_says_it_is_too_large_is_not_awaited() {
    let gateway = Gateway::start();
    let head = format!(
        "POST /api/v1/auth/register HTTP/1.1\r\nhost: localhost\r\n{JSON}content-length: 1000000\r\n\r\n"
    );
    let begun = std::time::Instant::now();
    assert_eq!(exchange(gateway.address, head.as_bytes()).await.status, 413);
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_body_that_does_not_come_is_not_awaited_forever() {
    let gateway = Gateway::start();
    let head = format!(
        "POST /api/v1/auth/register HTTP/1.1\r\nhost: localhost\r\n{JSON}content-length: 10\r\n\r\n{{"
    );
    let answer = exchange(gateway.address, head.as_bytes()).await;
    assert_eq!(answer.status, 408);
    assert!(answer.text.contains("BODY_TIMEOUT"), "{}", answer.text);
}

#[tokio::test]
async fn an_address_may_have_8_kib() {
    let gateway = Gateway::start();
    let path = |length: usize| format!("/api/v1/courses/{}", "x".repeat(length - 16));
    let answer = exchange(gateway.address, &request("GET", &path(8 * 1024), "", b"")).await;
    assert_eq!(answer.status, 200);
    for length in [8 * 1024 + 1, 40_000, 100_000] {
        let answer = exchange(gateway.address, &request("GET", &path(length), "", b"")).await;
        assert!([414, 431].contains(&answer.status), "{length}: {}", answer.text);
    }
}

#[tokio::test]
async fn headers_may_hold_16_kib() {
    let gateway = Gateway::start();
    let headers = |size: usize| format!("x-padding: {}\r\n", "x".repeat(size));
    let answer = exchange(
        gateway.address,
        &request("GET", "/api/v1/courses", &headers(15_000), b""),
    )
    .await;
    assert_eq!(answer.status, 200);
    for size in [17_000, 50_000, 500_000] {
        let answer = exchange(
            gateway.address,
            &request("GET", "/api/v1/courses", &headers(size), b""),
        )
        .await;
        assert_eq!(answer.status, 431, "{size}");
    }
    let flood: String = (0..5_000).map(|number| format!("x-{number}: y\r\n")).collect();
    let answer = exchange(gateway.address, &request("GET", "/api/v1/courses", &flood, b"")).await;
    assert_eq!(answer.status, 431);
    gateway.assert_serves().await;
}

#[tokio::test]
async fn a_compressed_body_is_not_taken() {
    let gateway = Gateway::start();
    for (encoding, status) in [("gzip", 415), ("identity", 204), ("br, gzip", 415)] {
        let request = gateway
            .request("POST", "/api/v1/auth/logout")
            .header("content-encoding", encoding);
        let request = request.header("content-type", "application/json").body("{}");
        assert_eq!(gateway.send(request).await.0, status, "{encoding}");
    }
}

#[tokio::test]
async fn a_head_that_comes_drop_by_drop_is_cut_off() {
    let gateway = Gateway::start();
    let drops: Vec<&[u8]> = std::iter::once(&b"GET / HTTP/1.1\r\n"[..])
        .chain(std::iter::repeat_n(&b"x: y\r\n"[..], 60))
        .collect();
    let answer = exchange_slowly(gateway.address, &drops, Duration::from_millis(500)).await;
    assert!([0, 408].contains(&answer.status), "{}", answer.text);
}

#[tokio::test]
async fn who_never_asks_is_let_go() {
    let gateway = Gateway::start();
    // `exchange` fails when the gateway does not end the talk.
    let ends = async |start: &[u8]| exchange(gateway.address, start).await.status;
    let (silent, half, whole) = tokio::join!(
        ends(b""),
        ends(b"PRI * HTTP/2.0\r\n"),
        ends(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    );
    assert!([silent, half, whole].iter().all(|status| *status != 200));
    gateway.assert_serves().await;
}
