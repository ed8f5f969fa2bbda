//! What a caller shows of itself: the service token, and whose request it passes on.

use std::net::IpAddr;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use tonic::{Request, metadata::MetadataMap};

use super::context::{CLIENT_ADDRESS, RequestContext, SERVICE_TOKEN};
use crate::secret::Secret;

/// Whether a service calls: whether one of these tokens is shown.
pub fn is_service(metadata: &MetadataMap, tokens: &[Secret<String>]) -> bool {
    let shown = metadata.get(SERVICE_TOKEN).map(|value| value.as_bytes());
    shown.is_some_and(|shown| {
        tokens
            .iter()
            .any(|token| verify_slices_are_equal(token.expose().as_bytes(), shown).is_ok())
    })
}

/// The network address of the client: what a service says of it, otherwise the peer of the connection.
pub fn address<T>(request: &Request<T>, tokens: &[Secret<String>]) -> Option<IpAddr> {
    if !is_service(request.metadata(), tokens) {
        return RequestContext::of(request).peer;
    }
    let told = request.metadata().get(CLIENT_ADDRESS)?;
    told.to_str().ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_service_is_believed() {
        let tokens = [
            Secret::new("new-token".to_owned()),
            Secret::new("old-token".to_owned()),
        ];
        let told = |token: Option<&'static str>, address: &'static str| {
            let mut request = Request::new(());
            if let Some(token) = token {
                request
                    .metadata_mut()
                    .insert(SERVICE_TOKEN, token.parse().unwrap());
            }
            request
                .metadata_mut()
                .insert(CLIENT_ADDRESS, address.parse().unwrap());
            super::address(&request, &tokens).map(|address| address.to_string())
        };
        let client = Some("203.0.113.7".to_owned());
        assert_eq!(told(Some("new-token"), "203.0.113.7"), client);
        assert_eq!(told(Some("old-token"), "203.0.113.7"), client);
        assert_eq!(told(Some("new-token"), "203.0.113.7, 1.2.3.4"), None);
        for token in [None, Some("new-toke"), Some("")] {
            assert_eq!(told(token, "203.0.113.7"), None, "no connection, no peer");
        }
    }
}
