//! The token by which services know each other, and are believed whose request they pass on.

use std::{net::IpAddr, sync::Arc};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use http::HeaderMap;

use crate::{
    grpc::context::{CLIENT_ADDRESS, SERVICE_TOKEN},
    secret::Secret,
};

/// The tokens that are good now: two while the token is being changed. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ServiceTokens(Arc<[Secret<String>]>);

impl ServiceTokens {
    /// These tokens.
    pub fn new(tokens: &[Secret<String>]) -> Self {
        Self(tokens.into())
    }

    /// Whether whoever sent these headers is a service.
    pub fn shown_in(&self, headers: &HeaderMap) -> bool {
        let shown = headers.get(SERVICE_TOKEN);
        shown.is_some_and(|shown| {
            self.0
                .iter()
                .any(|token| verify_slices_are_equal(token.expose().as_bytes(), shown.as_bytes()).is_ok())
        })
    }

    /// The network address of the client: what a service says of it, otherwise the peer of the connection.
    pub fn client(&self, headers: &HeaderMap, peer: Option<IpAddr>) -> Option<IpAddr> {
        if !self.shown_in(headers) {
            return peer;
        }
        headers.get(CLIENT_ADDRESS)?.to_str().ok()?.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn either_token_is_good_while_it_is_being_changed() {
        let tokens = ServiceTokens::new(&["new".to_owned(), "old".to_owned()].map(Secret::new));
        let shown = |token: &'static str| {
            HeaderMap::from_iter([(SERVICE_TOKEN.parse().unwrap(), HeaderValue::from_static(token))])
        };
        assert!(tokens.shown_in(&shown("new")));
        assert!(tokens.shown_in(&shown("old")));
        for other in ["", "ne", "news", "NEW"] {
            assert!(!tokens.shown_in(&shown(other)), "{other}");
        }
        assert!(!tokens.shown_in(&HeaderMap::new()));
    }

    #[test]
    fn only_a_service_is_believed() {
        let tokens = ServiceTokens::new(&[Secret::new("ours".to_owned())]);
        let told = |token: Option<&'static str>, address: &'static str| {
            let mut headers = HeaderMap::new();
            if let Some(token) = token {
                headers.insert(SERVICE_TOKEN, HeaderValue::from_static(token));
            }
            headers.insert(CLIENT_ADDRESS, HeaderValue::from_static(address));
            let client = tokens.client(&headers, Some(IpAddr::from([192, 0, 2, 1])));
            client.map(|address| address.to_string())
        };
        assert_eq!(told(Some("ours"), "203.0.113.7").as_deref(), Some("203.0.113.7"));
        assert_eq!(told(Some("ours"), "203.0.113.7, 1.2.3.4"), None);
        assert_eq!(told(Some("ours"), ""), None);
        for token in [None, Some("our"), Some("")] {
            assert_eq!(told(token, "203.0.113.7").as_deref(), Some("192.0.2.1"));
        }
    }
}
