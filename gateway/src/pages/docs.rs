//! `/openapi.json`, and `/docs`: a page to read it and try it.

use axum::{Router, routing::get};
use http::{HeaderValue, header};

use super::{
    at,
    response::{SCRIPTED_POLICY, asset, html_response},
};
use crate::openapi;

const PAGE: &str = include_str!("../../assets/docs.html");
const SCRIPT: &str = include_str!("../../assets/docs.js");
const STYLE: &str = include_str!("../../assets/docs.css");

/// The documents about the API.
pub fn router() -> Router {
    Router::new()
        .merge(at("/openapi.json", get(async || document())))
        .merge(at(
            "/docs",
            get(async || html_response(PAGE.into(), SCRIPTED_POLICY)),
        ))
        .merge(at(
            "/docs/docs.js",
            get(async || asset("text/javascript", SCRIPT)),
        ))
        .merge(at("/docs/docs.css", get(async || asset("text/css", STYLE))))
}

fn document() -> axum::response::Response {
    let mut response = asset("application/json", &openapi::DOCUMENT);
    let media_type = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, media_type);
    response
}
