//! What travels to a service beside the message. It is put together from nothing: no header of the client
//! passes by itself, so that none can speak for the gateway.

use http::{HeaderMap, HeaderValue, header};
use service_runtime::{
    grpc::context::{CLIENT_ADDRESS, CLIENT_USER_AGENT, REQUEST_ID, SERVICE_TOKEN},
    telemetry::traceparent::{self, TRACEPARENT},
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
    if let Some(trace) = traceparent::sound(headers) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_agent_is_cleaned_and_cut() {
        let clean = |bytes: &[u8]| user_agent(&HeaderValue::from_bytes(bytes).unwrap()).unwrap();
        assert_eq!(clean(b"curl/8.0"), "curl/8.0");
        assert_eq!(clean("a\u{e9}\tb".as_bytes()), "ab");
        assert_eq!(clean("x".repeat(600).as_bytes()).len(), LONGEST_USER_AGENT);
    }
}
