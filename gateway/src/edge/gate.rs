//! The limits and sanity that every request must meet before it is routed.

use http::{HeaderMap, Request, StatusCode, header};
use tonic::Code;

use crate::{config::AllowedHosts, problem::Problem, transcode::is_percent_encoded};

/// The longest path and query, in bytes.
const LONGEST_URI: usize = 8 * 1024;

/// The most that the headers may hold, in bytes.
const LARGEST_HEADERS: usize = 16 * 1024;

/// Lets a request pass.
///
/// # Errors
/// 400, 414 or 431.
pub fn check<B>(request: &Request<B>, hosts: &AllowedHosts) -> Result<(), Problem> {
    let asked = request.uri().path_and_query().map_or("", |asked| asked.as_str());
    if asked.len() > LONGEST_URI {
        return Err(Problem::new(
            StatusCode::URI_TOO_LONG,
            Code::InvalidArgument,
            "URI_TOO_LONG",
            "The address must not be longer than 8 KiB.",
        ));
    }
    if size(request.headers()) > LARGEST_HEADERS {
        return Err(Problem::new(
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Code::InvalidArgument,
            "HEADERS_TOO_LARGE",
            "The headers must not be larger than 16 KiB.",
        ));
    }
    if !names_us(request, hosts) {
        return Err(Problem::bad_request(
            "HOST_NOT_ALLOWED",
            "The host that the request names is not served here.",
        ));
    }
    if !is_percent_encoded(asked.as_bytes()) {
        return Err(Problem::bad_request(
            "INVALID_REQUEST",
            "The address is not percent-encoded properly.",
        ));
    }
    Ok(())
}

fn size(headers: &HeaderMap) -> usize {
    // As on the wire of HTTP/1: `name: value\r\n`.
    headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len() + 4)
        .sum()
}

/// Whether every host that the request names is ours, and it names one.
fn names_us<B>(request: &Request<B>, hosts: &AllowedHosts) -> bool {
    let authority = request.uri().authority().map(|authority| authority.as_str());
    let mut headers = request.headers().get_all(header::HOST).iter();
    let header = headers.next().map(|value| value.to_str().unwrap_or_default());
    headers.next().is_none()
        && (authority.is_some() || header.is_some())
        && authority.iter().chain(&header).all(|host| hosts.allow(host))
}
