//! Makes tokens from any bytes, signed with the real key.

use std::time::Duration;

use auth_client::access_token::{AccessToken, Signer, Verifier};
use aws_lc_rs::{
    hmac,
    signature::{Ed25519KeyPair, KeyPair},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use uuid::Uuid;

/// Whoever issues.
pub const ISSUER: &str = "https://edu.test";
/// The id of the real key.
pub const KID: &str = "0195e7a0-0000-7000-8000-000000000001";
/// Now, in seconds.
pub const NOW: i64 = 1_772_366_400;
/// How long a token lives, in seconds.
pub const LIFE: i64 = 900;
/// Whose the tokens are.
pub const SUBJECT: &str = "0195e7a0-0000-7000-8000-00000000000a";

/// Makes tokens, and offers them.
pub struct Forge {
    pair: Ed25519KeyPair,
    verifier: Verifier,
    signer: Signer,
}

/// The name of a case and its token.
pub type Cases = Vec<(&'static str, String)>;

impl Forge {
    pub fn new() -> Self {
        let pair = Ed25519KeyPair::generate().unwrap();
        let life = Duration::from_secs(LIFE as u64);
        let keys = [(KID, pair.public_key().as_ref())];
        Self {
            verifier: Verifier::new(ISSUER, life, keys),
            signer: Signer::new(ISSUER, KID, pair.to_pkcs8().unwrap().as_ref()),
            pair,
        }
    }

    /// Whether the verifier takes a token.
    pub fn accepts(&self, token: &str) -> bool {
        let now = DateTime::<Utc>::from_timestamp(NOW, 999_999_000).unwrap();
        self.verifier.verify(token, now).is_ok()
    }

    pub fn public_key(&self) -> &[u8] {
        self.pair.public_key().as_ref()
    }

    /// The header of a good token.
    pub fn header(&self) -> String {
        format!(r#"{{"alg":"EdDSA","typ":"at+jwt","kid":"{KID}"}}"#)
    }

    /// The claims of a good token.
    pub fn claims(&self) -> String {
        format!(
            r#"{{"iss":"{ISSUER}","aud":"onlineedu","sub":"{SUBJECT}","sid":"0195e7a0-0000-7000-8000-00000000000b","iat":{NOW},"exp":{},"jti":"0195e7a0-0000-7000-8000-00000000000c","auth_time":{NOW},"amr":["pwd"]}}"#,
            NOW + LIFE
        )
    }

    /// The claims of a good token with one piece of their text replaced.
    pub fn claims_with(&self, piece: &str, by: &str) -> String {
        replaced(&self.claims(), piece, by)
    }

    /// The header of a good token with one piece of its text replaced.
    pub fn header_with(&self, piece: &str, by: &str) -> String {
        replaced(&self.header(), piece, by)
    }

    /// A good token.
    pub fn good(&self) -> String {
        self.signed(self.header(), self.claims())
    }

    /// A good token as the product makes it.
    pub fn issued(&self) -> String {
        let now = DateTime::from_timestamp(NOW, 0).unwrap();
        let token = AccessToken {
            id: Uuid::from_u128(1),
            user_id: SUBJECT.parse().unwrap(),
            session_id: Uuid::from_u128(2),
            issued_at: now,
            expires_at: now + Duration::from_secs(LIFE as u64),
            auth_time: now,
            factors: vec!["pwd".to_owned()],
        };
        self.signer.sign(&token).unwrap()
    }

    /// A token of these two parts, signed with the real key.
    pub fn signed(&self, header: impl AsRef<[u8]>, claims: impl AsRef<[u8]>) -> String {
        let message = message(header, claims);
        format!("{message}.{}", encode(self.pair.sign(message.as_bytes())))
    }

    /// The signature of any message with the real key.
    pub fn sign(&self, message: &str) -> Vec<u8> {
        self.pair.sign(message.as_bytes()).as_ref().to_vec()
    }

    /// A token of these two parts, authenticated with HMAC-SHA-256 under `key`.
    pub fn mac(&self, header: &str, key: &[u8]) -> String {
        let message = message(header, self.claims());
        let key = hmac::Key::new(hmac::HMAC_SHA256, key);
        format!("{message}.{}", encode(hmac::sign(&key, message.as_bytes())))
    }
}

/// The part of a token that is signed.
pub fn message(header: impl AsRef<[u8]>, claims: impl AsRef<[u8]>) -> String {
    format!("{}.{}", encode(header), encode(claims))
}

pub fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A text with one piece replaced, which is there exactly once.
pub fn replaced(text: &str, piece: &str, by: &str) -> String {
    assert_eq!(text.matches(piece).count(), 1, "{piece} in {text}");
    text.replace(piece, by)
}
