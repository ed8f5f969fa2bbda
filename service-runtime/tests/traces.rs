//! A receiver of traces that never answers: what does not fit into the queue is let go of and counted, and neither
//! the work nor its end waits.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed step is a failed test")]

use std::{
    net::TcpListener,
    time::{Duration, Instant},
};

use http::{HeaderMap, HeaderName, Uri};
use service_runtime::{
    admin,
    lifecycle::Tasks,
    listen, metrics,
    readiness::Readiness,
    telemetry::{TraceSettings, Tracer},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

const SPANS: u64 = 30_000;
/// More than wait in the queue and are on their way.
const KEPT: u64 = 10_000;

#[tokio::test]
async fn what_does_not_fit_is_let_go_and_counted() {
    metrics::start();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let settings = TraceSettings {
        endpoint: format!("http://{}", silent.local_addr().unwrap())
            .parse()
            .unwrap(),
        ratio: 1.0,
    };
    let tasks = Tasks::default();
    let tracer = Tracer::start(Some(&settings), "test", &tasks).unwrap();
    let begun = Instant::now();
    for _ in 0..SPANS {
        drop(tracer.server(&HeaderMap::new()));
    }
    println!("{SPANS} spans begun and ended in {:?}", begun.elapsed());
    let dropped = dropped(&tasks).await;
    assert!((SPANS - KEPT..SPANS).contains(&dropped), "{dropped}");

    let stopping = Instant::now();
    tasks.stop();
    assert!(tasks.finished(Duration::from_secs(30)).await, "it ends well");
    assert!(
        stopping.elapsed() < Duration::from_secs(15),
        "{:?}",
        stopping.elapsed()
    );
}

#[tokio::test]
async fn a_sender_decides_before_the_ratio_does() {
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let sent = |flags: &str| {
        let value = format!("00-{trace}-b7ad6b7169203331-{flags}");
        HeaderMap::from_iter([(HeaderName::from_static("traceparent"), value.parse().unwrap())])
    };
    for (ratio, headers, is_seen) in [
        (0.0, HeaderMap::new(), false),
        (0.0, sent("01"), true),
        (1.0, HeaderMap::new(), true),
        (1.0, sent("00"), false),
    ] {
        let settings = TraceSettings {
            endpoint: Uri::from_static("http://127.0.0.1:9"),
            ratio,
        };
        let tracer = Tracer::start(Some(&settings), "test", &Tasks::default()).unwrap();
        let span = tracer.server(&headers);
        assert_eq!(span.is_seen(), is_seen, "{ratio} {headers:?}");
        // Whoever is asked next is told the decision, and the same trace.
        let told = span.traceparent().unwrap().to_str().unwrap().to_owned();
        assert!(told.ends_with(if is_seen { "-01" } else { "-00" }), "{told}");
        assert!(
            headers.is_empty() || told.starts_with(&format!("00-{trace}-")),
            "{told}"
        );
    }
}

#[tokio::test]
async fn one_that_is_not_asked_for_has_nothing_to_say() {
    let tracer = Tracer::start(None, "test", &Tasks::default()).unwrap();
    let span = tracer.server(&HeaderMap::new());
    assert!(!span.is_seen());
    assert_eq!((span.trace_id(), span.traceparent()), (None, None));
}

/// How many spans the operator's numbers say were dropped.
async fn dropped(tasks: &Tasks) -> u64 {
    let listener = listen::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    admin::serve(listener, None, Readiness::default(), tasks).unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = b"GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let told = "trace_spans_total{outcome=\"dropped\"} ";
    let line = answer.lines().find_map(|line| line.strip_prefix(told));
    line.unwrap_or_else(|| panic!("{answer}")).parse().unwrap()
}
