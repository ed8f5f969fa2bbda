//! Delivers spans by OTLP over HTTP, on a thread of its own: no request ever waits for the receiver. What the
//! receiver does not take is counted and let go.

use std::{io, mem, thread, time::Duration};

use bytes::Bytes;
use http::{Request, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use opentelemetry_proto::{
    tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse},
    transform::{
        common::tonic::ResourceAttributesWithSchema, trace::tonic::group_spans_by_resource_and_scope,
    },
};
use opentelemetry_sdk::{Resource, trace::SpanData};
use prost::Message;
use tokio::{
    net::TcpStream,
    runtime,
    sync::{
        mpsc::{self, Receiver},
        oneshot,
    },
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use super::queue::{Queue, count};
use crate::{causes::causes, lifecycle::Tasks};

/// How many spans may wait.
const LONGEST_QUEUE: usize = 8192;
/// The most spans that are sent at once.
const LARGEST_BATCH: usize = 512;
/// How long spans wait for others to be sent with.
const GATHER: Duration = Duration::from_secs(1);
/// How long the receiver may take for a batch.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long the end of the process waits for what is left, if its grace allows.
const LAST: Duration = Duration::from_secs(3);
/// No answer of a receiver is longer, in bytes.
const LONGEST_ANSWER: usize = 64 * 1024;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Starts to deliver what goes into the queue, until every holder of the queue and every task has ended.
pub(super) fn start(endpoint: &Uri, resource: &Resource, tasks: &Tasks) -> io::Result<Queue> {
    let (queue, waiting) = mpsc::channel(LONGEST_QUEUE);
    let delivery = Delivery {
        waiting,
        end: CancellationToken::new(),
        endpoint: endpoint.clone(),
        resource: resource.into(),
        is_taken: true,
    };
    let end = delivery.end.clone();
    let (ending, ended) = oneshot::channel::<()>();
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    thread::Builder::new().name("traces".to_owned()).spawn(move || {
        runtime.block_on(delivery.run());
        drop(ending);
    })?;
    tasks.afterwards(async move {
        end.cancel();
        drop(timeout(LAST, ended).await);
    });
    Ok(Queue(queue))
}

struct Delivery {
    waiting: Receiver<SpanData>,
    end: CancellationToken,
    endpoint: Uri,
    resource: ResourceAttributesWithSchema,
    /// Whether the receiver took the last batch: an outage is told once.
    is_taken: bool,
}

impl Delivery {
    async fn run(mut self) {
        let mut batch = Vec::new();
        while self.gather(&mut batch).await {
            self.deliver(mem::take(&mut batch)).await;
        }
    }

    /// Gathers the next batch; says whether there is one.
    async fn gather(&mut self, batch: &mut Vec<SpanData>) -> bool {
        let waiting = &mut self.waiting;
        let is_ending = tokio::select! {
            _some = waiting.recv_many(batch, LARGEST_BATCH) => false,
            () = self.end.cancelled() => true,
        };
        if is_ending {
            waiting.close();
            waiting.recv_many(batch, LARGEST_BATCH).await;
        } else {
            let filling = async {
                while batch.len() < LARGEST_BATCH {
                    if waiting.recv_many(batch, LARGEST_BATCH - batch.len()).await == 0 {
                        break;
                    }
                }
            };
            tokio::select! {
                _filled = timeout(GATHER, filling) => {}
                () = self.end.cancelled() => {}
            }
        }
        !batch.is_empty()
    }

    async fn deliver(&mut self, batch: Vec<SpanData>) {
        let all = batch.len();
        let message = ExportTraceServiceRequest {
            resource_spans: group_spans_by_resource_and_scope(batch, &self.resource),
        };
        let sending = self.send(message.encode_to_vec().into());
        let sent = timeout(PATIENCE, sending)
            .await
            .unwrap_or_else(|late| Err(late.into()));
        let refused = sent.as_ref().map_or(all, |refused| all.min(*refused));
        count("delivered", all - refused);
        count("undelivered", refused);
        match sent {
            Ok(_) if !self.is_taken => tracing::info!("traces are taken again"),
            Err(error) if self.is_taken => {
                tracing::warn!(endpoint = %self.endpoint, error = causes(&*error), "traces are not taken");
            }
            _ => {}
        }
        self.is_taken = refused == 0;
    }

    /// Sends a batch; says how many of its spans the receiver refused.
    async fn send(&self, body: Bytes) -> Result<usize, Failure> {
        let (host, port) = (
            self.endpoint.host().unwrap_or_default(),
            self.endpoint.port_u16().unwrap_or(80),
        );
        let stream = TcpStream::connect((host.trim_matches(['[', ']']), port)).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let path = self.endpoint.path().trim_end_matches('/');
        let request = Request::post(format!("{path}/v1/traces"))
            .header(
                header::HOST,
                self.endpoint.authority().map_or("", |at| at.as_str()),
            )
            .header(header::CONTENT_TYPE, "application/x-protobuf")
            .header(header::CONNECTION, "close")
            .body(Full::new(body))?;
        let asking = async move {
            let (head, body) = sender.send_request(request).await?.into_parts();
            if !head.status.is_success() {
                return Err(format!("the receiver answered {}", head.status).into());
            }
            let body = Limited::new(body, LONGEST_ANSWER).collect().await?.to_bytes();
            let refused = ExportTraceServiceResponse::decode(body)?.partial_success;
            let refused = refused.map_or(0, |partly| partly.rejected_spans);
            Ok(usize::try_from(refused).unwrap_or(0))
        };
        // How the connection ends does not matter once there is an answer.
        let (answered, _ended) = tokio::join!(asking, connection);
        answered
    }
}
