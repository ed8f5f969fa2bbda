//! The headers that tell browsers what they must not do with an answer.

use http::{HeaderMap, HeaderName, HeaderValue, header};

/// On every answer. A page brings its own content security policy, which stays.
const ALWAYS: [(HeaderName, HeaderValue); 6] = [
    (
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    ),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        ),
    ),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    // CORS requests are not subject to it; embedding without CORS is what it forbids.
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("same-origin"),
    ),
    (header::VARY, HeaderValue::from_static("authorization, origin")),
];

/// Adds them.
pub fn add(headers: &mut HeaderMap, production: bool) {
    headers.reserve(ALWAYS.len() + 1);
    for (name, value) in &ALWAYS {
        headers.entry(name).or_insert_with(|| value.clone());
    }
    if production {
        let year = HeaderValue::from_static("max-age=31536000; includeSubDomains");
        headers.insert(header::STRICT_TRANSPORT_SECURITY, year);
    }
}
