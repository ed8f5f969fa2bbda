//! The edge: what happens to every gRPC request, whatever it asks for. It is refused at once when too many run, gets
//! its context, is answered within its deadline even when a handler panics, is refused with a reason even by the
//! library, and leaves one line in the log.

use std::{convert::Infallible, net::IpAddr, panic::AssertUnwindSafe, sync::Arc, time::Instant};

use futures_util::FutureExt;
use http::{HeaderValue, Request, Response};
use tokio::sync::Semaphore;
use tonic::{Code, Status, body::Body};
use tower::Service;

use crate::{
    entropy::Entropy,
    grpc::{
        context::{
            CALLER_ID, LONGEST_REQUEST, REQUEST_ID, RequestContext, grpc_timeout, new_request_id,
            sane_request_id,
        },
        refusal::{Refusal, code_name, completed, overloaded},
    },
    telemetry::{Span, Tracer, rpc_answered, traceparent},
};

/// How many requests may run at once in a process.
const MOST_RUNNING: usize = 1024;
/// What is answered all the same: who asks whether a process lives must not take work for death.
const HEALTH: &str = "/grpc.health.v1.Health/";

/// Everything between a connection and the services.
#[derive(Debug, Clone)]
pub(crate) struct Edge<S> {
    services: S,
    tracer: Tracer,
    entropy: Entropy,
    places: Arc<Semaphore>,
}

impl<S: Clone> Edge<S> {
    /// The edge in front of services.
    pub(crate) fn new(services: S, tracer: Tracer) -> Self {
        Self {
            services,
            tracer,
            entropy: Entropy::default(),
            places: Arc::new(Semaphore::new(MOST_RUNNING)),
        }
    }

    /// Answers a request that came from this address.
    pub(crate) async fn answer<B>(
        &self,
        mut request: Request<B>,
        peer: IpAddr,
    ) -> Result<Response<Body>, Infallible>
    where
        S: Service<Request<B>, Response = Response<Body>, Error = Infallible>,
    {
        let begun = Instant::now();
        let mut span = self.tracer.server(request.headers());
        let context = self.context(&request, begun, peer, &span);
        let caller = Arc::clone(&context.caller);
        let request_id = Arc::clone(&context.request_id);
        let deadline = context.deadline;
        let method = request.uri().path().to_owned();
        request.extensions_mut().insert(context);

        let place = self.places.try_acquire();
        let is_refused = place.is_err() && !method.starts_with(HEALTH);
        let mut response = if is_refused {
            overloaded().into_http()
        } else {
            let mut services = self.services.clone();
            let answering = span.around(async move { services.call(request).await });
            let answering = tokio::time::timeout_at(deadline.into(), answering);
            match AssertUnwindSafe(answering).catch_unwind().await {
                Ok(Ok(Ok(response))) => completed(response),
                Ok(Ok(Err(never))) => match never {},
                Ok(Err(_elapsed)) => Status::from(too_late()).into_http(),
                Err(_panic) => {
                    tracing::error!(request_id = &*request_id, method, "a request panicked");
                    let told = format!("Something went wrong. Request id: {request_id}");
                    Status::from(Refusal::new(Code::Internal, "INTERNAL", told)).into_http()
                }
            }
        };
        drop(place);
        if let Ok(id) = HeaderValue::from_str(&request_id) {
            response.headers_mut().insert(REQUEST_ID, id);
        }
        let caller = caller.get();
        if let Some(id) = caller.and_then(|id| HeaderValue::from_str(&id.to_string()).ok()) {
            response.headers_mut().insert(CALLER_ID, id);
        }
        let code = response.headers().get(Status::GRPC_STATUS);
        let code = code.map_or(Code::Ok, |code| Code::from_bytes(code.as_bytes()));
        // What was refused unseen may have a name of the caller's making.
        let counted = if is_refused { "/refused" } else { &method };
        count(counted, code, begun);
        rpc_answered(&mut span, &request_id, counted, code);
        tracing::info!(
            request_id = &*request_id,
            trace_id = span.trace_id().map(tracing::field::display),
            method,
            ?code,
            caller_id = caller.map(tracing::field::display),
            duration_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
            "request"
        );
        Ok(response)
    }

    fn context<B>(&self, request: &Request<B>, begun: Instant, peer: IpAddr, span: &Span) -> RequestContext {
        let headers = request.headers();
        let allowed = headers.get("grpc-timeout").and_then(grpc_timeout);
        RequestContext {
            request_id: sane_request_id(headers)
                .map_or_else(|| new_request_id(&self.entropy).into(), Arc::from),
            method: request.uri().path().trim_start_matches('/').into(),
            deadline: begun + allowed.unwrap_or(LONGEST_REQUEST).min(LONGEST_REQUEST),
            traceparent: span
                .traceparent()
                .or_else(|| traceparent::sound(headers).cloned()),
            peer: Some(peer),
            caller: Arc::default(),
        }
    }
}

/// Counts a request. A method that nobody knows is counted without its name, which is the caller's.
fn count(method: &str, code: Code, begun: Instant) {
    let method = match code {
        Code::Unimplemented => "unknown".to_owned(),
        _ => method.trim_start_matches('/').to_owned(),
    };
    metrics::histogram!("grpc_server_request_seconds", "method" => method.clone()).record(begun.elapsed());
    metrics::counter!("grpc_server_requests_total", "method" => method, "code" => code_name(code))
        .increment(1);
}

fn too_late() -> Refusal {
    Refusal::new(
        Code::DeadlineExceeded,
        "DEADLINE_EXCEEDED",
        "The request took longer than its deadline allows.",
    )
}
