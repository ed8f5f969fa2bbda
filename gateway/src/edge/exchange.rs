//! What the edge knows of a request before anyone reads it.

use std::net::IpAddr;

use http::HeaderValue;
use service_runtime::grpc::context::KnownCaller;

/// Left as an extension of every request; cheap to clone.
#[derive(Debug, Clone)]
pub struct Exchange {
    /// Names the request in every log line and problem, across services.
    pub request_id: HeaderValue,
    /// The network address of the client.
    pub client_address: HeaderValue,
    /// Who a service found to call.
    pub caller: KnownCaller,
}

impl Exchange {
    /// The request's id, for a log line; `unknown` for what did not come through the edge.
    pub fn id_of(exchange: Option<&Self>) -> &str {
        let id = exchange.and_then(|exchange| exchange.request_id.to_str().ok());
        id.unwrap_or("unknown")
    }
}

/// An address as header value.
pub(super) fn address_value(address: IpAddr) -> HeaderValue {
    // An IPv4 client of a dual-stack listener is the same client.
    let text = address.to_canonical().to_string();
    HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static("unknown"))
}
