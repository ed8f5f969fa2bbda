//! The edge: what happens to every request, whatever it asks for. It gets an id, is checked against the
//! limits, is answered even when a handler panics, and leaves one line in the log; every answer carries the
//! security headers, and every problem is written out here.

mod cors;
mod exchange;
mod gate;
mod security_headers;

use std::{borrow::Cow, convert::Infallible, panic::AssertUnwindSafe, time::Instant};

use axum::{
    BoxError, Router,
    body::Body,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures_util::FutureExt;
use http::{HeaderMap, HeaderValue, Method, Request, header};
use service_runtime::{
    entropy::Entropy,
    grpc::context::{REQUEST_ID, new_request_id, sane_request_id},
    settings::Environment,
};
use tower::{Layer, Service};
use tower_http::cors::Cors;

pub use self::exchange::{Exchange, address_value};
use crate::{
    config::{AllowedHosts, Config},
    problem::Problem,
};

/// Left with a response: the route that answered, for the log.
#[derive(Debug, Clone)]
pub struct Matched(pub Cow<'static, str>);

/// Everything between a connection and the router.
#[derive(Debug, Clone)]
pub struct Edge {
    router: Router,
    cors: Cors<Router>,
    hosts: AllowedHosts,
    entropy: Entropy,
    production: bool,
}

impl Edge {
    /// The edge in front of a router.
    pub fn new(config: &Config, router: Router) -> Self {
        Self {
            cors: cors::layer(&config.origins).layer(router.clone()),
            router,
            hosts: config.allowed_hosts.clone(),
            entropy: Entropy::default(),
            production: config.environment == Environment::Production,
        }
    }

    /// Answers a request that came from this address.
    pub async fn answer<B>(&self, mut request: Request<B>, client_address: HeaderValue) -> Response
    where
        B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    {
        let begun = Instant::now();
        let request_id = self.request_id(request.headers());
        let method = request.method().clone();
        request.extensions_mut().insert(Exchange {
            request_id: request_id.clone(),
            client_address,
        });

        let answering = AssertUnwindSafe(self.route(request)).catch_unwind().await;
        let mut response = answering.unwrap_or_else(|_panic| {
            tracing::error!(request_id = id_text(&request_id), "a request panicked");
            Problem::internal().into_response()
        });

        let problem = response.extensions_mut().remove::<Problem>();
        let reason = problem.as_ref().map(|problem| problem.reason.clone());
        if let Some(problem) = problem {
            response = written(problem, response, id_text(&request_id));
        }
        let matched = response.extensions_mut().remove::<Matched>();
        tracing::info!(
            request_id = id_text(&request_id),
            method = method.as_str(),
            route = matched.as_ref().map_or("-", |Matched(route)| route),
            status = response.status().as_u16(),
            reason = reason.as_deref(),
            duration_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
            "request"
        );
        let headers = response.headers_mut();
        headers.insert(REQUEST_ID, request_id);
        security_headers::add(headers, self.production);
        response
    }

    async fn route<B>(&self, request: Request<B>) -> Response
    where
        B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    {
        if let Err(problem) = gate::check(&request, &self.hosts) {
            return problem.into_response();
        }
        // Only a request from a page of another origin has business with CORS, and only one that asks for a
        // method is its preflight; any other OPTIONS is a method like others.
        let headers = request.headers();
        let is_preflight = headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
        let is_cross_origin =
            headers.contains_key(header::ORIGIN) && (is_preflight || request.method() != Method::OPTIONS);
        let answered: Result<Response, Infallible> = match is_cross_origin {
            true => self.cors.clone().call(request.map(Body::new)).await,
            false => self.router.clone().call(request).await,
        };
        answered.unwrap_or_else(|never| match never {})
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

fn id_text(request_id: &HeaderValue) -> &str {
    request_id.to_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use http_body_util::BodyExt;
    use service_runtime::settings::Values;

    use super::*;

    async fn panic() -> Response {
        panic!("on purpose")
    }

    #[tokio::test]
    async fn a_panic_is_told_as_nothing_but_the_request_id() {
        let config = Config::from_values(&Values::default()).unwrap();
        let edge = Edge::new(&config, Router::new().route("/panic", get(panic)));
        let request = || {
            let request = Request::get("/panic").header(header::HOST, "localhost");
            request.header(REQUEST_ID, "my-id").body(Body::empty()).unwrap()
        };
        for _ in 0..2 {
            let address = HeaderValue::from_static("127.0.0.1");
            let response = edge.answer(request(), address).await;
            assert_eq!(response.status(), 500);
            assert_eq!(response.headers()["x-request-id"], "my-id");
            assert_eq!(response.headers()["x-content-type-options"], "nosniff");
            let body = response.into_body().collect().await.unwrap().to_bytes();
            let problem: serde_json::Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(problem["detail"], "Something went wrong. Request id: my-id");
        }
    }
}
