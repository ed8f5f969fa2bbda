//! The edge: what happens to every request, whatever it asks for. It gets an id, is checked against the
//! limits, is answered even when a handler panics, and leaves one line in the log; every answer carries the
//! security headers, and every problem is written out here.

mod cors;
mod exchange;
pub mod forwarded;
mod gate;
mod security_headers;

use std::{any::Any, borrow::Cow, convert::Infallible, net::IpAddr, panic::AssertUnwindSafe, time::Instant};

use axum::{
    BoxError, Router,
    body::Body,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures_util::FutureExt;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use http_body::Body as _;
use service_runtime::{
    entropy::Entropy,
    grpc::context::{KnownCaller, REQUEST_ID, new_request_id, sane_request_id},
    settings::Environment,
    telemetry::{Span, Tracer},
};
use tower::{Layer, Service, service_fn};
use tower_http::cors::CorsLayer;

pub use self::exchange::Exchange;
use self::exchange::address_value;
use crate::{
    config::{AllowedHosts, Config, TrustedProxies},
    problem::Problem,
};

/// Left with a response: the route that answered, for the log.
#[derive(Debug, Clone)]
pub struct Matched(pub Cow<'static, str>);

/// Everything between a connection and the router.
#[derive(Debug, Clone)]
pub struct Edge {
    router: Router,
    cors: CorsLayer,
    hosts: AllowedHosts,
    proxies: TrustedProxies,
    tracer: Tracer,
    entropy: Entropy,
    production: bool,
}

impl Edge {
    /// The edge in front of a router.
    pub fn new(config: &Config, router: Router, tracer: Tracer) -> Self {
        Self {
            router,
            cors: cors::layer(&config.origins),
            hosts: config.allowed_hosts.clone(),
            proxies: config.trusted_proxies.clone(),
            tracer,
            entropy: Entropy::default(),
            production: config.environment == Environment::Production,
        }
    }

    /// Answers a request that came over a connection from this address.
    pub async fn answer<B>(&self, mut request: Request<B>, peer: IpAddr) -> Response
    where
        B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    {
        let begun = Instant::now();
        let request_id = self.request_id(request.headers());
        let method = request.method().clone();
        let mut span = self.tracer.server(request.headers());
        let caller = KnownCaller::default();
        let client = forwarded::client(peer, request.headers(), &self.proxies);
        request.extensions_mut().insert(Exchange {
            request_id: request_id.clone(),
            client_address: address_value(client),
            caller: caller.clone(),
        });

        let mut response = span.around(self.with_cors(request)).await;
        let problem = response.extensions_mut().remove::<Problem>();
        let reason = problem.as_ref().map(|problem| problem.reason.clone());
        if let Some(problem) = problem {
            response = written(problem, response, id_text(&request_id));
            if method == Method::HEAD {
                response = without_body(response);
            }
        }
        let matched = response.extensions_mut().remove::<Matched>();
        count(&method, matched.as_ref(), response.status(), begun);
        describe(
            &mut span,
            &method,
            matched.as_ref(),
            response.status(),
            &request_id,
        );
        tracing::info!(
            request_id = id_text(&request_id),
            trace_id = span.trace_id().map(tracing::field::display),
            method = method.as_str(),
            route = matched.as_ref().map_or("-", |Matched(route)| route),
            status = response.status().as_u16(),
            reason = reason.as_deref(),
            caller_id = caller.get().map(tracing::field::display),
            duration_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
            "request"
        );
        let headers = response.headers_mut();
        headers.insert(REQUEST_ID, request_id);
        security_headers::add(headers, self.production);
        response
    }

    /// Around everything that refuses: a page that may call must be able to read why not.
    async fn with_cors<B>(&self, request: Request<B>) -> Response
    where
        B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    {
        // Only a request from a page of another origin has business with CORS, and only one that asks for a
        // method is its preflight; any other OPTIONS is a method like others.
        let headers = request.headers();
        let is_preflight = headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
        let is_cross_origin =
            headers.contains_key(header::ORIGIN) && (is_preflight || request.method() != Method::OPTIONS);
        if !is_cross_origin {
            return self.checked(request).await;
        }
        let inside = service_fn(async |request| Ok::<_, Infallible>(self.checked(request).await));
        let answered = self.cors.layer(inside).call(request).await;
        answered.unwrap_or_else(|never| match never {})
    }

    /// Past the gate, and whatever happens there.
    async fn checked<B>(&self, request: Request<B>) -> Response
    where
        B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    {
        if let Err(problem) = gate::check(&request, &self.hosts) {
            return problem.into_response();
        }
        let exchange = request.extensions().get::<Exchange>().cloned();
        let answering = AssertUnwindSafe(self.router.clone().call(request)).catch_unwind();
        match answering.await {
            Ok(answered) => answered.unwrap_or_else(|never| match never {}),
            Err(panic) => {
                let request_id = Exchange::id_of(exchange.as_ref());
                tracing::error!(request_id, panic = panic_text(&*panic), "a request panicked");
                Problem::internal().into_response()
            }
        }
    }

    fn request_id(&self, headers: &HeaderMap) -> HeaderValue {
        match sane_request_id(headers) {
            // A sane one is the first one, as it came.
            Some(_) => headers.get(REQUEST_ID).cloned(),
            None => HeaderValue::from_str(&new_request_id(&self.entropy)).ok(),
        }
        .unwrap_or_else(|| HeaderValue::from_static("unknown"))
    }
}

/// The response with the problem as its body; headers that were added on the way out stay.
fn written(problem: Problem, response: Response, request_id: &str) -> Response {
    let (mut parts, _empty) = response.into_parts();
    let (written, body) = problem.render(request_id).into_parts();
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.extend(written.headers);
    Response::from_parts(parts, body)
}

/// The answer to HEAD: the headers of what GET would bring. HTTP/1 drops the body by itself, HTTP/2 does not.
fn without_body(response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    if let Some(length) = body.size_hint().exact() {
        parts.headers.insert(header::CONTENT_LENGTH, length.into());
    }
    Response::from_parts(parts, Body::empty())
}

/// What a panic said.
fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no text")
}

/// Counts a request. Only routes and methods of ours have names here, because a caller could invent others.
fn count(method: &Method, matched: Option<&Matched>, status: StatusCode, begun: Instant) {
    let route = matched.map_or(Cow::Borrowed("-"), |Matched(route)| route.clone());
    let method = match matched {
        Some(_) => Cow::Owned(method.as_str().to_owned()),
        None => Cow::Borrowed("-"),
    };
    metrics::histogram!("http_server_request_seconds", "route" => route.clone()).record(begun.elapsed());
    let status = status.as_u16().to_string();
    metrics::counter!("http_server_requests_total", "method" => method, "route" => route, "status" => status)
        .increment(1);
}

/// Says in the trace what the request was and what came of it, by the conventions of OpenTelemetry. The path stays
/// out of it: a person may have typed anything there.
fn describe(
    span: &mut Span,
    method: &Method,
    matched: Option<&Matched>,
    status: StatusCode,
    request_id: &HeaderValue,
) {
    if !span.is_seen() {
        return;
    }
    let method = known_method(method);
    let named = method.unwrap_or("HTTP");
    match matched {
        Some(Matched(route)) => {
            span.rename(format!("{named} {route}"));
            span.set("http.route", route.clone());
        }
        None => span.rename(named),
    }
    span.set("http.request.method", method.unwrap_or("_OTHER"));
    span.set("http.response.status_code", i64::from(status.as_u16()));
    span.set("request.id", id_text(request_id).to_owned());
    // The others are a caller's failures, not ours.
    if status.is_server_error() {
        span.fail(status.as_u16().to_string());
    }
}

/// The name of a method that has one: a caller can make up others.
fn known_method(method: &Method) -> Option<&'static str> {
    Some(match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        _ => return None,
    })
}

fn id_text(request_id: &HeaderValue) -> &str {
    request_id.to_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        sync::{Arc, LazyLock, Mutex},
    };

    use axum::routing::get;
    use http_body_util::BodyExt;
    use service_runtime::settings::Values;
    use tracing_subscriber::fmt::MakeWriter;

    use super::*;

    async fn panic() -> Response {
        panic!("on purpose, {}", "with care")
    }

    fn edge() -> Edge {
        let config = Config::from_values(&Values::default()).unwrap();
        let router = Router::new().route("/panic", get(panic));
        Edge::new(&config, router, Tracer::default())
    }

    async fn ask(edge: &Edge) -> Response {
        LazyLock::force(&LOG);
        let request = Request::get("/panic")
            .header(header::HOST, "localhost")
            .header(header::ORIGIN, "http://localhost:3000")
            .header(REQUEST_ID, "my-id");
        let peer = [127, 0, 0, 1].into();
        edge.answer(request.body(Body::empty()).unwrap(), peer).await
    }

    #[tokio::test]
    async fn a_panic_is_told_as_nothing_but_the_request_id() {
        let edge = edge();
        for _ in 0..2 {
            let response = ask(&edge).await;
            assert_eq!(response.status(), 500);
            assert_eq!(response.headers()["x-request-id"], "my-id");
            assert_eq!(response.headers()["x-content-type-options"], "nosniff");
            let body = response.into_body().collect().await.unwrap().to_bytes();
            let problem: serde_json::Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(problem["detail"], "Something went wrong. Request id: my-id");
        }
    }

    #[tokio::test]
    async fn the_answer_to_a_panic_can_be_read_by_a_page_that_may_call() {
        let response = ask(&edge()).await;
        let allowed = &response.headers()["access-control-allow-origin"];
        assert_eq!(allowed, "http://localhost:3000");
        assert_eq!(response.headers()["content-type"], "application/problem+json");
    }

    /// The lines that were logged.
    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl MakeWriter<'_> for Lines {
        type Writer = Self;

        fn make_writer(&self) -> Self {
            self.clone()
        }
    }

    /// What every test here logged. One log for all: what a test alone sets up, the others switch on and off.
    static LOG: LazyLock<Lines> = LazyLock::new(|| {
        let lines = Lines::default();
        let log = tracing_subscriber::fmt()
            .with_writer(lines.clone())
            .with_ansi(false);
        log.init();
        lines
    });

    #[tokio::test]
    async fn a_panic_is_logged_with_its_text_and_the_request_id() {
        ask(&edge()).await;
        let log = String::from_utf8(LOG.0.lock().unwrap().clone()).unwrap();
        let panicked = log.lines().find(|line| line.contains("a request panicked"));
        let panicked = panicked.unwrap_or_else(|| panic!("{log}"));
        assert!(panicked.contains("request_id=\"my-id\""), "{panicked}");
        assert!(panicked.contains("on purpose, with care"), "{panicked}");
    }
}
