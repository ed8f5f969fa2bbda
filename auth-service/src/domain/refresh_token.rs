//! Refresh tokens: opaque, prefixed, and nowhere in the database. A token names its session and how often
//! that session had been refreshed; its secret part is derived from both, a salt of the session and a key
//! that is not in the database. So the successor that a retry gets is the same one, without being stored.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use service_runtime::{
    mac::{Mac, TAG_LEN},
    secret::Secret,
};
use uuid::Uuid;

/// What every refresh token begins with, so that a leaked one can be recognised.
const PREFIX: &str = "oer_";
const SESSION: usize = 16;
const COUNTER: usize = 8;

/// Makes and reads refresh tokens.
#[derive(Debug, Clone)]
pub struct RefreshTokens(Mac);

/// What a refresh token claims. Whether it is genuine only the salt of its session tells.
#[derive(Clone, PartialEq, Eq)]
pub struct Claimed {
    /// The session.
    pub session_id: Uuid,
    /// How often the session had been refreshed when the token was made.
    pub counter: i64,
    tag: Vec<u8>,
}

impl std::fmt::Debug for Claimed {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // All of it together is the token.
        let mut shown = formatter.debug_struct("Claimed");
        shown
            .field("session_id", &self.session_id)
            .finish_non_exhaustive()
    }
}

impl RefreshTokens {
    /// With the keys of the purpose `refresh-token`.
    pub const fn new(mac: Mac) -> Self {
        Self(mac)
    }

    /// The text of a token.
    pub fn token(&self, session_id: Uuid, counter: i64, salt: &[u8]) -> Secret<String> {
        let tag = self.0.tag(&message(session_id, counter, salt));
        let bytes = [&session_id.as_bytes()[..], &counter.to_be_bytes(), &tag].concat();
        Secret::new(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// What a text claims, or `None` if it is not a refresh token at all.
    pub fn read(text: &str) -> Option<Claimed> {
        let encoded = text.strip_prefix(PREFIX)?;
        if encoded.len() > 2 * (SESSION + COUNTER + TAG_LEN) {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(encoded).ok()?;
        let (session_id, rest) = bytes.split_at_checked(SESSION)?;
        let (counter, tag) = rest.split_at_checked(COUNTER)?;
        (tag.len() == TAG_LEN).then_some(Claimed {
            session_id: Uuid::from_slice(session_id).ok()?,
            counter: i64::from_be_bytes(counter.try_into().ok()?),
            tag: tag.to_vec(),
        })
    }

    /// Whether a token was made here for a session with this salt.
    pub fn is_genuine(&self, claimed: &Claimed, salt: &[u8]) -> bool {
        self.0
            .verify(&message(claimed.session_id, claimed.counter, salt), &claimed.tag)
    }
}

fn message(session_id: Uuid, counter: i64, salt: &[u8]) -> Vec<u8> {
    [&session_id.as_bytes()[..], &counter.to_be_bytes(), salt].concat()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tokens() -> RefreshTokens {
        RefreshTokens::new(Mac::derive(&[Secret::new(b"key".to_vec())], "refresh-token"))
    }

    #[test]
    fn a_token_is_genuine_for_its_own_session_only() {
        let token = tokens().token(Uuid::from_u128(1), 5, b"salt");
        let claimed = RefreshTokens::read(token.expose()).unwrap();
        assert_eq!((claimed.session_id, claimed.counter), (Uuid::from_u128(1), 5));
        assert!(tokens().is_genuine(&claimed, b"salt"));
        assert!(!tokens().is_genuine(&claimed, b"pepper"));
        assert!(!tokens().is_genuine(
            &Claimed {
                counter: 6,
                ..claimed.clone()
            },
            b"salt"
        ));
        assert!(!tokens().is_genuine(
            &Claimed {
                session_id: Uuid::from_u128(2),
                ..claimed
            },
            b"salt"
        ));
    }

    proptest! {
        #[test]
        fn no_other_text_is_genuine(text in "(oer_)?[A-Za-z0-9_-]{0,90}") {
            let genuine = RefreshTokens::read(&text).is_some_and(|claimed| tokens().is_genuine(&claimed, b"salt"));
            prop_assert!(!genuine);
        }

        #[test]
        fn a_token_is_read_back(session in any::<u128>(), counter in any::<i64>()) {
            let token = tokens().token(Uuid::from_u128(session), counter, b"salt");
            let claimed = RefreshTokens::read(token.expose()).unwrap();
            prop_assert_eq!((claimed.session_id.as_u128(), claimed.counter), (session, counter));
        }
    }
}
