//! REST to gRPC: one generic function serves every route of the contract's table.
//!
//! A request is decoded into the typed message ([`input`]), sent on ([`upstream`]), and the typed answer is
//! written as JSON ([`output`]). Nothing here knows an RPC by name, so adding one touches no code.

mod accept;
mod body;
pub mod conditional;
mod input;
pub mod json;
mod metadata;
mod output;
mod path;
mod query;
mod redirect;
mod routes;
mod shape;
mod upstream;

use std::sync::Arc;

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::{HeaderValue, Request};
use proto::rest::{self, Route, Texts};
use serde::{Serialize, de::DeserializeOwned};
use service_runtime::grpc::context::{caller_id, is_existing};
use tonic::{Code, Status};

pub use self::{
    body::collect,
    input::{is_parameter, is_whole_body_field},
    query::{Malformed, Pair, is_percent_encoded, pairs},
    routes::{Upstreams, addressed_by, router, table},
};
use crate::{
    edge::{Exchange, Matched},
    problem::{Problem, from_status},
};

/// One route with what it takes to serve it.
struct Endpoint {
    route: &'static Route,
    upstream: upstream::Upstream,
    service_token: Option<HeaderValue>,
    /// The field of a new resource under which it can be read below this path.
    addressed_by: Option<&'static str>,
}

/// Serves one request and says which route it was.
async fn serve<In, Out>(endpoint: Arc<Endpoint>, request: Request<Body>) -> Response
where
    In: prost::Message + Default + DeserializeOwned + 'static,
    Out: prost::Message + Default + Serialize + Texts + 'static,
{
    let answer = answer::<In, Out>(&endpoint, request).await;
    let mut response = answer.unwrap_or_else(IntoResponse::into_response);
    response
        .extensions_mut()
        .insert(Matched(endpoint.route.path.into()));
    response
}

async fn answer<In, Out>(endpoint: &Endpoint, request: Request<Body>) -> Result<Response, Problem>
where
    In: prost::Message + Default + DeserializeOwned + 'static,
    Out: prost::Message + Default + Serialize + Texts + 'static,
{
    accept::check(request.headers())?;
    let (parts, body) = request.into_parts();
    let body = match endpoint.route.body {
        rest::Body::None => Bytes::new(),
        rest::Body::Whole | rest::Body::Field(_) => body::read(&parts.headers, body).await?,
    };
    let input = input::read(endpoint.route, &parts, &body)?;
    let etag_sent = input.etag_sent;
    let message: In = input.into_message(endpoint.route)?;

    let exchange = parts.extensions.get::<Exchange>();
    let metadata = metadata::of(&parts.headers, exchange, endpoint.service_token.as_ref());
    let answered = endpoint.upstream.call::<In, Out>(metadata, message).await;
    let told = answered
        .as_ref()
        .map_or_else(Status::metadata, tonic::Response::metadata);
    if let (Some(exchange), Some(id)) = (exchange, caller_id(told)) {
        let _known = exchange.caller.set(id);
    }
    match answered {
        Ok(message) => {
            let success = endpoint
                .route
                .existing
                .filter(|_| is_existing(message.metadata()));
            let success = success.unwrap_or(endpoint.route.success);
            output::write(endpoint, &parts, message.get_ref(), success)
        }
        Err(status) => {
            log_failure(endpoint.route, exchange, &status);
            let problem = from_status(&status, etag_sent);
            Err(redirect::to_canonical(endpoint.route, &parts.uri, &status).unwrap_or(problem))
        }
    }
}

/// What went wrong behind the gateway, for the operator; the caller learns less.
fn log_failure(route: &Route, exchange: Option<&Exchange>, status: &Status) {
    let request_id = Exchange::id_of(exchange);
    let (rpc, code, message) = (route.rpc, status.code(), status.message());
    match code {
        Code::Internal | Code::Unknown | Code::DataLoss | Code::Unimplemented => {
            tracing::error!(request_id, rpc, ?code, message, "a service failed");
        }
        Code::Unavailable | Code::Cancelled | Code::DeadlineExceeded => {
            tracing::warn!(request_id, rpc, ?code, message, "a service did not answer");
        }
        _ => {}
    }
}
