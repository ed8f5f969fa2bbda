//! An authenticator app, as it runs on somebody's phone (RFC 6238), written without a look at the one that checks it.

use aws_lc_rs::hmac;
use chrono::{DateTime, Utc};
use data_encoding::BASE32_NOPAD;

/// An app with one account.
#[derive(Clone)]
pub struct Authenticator {
    key: hmac::Key,
}

impl Authenticator {
    /// Scans a code, whose link this is.
    pub fn scan(uri: &str) -> Self {
        let (kind, parameters) = uri.split_once('?').expect("a link has parameters");
        assert!(kind.starts_with("otpauth://totp/"), "{kind}");
        let value = |name: &str| {
            let mut pairs = parameters.split('&').filter_map(|pair| pair.split_once('='));
            pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
        };
        assert_eq!(
            (value("algorithm"), value("digits"), value("period")),
            (Some("SHA1"), Some("6"), Some("30"))
        );
        Self::typed(value("secret").expect("a link has a secret"))
    }

    /// Takes a secret that somebody types.
    pub fn typed(secret: &str) -> Self {
        let secret = BASE32_NOPAD
            .decode(secret.as_bytes())
            .expect("a secret is base32");
        assert_eq!(secret.len(), 20, "160 bits");
        Self {
            key: hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &secret),
        }
    }

    /// What it shows at a moment.
    pub fn code(&self, now: DateTime<Utc>) -> String {
        let tag = hmac::sign(&self.key, &(now.timestamp() / 30).to_be_bytes());
        let tag = tag.as_ref();
        let place = usize::from(tag[19] % 16);
        let word = u32::from_be_bytes(tag[place..place + 4].try_into().unwrap());
        format!("{:06}", (word % (1 << 31)) % 1_000_000)
    }

    /// Six digits that it does not show around a moment.
    pub fn wrong_code(&self, now: DateTime<Utc>) -> String {
        let near: Vec<String> = (-2..=2)
            .map(|step| self.code(now + chrono::TimeDelta::seconds(30 * step)))
            .collect();
        let mut all = (0..).map(|number| format!("{number:06}"));
        all.find(|code| !near.contains(code)).unwrap()
    }
}
