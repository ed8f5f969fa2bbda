//! Which pages of other origins may call, and with what (the Fetch standard's CORS protocol).

use std::time::Duration;

use http::{HeaderName, Method, header};
use tower_http::cors::{AllowOrigin, CorsLayer};

use crate::config::Origins;

/// How long a browser may remember the answer to a preflight.
const MAX_AGE: Duration = Duration::from_secs(600);

/// The layer for these origins.
pub fn layer(origins: &Origins) -> CorsLayer {
    let allowed = match &origins.allowed {
        Some(listed) => AllowOrigin::list(listed.clone()),
        None => AllowOrigin::any(),
    };
    CorsLayer::new()
        .allow_origin(allowed)
        .allow_credentials(origins.credentials)
        .allow_methods([
            Method::GET,
            Method::POST,
            Method::PATCH,
            Method::PUT,
            Method::DELETE,
        ])
        .allow_headers([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            HeaderName::from_static("x-refresh-token"),
            HeaderName::from_static("x-request-id"),
            header::IF_MATCH,
            HeaderName::from_static("idempotency-key"),
        ])
        .expose_headers([
            header::ETAG,
            header::LOCATION,
            header::RETRY_AFTER,
            HeaderName::from_static("x-request-id"),
            header::WWW_AUTHENTICATE,
        ])
        .max_age(MAX_AGE)
        // Every answer of the edge says what it varies with.
        .vary([])
}
