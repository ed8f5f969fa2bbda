//! A receiver of traces on a real socket: OTLP over HTTP, read by the messages that OpenTelemetry publishes.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{Router, extract::State, http::header::CONTENT_TYPE, routing::post};
use bytes::Bytes;
use opentelemetry_proto::tonic::{
    collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse},
    common::v1::{KeyValue, any_value::Value},
    trace::v1::{Span as Message, span::SpanKind, status::StatusCode},
};
use prost::Message as _;

/// How long spans may take to arrive.
const WITHIN: Duration = Duration::from_secs(20);

/// A receiver, for as long as the test runs.
#[derive(Clone, Default)]
pub struct Receiver {
    pub endpoint: String,
    bodies: Arc<Mutex<Vec<Bytes>>>,
    is_slow: Arc<AtomicBool>,
}

impl Receiver {
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let receiver = Self {
            endpoint: format!("http://{}", listener.local_addr().unwrap()),
            ..Self::default()
        };
        let router = Router::new()
            .route("/v1/traces", post(take))
            .with_state(receiver.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        receiver
    }

    /// From now on it takes half a second before it has taken something.
    pub fn slow_down(&self) {
        self.is_slow.store(true, Ordering::SeqCst);
    }

    /// Everything that came, with every text in it; ids stand there as numbers.
    pub fn everything(&self) -> String {
        let bodies = self.bodies.lock().unwrap().clone();
        let messages = bodies.into_iter().map(ExportTraceServiceRequest::decode);
        messages
            .map(|message| format!("{:?}", message.unwrap()))
            .collect()
    }

    /// Every span that came of a trace.
    pub fn spans(&self, trace_id: &str) -> Vec<Span> {
        let bodies = self.bodies.lock().unwrap().clone();
        let mut spans = Vec::new();
        for body in bodies {
            for all in ExportTraceServiceRequest::decode(body).unwrap().resource_spans {
                let resource = all.resource.unwrap_or_default();
                let service = attribute(&resource.attributes, "service.name").unwrap();
                for message in all.scope_spans.into_iter().flat_map(|scope| scope.spans) {
                    spans.push(Span::of(&service, message));
                }
            }
        }
        spans.retain(|span| span.trace_id == trace_id);
        spans
    }

    /// The spans of a trace, once there are so many.
    pub async fn wait_for(&self, trace_id: &str, count: usize) -> Vec<Span> {
        let begun = Instant::now();
        loop {
            let spans = self.spans(trace_id);
            if spans.len() >= count {
                return spans;
            }
            assert!(
                begun.elapsed() < WITHIN,
                "{} of {count} spans: {spans:#?}",
                spans.len()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

async fn take(
    State(receiver): State<Receiver>,
    body: Bytes,
) -> ([(axum::http::HeaderName, &'static str); 1], Vec<u8>) {
    // Whoever leaves meanwhile has delivered nothing.
    if receiver.is_slow.load(Ordering::SeqCst) {
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    receiver.bodies.lock().unwrap().push(body);
    let answer = ExportTraceServiceResponse::default().encode_to_vec();
    ([(CONTENT_TYPE, "application/x-protobuf")], answer)
}

/// A span, as people read it.
#[derive(Debug)]
pub struct Span {
    pub service: String,
    pub name: String,
    pub kind: SpanKind,
    pub trace_id: String,
    pub id: String,
    pub parent: String,
    pub failed: bool,
    attributes: Vec<KeyValue>,
}

impl Span {
    fn of(service: &str, message: Message) -> Self {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert!(message.end_time_unix_nano >= message.start_time_unix_nano);
        Self {
            service: service.to_owned(),
            kind: message.kind(),
            trace_id: hex(&message.trace_id),
            id: hex(&message.span_id),
            parent: hex(&message.parent_span_id),
            failed: message
                .status
                .is_some_and(|status| status.code() == StatusCode::Error),
            name: message.name,
            attributes: message.attributes,
        }
    }

    /// What is said of it under this name.
    pub fn says(&self, name: &str) -> Option<String> {
        attribute(&self.attributes, name)
    }
}

fn attribute(attributes: &[KeyValue], name: &str) -> Option<String> {
    let found = attributes.iter().find(|attribute| attribute.key == name)?;
    match found.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => Some(text.clone()),
        Value::IntValue(number) => Some(number.to_string()),
        other => panic!("{name} is {other:?}"),
    }
}
