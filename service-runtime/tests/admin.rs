//! The operator's listener: alive from the first moment to the last, ready only in between.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed step is a failed test")]

use std::{net::SocketAddr, time::Duration};

use service_runtime::{
    admin,
    lifecycle::Tasks,
    listen,
    readiness::Readiness,
    settings::{Setting, Values},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

async fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    format!("{} {}", &head[9..12], body.trim_end())
}

#[tokio::test]
async fn readiness_is_told_until_the_very_end() {
    let (tasks, readiness) = (Tasks::default(), Readiness::default());
    let listener = listen::bind(([127, 0, 0, 1], 0).into()).unwrap();
    let address = listener.local_addr().unwrap();
    readiness.set("database", false);
    admin::serve(listener, None, readiness.clone(), &tasks).unwrap();
    assert_eq!(get(address, "/livez").await, "200 alive");
    assert_eq!(get(address, "/readyz").await, "503 not ready: database");
    readiness.set("database", true);
    assert_eq!(get(address, "/readyz").await, "200 ready");
    assert_eq!(get(address, "/").await, "404 ");

    let working = tasks.clone();
    tasks.spawn("work", async move {
        working.stopping().await;
        tokio::time::sleep(Duration::from_millis(500)).await;
    });
    tasks.stop();
    let (finished, ()) = tokio::join!(tasks.finished(Duration::from_secs(5)), async {
        assert_eq!(get(address, "/livez").await, "200 alive");
        assert_eq!(get(address, "/readyz").await, "503 not ready: stopping");
    });
    assert!(finished);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(
        TcpStream::connect(address).await.is_err(),
        "it ends with the process"
    );
}

#[tokio::test]
async fn a_running_process_can_be_asked_whether_it_is_ready() {
    const SETTINGS: [Setting; 1] = [Setting::optional("ADMIN_LISTEN", "Where")];
    let ask = async |address: &str| {
        let values = Values::default().with("ADMIN_LISTEN", address);
        admin::ask(&values, &SETTINGS)
            .await
            .map_err(|error| error.to_string())
    };
    let (tasks, readiness) = (Tasks::default(), Readiness::default());
    let listener = listen::bind(([0, 0, 0, 0], 0).into()).unwrap();
    let address = listener.local_addr().unwrap().to_string();
    readiness.set("database", false);
    admin::serve(listener, None, readiness.clone(), &tasks).unwrap();
    assert_eq!(ask(&address).await, Err("not ready: database".to_owned()));
    readiness.set("database", true);
    assert_eq!(ask(&address).await, Ok(()));
    assert!(ask("nowhere").await.unwrap_err().contains("ADMIN_LISTEN"));
    tasks.stop();
    assert!(tasks.finished(Duration::from_secs(5)).await);
    let silent = ask(&address).await.unwrap_err();
    assert!(silent.starts_with("nobody answers at 127.0.0.1:"), "{silent}");
}

#[tokio::test]
async fn numbers_are_told_as_prometheus_reads_them() {
    let tasks = Tasks::default();
    let listener = listen::bind(([127, 0, 0, 1], 0).into()).unwrap();
    let address = listener.local_addr().unwrap();
    admin::serve(listener, None, Readiness::default(), &tasks).unwrap();
    service_runtime::metrics::start();
    metrics::counter!("things_total", "kind" => "a").increment(2);
    metrics::histogram!("thing_seconds").record(0.004);
    let told = get(address, "/metrics").await;
    let told = told.strip_prefix("200 ").unwrap();
    for line in [
        "# TYPE things_total counter",
        "things_total{kind=\"a\"} 2",
        "thing_seconds_bucket{le=\"0.0025\"} 0",
        "thing_seconds_bucket{le=\"0.005\"} 1",
        "thing_seconds_count 1",
    ] {
        assert!(told.lines().any(|told| told == line), "{line} in {told}");
    }
}
