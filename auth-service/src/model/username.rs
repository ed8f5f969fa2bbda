//! A username is the person's e-mail address.

use email_address::{EmailAddress, Options};

/// The longest address that SMTP can carry (RFC 5321 §4.5.3.1.3), in bytes.
const LONGEST: usize = 254;

/// An e-mail address, as written and folded for comparing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Username {
    written: String,
    key: String,
}

impl Username {
    /// Reads an address: spaces around it do not count; a local part and a domain with a dot; ASCII, because
    /// not every mail server delivers to anything else. No display name, comment, quote or literal domain.
    ///
    /// # Errors
    /// [`NotAnAddress`].
    pub fn parse(text: &str) -> Result<Self, NotAnAddress> {
        let written = text.trim();
        let options = Options::default()
            .with_required_tld()
            .without_domain_literal()
            .without_display_text();
        let plain =
            written.is_ascii() && !written.contains(['"', '(', ')', '\\']) && written.len() <= LONGEST;
        let is_delivered = written
            .rsplit_once('@')
            .is_some_and(|(_, domain)| is_host(domain));
        if !plain || !is_delivered || EmailAddress::parse_with_options(written, options).is_err() {
            return Err(NotAnAddress);
        }
        Ok(Self {
            written: written.to_owned(),
            key: folded(written),
        })
    }

    /// The address as the person wrote it.
    pub fn as_str(&self) -> &str {
        &self.written
    }

    /// The address folded: two addresses are the same account when this is equal.
    pub fn key(&self) -> &str {
        &self.key
    }
}

/// An address folded for comparing, as [`Username::key`]. Not by the database, where it depends on a locale what becomes
/// of an `I`.
pub fn folded(address: &str) -> String {
    address.to_ascii_lowercase()
}

/// Whether a domain may be the name of a host (RFC 1123 §2.1). An address of the network may not stand here without
/// brackets, and the grammar of mail alone would let a `/` or `$` pass.
fn is_host(domain: &str) -> bool {
    let top = domain.rsplit('.').next().unwrap_or_default();
    let letters = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
    domain.bytes().all(letters) && !top.bytes().all(|byte| byte.is_ascii_digit())
}

/// The text is not an e-mail address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("Username must be a valid email")]
pub struct NotAnAddress;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn addresses_are_trimmed_and_compared_without_case() {
        let username = Username::parse("  Ada.Lovelace+x@Example.COM ").unwrap();
        assert_eq!(username.as_str(), "Ada.Lovelace+x@Example.COM");
        assert_eq!(username.key(), "ada.lovelace+x@example.com");
    }

    #[test]
    fn what_is_not_an_address_is_refused() {
        let long = format!("{}@example.com", "a".repeat(65));
        let longer = format!("a@{}.com", "b".repeat(252));
        for text in [
            "",
            " ",
            "ada",
            "ada@",
            "@example.com",
            "ada@example",
            "ada@@example.com",
            "a b@example.com",
            "Ada <ada@example.com>",
            "\"a b\"@example.com",
            "ada@[127.0.0.1]",
            "ada@example.com\r\nBcc: x@y.z",
            "ada@exa mple.com",
            "ada@-example.com",
            "ada@127.0.0.1",
            "ada@example.123",
            "ada@exam/ple.com",
            "ada@exam$ple.com",
            "ada@exam_ple.com",
            "ada@{example}.com",
            "ada..b@example.com",
            ".ada@example.com",
            "ädä@example.com",
            "ada@example.com\0",
            "ada(x)@example.com",
            &long,
            &longer,
        ] {
            assert!(Username::parse(text).is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_accepted_is_stable_and_clean(text in "\\PC{0,40}@\\PC{0,40}") {
            if let Ok(username) = Username::parse(&text) {
                prop_assert_eq!(&Username::parse(username.as_str()).unwrap(), &username);
                prop_assert!(username.as_str().bytes().all(|byte| byte.is_ascii_graphic()));
            }
        }
    }
}
