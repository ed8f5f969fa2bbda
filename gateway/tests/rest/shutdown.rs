//! Being told to stop: what runs is finished, nothing new begins, and the end comes in time.

use std::time::{Duration, Instant};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::sleep,
};

use crate::support::Gateway;

#[tokio::test]
async fn a_running_request_is_finished() {
    let gateway = Gateway::start();
    gateway.course.delay(Duration::from_millis(500));
    let request = gateway.request("GET", "/api/v1/courses");
    let (answer, ()) = tokio::join!(request.send(), async {
        while gateway.course.calls().is_empty() {
            sleep(Duration::from_millis(5)).await;
        }
        gateway.tasks.stop();
    });
    assert_eq!(answer.unwrap().status().as_u16(), 200);
    assert!(gateway.tasks.finished(Duration::from_secs(5)).await);
    assert!(TcpStream::connect(gateway.address).await.is_err());
}

#[tokio::test]
async fn idle_connections_do_not_delay_the_end() {
    let gateway = Gateway::start();
    let silent = TcpStream::connect(gateway.address).await.unwrap();
    let mut idle = TcpStream::connect(gateway.address).await.unwrap();
    idle.write_all(b"GET /openapi.json HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .await
        .unwrap();
    assert_ne!(idle.read(&mut [0; 1024]).await.unwrap(), 0);
    let begun = Instant::now();
    gateway.tasks.stop();
    assert!(gateway.tasks.finished(Duration::from_secs(5)).await);
    assert!(begun.elapsed() < Duration::from_secs(2));
    drop(silent);
}

#[tokio::test]
async fn a_request_that_never_ends_is_cut_off_after_the_grace() {
    let gateway = Gateway::start();
    gateway.course.delay(Duration::from_secs(60));
    let request = gateway.request("GET", "/api/v1/courses");
    let (answer, ended) = tokio::join!(request.send(), async {
        while gateway.course.calls().is_empty() {
            sleep(Duration::from_millis(5)).await;
        }
        gateway.tasks.stop();
        gateway.tasks.finished(Duration::from_millis(200)).await
    });
    assert!(answer.is_err());
    assert!(!ended, "an end by force is no good end");
}
