//! The token by which services know each other.

use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use http::HeaderMap;

use crate::{grpc::context::SERVICE_TOKEN, secret::Secret};

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
}
