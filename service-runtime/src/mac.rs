//! Keys derived from a process's secret, one per purpose, so that what was made for one purpose is worth
//! nothing for another.

use aws_lc_rs::{hkdf, hmac};

use crate::secret::Secret;

/// Message authentication (HMAC-SHA-256, RFC 2104) for one purpose.
///
/// Made from one secret or, while it is being changed, from two: the first one signs, either one verifies.
#[derive(Debug, Clone)]
pub struct Mac {
    current: hmac::Key,
    former: Vec<hmac::Key>,
}

/// The length of a tag in bytes.
pub const TAG_LEN: usize = 32;

impl Mac {
    /// Derives the keys of `purpose` (HKDF, RFC 5869). No secret at all derives from the empty one.
    pub fn derive(secrets: &[Secret<Vec<u8>>], purpose: &str) -> Self {
        let mut keys = secrets.iter().map(|secret| hmac_key(secret.expose(), purpose));
        Self {
            current: keys.next().unwrap_or_else(|| hmac_key(&[], purpose)),
            former: keys.collect(),
        }
    }

    /// The tag of a message under the current key.
    pub fn tag(&self, message: &[u8]) -> [u8; TAG_LEN] {
        tag(&self.current, message)
    }

    /// The tags of a message under every key, the current one first.
    pub fn tags(&self, message: &[u8]) -> impl Iterator<Item = [u8; TAG_LEN]> {
        std::iter::once(&self.current)
            .chain(&self.former)
            .map(move |key| tag(key, message))
    }

    /// Whether `tag` is the beginning (at least 16 bytes) of the message's tag under one of the keys;
    /// compared in constant time.
    pub fn verify(&self, message: &[u8], tag: &[u8]) -> bool {
        (16..=TAG_LEN).contains(&tag.len())
            && self
                .tags(message)
                .any(|own| aws_lc_rs::constant_time::verify_slices_are_equal(&own[..tag.len()], tag).is_ok())
    }
}

fn tag(key: &hmac::Key, message: &[u8]) -> [u8; TAG_LEN] {
    let mut out = [0; TAG_LEN];
    out.copy_from_slice(hmac::sign(key, message).as_ref());
    out
}

fn hmac_key(secret: &[u8], purpose: &str) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, &derive_key(secret, purpose))
}

/// 32 bytes for one purpose, derived from a secret (HKDF-SHA-256).
pub fn derive_key(secret: &[u8], purpose: &str) -> [u8; 32] {
    let prk = hkdf::Salt::new(hkdf::HKDF_SHA256, b"onlineedu").extract(secret);
    let mut key = [0; 32];
    // Only a length above 255 blocks can fail.
    let filled = prk
        .expand(&[purpose.as_bytes()], hkdf::HKDF_SHA256)
        .and_then(|okm| okm.fill(&mut key));
    debug_assert!(filled.is_ok());
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Secret<Vec<u8>> {
        Secret::new(text.as_bytes().to_vec())
    }

    #[test]
    fn a_tag_holds_for_its_message_and_purpose_only() {
        let mac = Mac::derive(&[secret("a")], "page");
        let tag = mac.tag(b"message");
        assert!(mac.verify(b"message", &tag));
        assert!(mac.verify(b"message", &tag[..16]));
        assert!(!mac.verify(b"message", &tag[..15]));
        assert!(!mac.verify(b"massage", &tag));
        assert!(!Mac::derive(&[secret("a")], "mail").verify(b"message", &tag));
        assert!(!Mac::derive(&[secret("b")], "page").verify(b"message", &tag));
    }

    #[test]
    fn a_former_secret_still_verifies_but_no_longer_signs() {
        let old = Mac::derive(&[secret("old")], "page");
        let both = Mac::derive(&[secret("new"), secret("old")], "page");
        assert!(both.verify(b"message", &old.tag(b"message")));
        assert!(!old.verify(b"message", &both.tag(b"message")));
    }
}
