//! What travels to a service beside the message. It is put together from nothing: no header of the client
//! passes by itself, so that none can speak for the gateway.

use http::{HeaderMap, HeaderValue, header};
use service_runtime::grpc::context::{
    CLIENT_ADDRESS, CLIENT_USER_AGENT, REQUEST_ID, SERVICE_TOKEN, TRACEPARENT,
};
use tonic::metadata::MetadataMap;

use crate::edge::Exchange;

/// The longest user agent that is passed on, in bytes.
const LONGEST_USER_AGENT: usize = 512;

/// The metadata of a call on behalf of a request.
pub fn of(
    headers: &HeaderMap,
    exchange: Option<&Exchange>,
    service_token: Option<&HeaderValue>,
) -> MetadataMap {
    let mut metadata = HeaderMap::with_capacity(8);
    // All of them, so that the service refuses what says two things at once.
    for value in headers.get_all(header::AUTHORIZATION) {
        metadata.append(header::AUTHORIZATION, value.clone());
    }
    if let Some(exchange) = exchange {
        metadata.insert(REQUEST_ID, exchange.request_id.clone());
        metadata.insert(CLIENT_ADDRESS, exchange.client_address.clone());
    }
    if let Some(agent) = headers.get(header::USER_AGENT).and_then(user_agent) {
        metadata.insert(CLIENT_USER_AGENT, agent);
    }
    if let Some(trace) = headers.get(TRACEPARENT).filter(|trace| is_trace(trace)) {
        metadata.insert(TRACEPARENT, trace.clone());
    }
    if let Some(token) = service_token {
        metadata.insert(SERVICE_TOKEN, token.clone());
    }
    MetadataMap::from_headers(metadata)
}

/// The user agent in visible ASCII and spaces, cut to size.
fn user_agent(value: &HeaderValue) -> Option<HeaderValue> {
    let plain = |byte: &u8| matches!(byte, b' '..=b'~');
    if value.len() <= LONGEST_USER_AGENT && value.as_bytes().iter().all(plain) {
        return Some(value.clone());
    }
    let kept: Vec<u8> = value
        .as_bytes()
        .iter()
        .copied()
        .filter(plain)
        .take(LONGEST_USER_AGENT)
        .collect();
    HeaderValue::from_bytes(kept.trim_ascii()).ok()
}

/// Whether it is a `traceparent` of W3C Trace Context: `version-trace-parent-flags` in lower-case hex.
fn is_trace(value: &HeaderValue) -> bool {
    let hex = |part: &str, length: usize| {
        part.len() == length && part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let not_zero = |part: &str| part.bytes().any(|byte| byte != b'0');
    let Ok(text) = value.to_str() else {
        return false;
    };
    let mut parts = text.splitn(5, '-');
    let [Some(version), Some(trace), Some(parent), Some(flags), rest] = std::array::from_fn(|_| parts.next())
    else {
        return false;
    };
    let version_is_sound = hex(version, 2) && version != "ff" && (version != "00" || rest.is_none());
    version_is_sound
        && hex(trace, 32)
        && not_zero(trace)
        && hex(parent, 16)
        && not_zero(parent)
        && hex(flags, 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_sound_traces_travel() {
        let (trace, parent) = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331");
        for good in [
            format!("00-{trace}-{parent}-01"),
            format!("cc-{trace}-{parent}-01-more"),
        ] {
            assert!(is_trace(&HeaderValue::from_str(&good).unwrap()), "{good}");
        }
        for bad in [
            String::new(),
            format!("00-{trace}-{parent}"),
            format!("00-{trace}-{parent}-01-more"),
            format!("ff-{trace}-{parent}-01"),
            format!("00-{}-{parent}-01", trace.to_uppercase()),
            format!("00-{}-{parent}-01", "0".repeat(32)),
        ] {
            assert!(!is_trace(&HeaderValue::from_str(&bad).unwrap()), "{bad}");
        }
    }

    #[test]
    fn a_user_agent_is_cleaned_and_cut() {
        let clean = |bytes: &[u8]| user_agent(&HeaderValue::from_bytes(bytes).unwrap()).unwrap();
        assert_eq!(clean(b"curl/8.0"), "curl/8.0");
        assert_eq!(clean("a\u{e9}\tb".as_bytes()), "ab");
        assert_eq!(clean("x".repeat(600).as_bytes()).len(), LONGEST_USER_AGENT);
    }
}
