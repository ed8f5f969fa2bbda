//! Large bodies that never end. In a process of its own: the room for bodies is one for the whole process.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::{net::SocketAddr, time::Duration};

use gateway::{config::Config, server};
use service_runtime::{lifecycle::Tasks, listen::bind_many, settings::Values};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Sends the head of a registration and as much of its body as this.
async fn begin(gateway: SocketAddr, announced: usize, sent: usize) -> TcpStream {
    let mut stream = TcpStream::connect(gateway).await.unwrap();
    let head = format!(
        "POST /api/v1/auth/register HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {announced}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&vec![b' '; sent]).await.unwrap();
    stream
}

/// What is answered to a whole body of this length.
async fn answer(gateway: SocketAddr, length: usize) -> String {
    let mut stream = begin(gateway, length, length).await;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn large_bodies_that_never_end_leave_room_for_small_ones() {
    // Nothing is behind it: a body that is read is found to be no JSON.
    let config = Config::from_values(&Values::default()).unwrap();
    let listeners = bind_many("127.0.0.1:0".parse().unwrap(), 2).unwrap();
    let gateway = listeners[0].local_addr().unwrap();
    let tasks = Tasks::default();
    server::serve(&config, listeners, &tasks).unwrap();

    let (small, large) = (10_000, 100_000);
    assert!(answer(gateway, large).await.starts_with("HTTP/1.1 400 "));
    // Each takes 64 KiB of the 32 MiB.
    let mut unfinished = Vec::new();
    for _ in 0..520 {
        unfinished.push(begin(gateway, 20_000, 19_000).await);
    }
    let mut refused = answer(gateway, large).await;
    while !refused.starts_with("HTTP/1.1 429 ") {
        // The last of them are on their way.
        assert!(refused.starts_with("HTTP/1.1 400 "), "{refused}");
        refused = answer(gateway, large).await;
    }
    assert!(
        refused.contains("OVERLOADED") && refused.contains("retry-after: 1"),
        "{refused}"
    );
    assert!(answer(gateway, small).await.starts_with("HTTP/1.1 400 "));
    drop(unfinished);
    while !answer(gateway, large).await.starts_with("HTTP/1.1 400 ") {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
