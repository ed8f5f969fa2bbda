//! Pages and assets as responses, with what the browser must know of them.

use askama::Template;
use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use http::{HeaderName, HeaderValue, StatusCode, header};

use crate::{edge::Exchange, problem::Problem};

/// A page without scripts: forms may go nowhere but back to us, nothing may be loaded from elsewhere.
const PAGE_POLICY: &str =
    "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// A page that may run our own scripts and let them call us.
pub const SCRIPTED_POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; \
     form-action 'none'; base-uri 'none'; frame-ancestors 'none'";

/// A page made for one person: kept nowhere.
pub fn page(exchange: Option<&Exchange>, status: StatusCode, template: &impl Template) -> Response {
    match template.render() {
        Ok(html) => {
            let mut response = html_response(html.into(), PAGE_POLICY);
            *response.status_mut() = status;
            let no_store = HeaderValue::from_static("no-store");
            response.headers_mut().insert(header::CACHE_CONTROL, no_store);
            response
        }
        Err(error) => {
            let request_id = Exchange::id_of(exchange);
            tracing::error!(request_id, %error, "a page cannot be rendered");
            Problem::internal().into_response()
        }
    }
}

/// HTML under a content security policy.
pub fn html_response(html: Body, policy: &'static str) -> Response {
    let mut response = Response::new(html);
    for (name, value) in [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, policy),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
    ] {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    response
}

/// A file that is the same for everyone until the next release.
pub fn asset(media_type: &'static str, content: &'static str) -> Response {
    let media_type = HeaderValue::from_str(&format!("{media_type}; charset=utf-8"));
    let mut response = Response::new(Body::from(content));
    let headers = response.headers_mut();
    if let Ok(media_type) = media_type {
        headers.insert(header::CONTENT_TYPE, media_type);
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}
