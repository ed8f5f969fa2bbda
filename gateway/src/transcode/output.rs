//! The typed answer as JSON, with the headers that belong to it.

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, Method, StatusCode, header, request::Parts};
use proto::rest::Texts;
use serde::Serialize;

use super::{Endpoint, conditional, path};
use crate::{edge::Exchange, problem::Problem};

/// Where the public keys are.
const KEY_SET: &str = "/.well-known/jwks.json";
/// For how long they are kept by who asked for them. A key is published for longer before it signs (`LEAD` of
/// auth-service).
const KEPT: &str = "public, max-age=300";

/// Writes the answer of a route, with the HTTP status of its success.
///
/// # Errors
/// 500 when the message has no JSON, which is a bug of the service.
pub fn write<T: Serialize + Texts>(
    endpoint: &Endpoint,
    parts: &Parts,
    message: &T,
    success: u16,
) -> Result<Response, Problem> {
    let etag = message.text("etag").filter(|etag| !etag.is_empty());
    let reads = parts.method == Method::GET || parts.method == Method::HEAD;
    let mut response = match etag {
        Some(etag) if reads && conditional::is_known(&parts.headers, etag) => {
            StatusCode::NOT_MODIFIED.into_response()
        }
        _ => whole(endpoint, parts, message, success)?,
    };
    let headers = response.headers_mut();
    if let Some(etag) = etag.and_then(conditional::quoted) {
        headers.insert(header::ETAG, etag);
    }
    if let Some(place) = place(endpoint, parts, message) {
        headers.insert(header::LOCATION, place);
    }
    // What is one person's, or changes something, is kept nowhere; the rest is asked for again each time, but for keys.
    let private = parts.headers.contains_key(header::AUTHORIZATION) || endpoint.route.path.contains("/auth/");
    let caching = match reads && !private {
        true if endpoint.route.path == KEY_SET => KEPT,
        true => "no-cache",
        false => "no-store",
    };
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(caching));
    Ok(response)
}

fn whole<T: Serialize>(
    endpoint: &Endpoint,
    parts: &Parts,
    message: &T,
    success: u16,
) -> Result<Response, Problem> {
    let mut json = Vec::with_capacity(1024);
    serde_json::to_writer(&mut json, message).map_err(|error| {
        let request_id = Exchange::id_of(parts.extensions.get());
        tracing::error!(request_id, rpc = endpoint.route.rpc, %error, "an answer has no JSON");
        Problem::internal()
    })?;
    let mut response = match &*json {
        // A message without fields has nothing to say.
        b"{}" => Response::default(),
        _ => {
            let mut response = Response::new(Body::from(json));
            let media_type = HeaderValue::from_static("application/json");
            response.headers_mut().insert(header::CONTENT_TYPE, media_type);
            response
        }
    };
    *response.status_mut() = StatusCode::from_u16(success).unwrap_or_default();
    Ok(response)
}

/// Where a new resource can be read.
fn place<T: Texts>(endpoint: &Endpoint, parts: &Parts, message: &T) -> Option<HeaderValue> {
    let name = message
        .text(endpoint.addressed_by?)
        .filter(|name| !name.is_empty())?;
    HeaderValue::from_str(&format!("{}/{}", parts.uri.path(), path::encode(name))).ok()
}
