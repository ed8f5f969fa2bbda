//! HTTP that no honest client sends: each gets a clear 4xx or a closed connection, and the gateway still
//! serves.

use crate::support::{Gateway, exchange, request};

/// Sends bytes; the answer must have one of these statuses. 0 is a connection closed without an answer.
async fn refused(gateway: &Gateway, bytes: &[u8], statuses: &[u16]) {
    let answer = exchange(gateway.address, bytes).await;
    let start = String::from_utf8_lossy(&bytes[..bytes.len().min(120)]).into_owned();
    assert!(statuses.contains(&answer.status), "{start}: {}", answer.text);
}

#[tokio::test]
async fn messages_with_two_ends() {
    let gateway = Gateway::start();
    let post = "POST /api/v1/auth/login HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n";
    for rest in [
        "content-length: 2\r\ncontent-length: 3\r\n\r\n{}",
        "content-length: 2, 3\r\n\r\n{}",
        "content-length: -1\r\n\r\n",
        "content-length: +2\r\n\r\n{}",
        "content-length: 0x2\r\n\r\n{}",
        "content-length: 99999999999999999999\r\n\r\n{}",
        "content-length: 2\r\ntransfer-encoding: xchunked\r\n\r\n{}",
        "transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        "transfer-encoding: gzip\r\n\r\n{}",
        "transfer-encoding : chunked\r\n\r\n0\r\n\r\n",
        " folded: yes\r\n\r\n",
        "bad header: x\r\n\r\n",
        "bad\0header: x\r\n\r\n",
        "x: a\0b\r\n\r\n",
    ] {
        refused(
            &gateway,
            format!("{post}connection: close\r\n{rest}").as_bytes(),
            &[400, 413, 0],
        )
        .await;
    }
    gateway.assert_serves().await;
}

#[tokio::test]
async fn chunks_that_are_none() {
    let gateway = Gateway::start();
    let post = "POST /api/v1/auth/login HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
                connection: close\r\ntransfer-encoding: chunked\r\n\r\n";
    for chunks in [
        "zz\r\n{}\r\n0\r\n\r\n",
        "ffffffffffffffffff\r\n{}\r\n",
        "2\r\n{}0\r\n\r\n",
        "-2\r\n{}\r\n",
    ] {
        refused(&gateway, format!("{post}{chunks}").as_bytes(), &[400, 413]).await;
    }
}

#[tokio::test]
async fn targets_that_are_none() {
    let gateway = Gateway::start();
    for target in [
        "/api/v1/courses/%",
        "/api/v1/courses/%2",
        "/api/v1/courses/%zz",
        "/api/v1/courses/%ff",
        "/api/v1/courses/%c0%ae",
        "/api/v1/courses/%00",
        "/api/v1/courses/a%00b",
        "/api/v1/courses?search=%ff",
        "/api/v1/courses?%=1",
        "/api/v1/courses?search=%00",
        "/api/v1/courses?page_size=99999999999",
    ] {
        refused(&gateway, &request("GET", target, "", b""), &[400]).await;
    }
    for target in [
        "/..%2f..%2fetc%2fpasswd",
        "/../../etc/passwd",
        "/api/v1/../v1/courses",
        "//",
        "//api//v1//courses",
        "/api/v1/courses/./",
        "/dev/mail/..%2f..%2fCargo.toml",
        "/dev/mail/..",
        "/docs/..%2f..%2fsrc/main.rs",
        "/api/v1/courses;a=b",
    ] {
        refused(&gateway, &request("GET", target, "", b""), &[404]).await;
    }
    refused(&gateway, &request("GET", "*", "", b""), &[400, 404]).await;
    refused(&gateway, &request("GET", "/a b", "", b""), &[400]).await;
    refused(&gateway, &request("GET", "nonsense", "", b""), &[400, 404]).await;
    refused(
        &gateway,
        &request("GET", "http://evil.test/api/v1/courses", "", b""),
        &[400],
    )
    .await;
    refused(
        &gateway,
        &request("CONNECT", "localhost:80", "", b""),
        &[400, 404, 405],
    )
    .await;
    refused(&gateway, b"nonsense\r\n\r\n", &[400, 0]).await;
    refused(&gateway, b"GET / HTTP/3.0\r\n\r\n", &[400, 505, 0]).await;
    refused(
        &gateway,
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        &[400, 0],
    )
    .await;
    gateway.assert_serves().await;
}

#[tokio::test]
async fn dots_in_a_slug_are_a_slug() {
    let gateway = Gateway::start();
    let answer = exchange(
        gateway.address,
        &request("GET", "/api/v1/courses/..%2f..%2fusers", "", b""),
    )
    .await;
    assert_eq!(answer.status, 200);
    assert!(gateway.course.last().rpc.ends_with("/GetCourse"));
    assert!(gateway.auth.calls().is_empty());
}

#[tokio::test]
async fn hosts_that_are_not_ours() {
    let gateway = Gateway::start();
    let get =
        |host: &str| format!("GET /api/v1/courses HTTP/1.1\r\nconnection: close\r\n{host}\r\n").into_bytes();
    for host in [
        "",
        "host: evil.test\r\n",
        "host: localhost.evil.test\r\n",
        "host: localhost@evil.test\r\n",
        "host: localhost\r\nhost: evil.test\r\n",
        "host: localhost, evil.test\r\n",
        "host: \r\n",
        "host: é\r\n",
    ] {
        refused(&gateway, &get(host), &[400]).await;
    }
    for host in [
        "host: localhost\r\n",
        "host: LOCALHOST:1\r\n",
        "host: 127.0.0.1:8080\r\n",
        "host: [::1]:80\r\n",
    ] {
        assert_eq!(exchange(gateway.address, &get(host)).await.status, 200, "{host}");
    }
}
