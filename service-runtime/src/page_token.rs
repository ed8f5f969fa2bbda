//! Keyset paging: sizes, and cursors that a client can neither read into nor change.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Serialize, de::DeserializeOwned};

use crate::mac::Mac;

const TAG: usize = 16;
/// Longer than any cursor, shorter than any header limit.
const LONGEST: usize = 4096;

/// How many items a page has: the default is 20, more than 100 is coerced to 100.
///
/// # Errors
/// [`BadPage::Size`] for a negative size.
pub fn page_size(asked: i32) -> Result<i64, BadPage> {
    match asked {
        ..0 => Err(BadPage::Size),
        0 => Ok(20),
        _ => Ok(i64::from(asked.min(100))),
    }
}

/// What can be wrong with the paging part of a list request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadPage {
    /// A negative page size.
    #[error("The page size must not be negative.")]
    Size,
    /// A page token that is not of this server, or of another filter or order.
    #[error("The page token is not valid for this list.")]
    Token,
}

impl BadPage {
    /// The request field it is about.
    pub const fn field(self) -> &'static str {
        match self {
            Self::Size => "page_size",
            Self::Token => "page_token",
        }
    }
}

/// Makes and reads page tokens.
#[derive(Debug, Clone)]
pub struct PageTokens(Mac);

impl PageTokens {
    /// With the keys of the purpose `page-token`.
    pub const fn new(mac: Mac) -> Self {
        Self(mac)
    }

    /// The token of the page that begins after `cursor`. `scope` says which list, filter and order it
    /// belongs to; it is not in the token, only bound to it.
    pub fn encode(&self, scope: &impl Serialize, cursor: &impl Serialize) -> String {
        let cursor = serde_json::to_vec(cursor).unwrap_or_default();
        let tag = self.0.tag(&message(scope, &cursor));
        URL_SAFE_NO_PAD.encode([&tag[..TAG], &cursor].concat())
    }

    /// The cursor in a token, or `None` for the empty token of a first page.
    ///
    /// # Errors
    /// [`BadPage::Token`] when it was changed, made for another scope or by another server.
    pub fn decode<C: DeserializeOwned>(
        &self,
        scope: &impl Serialize,
        token: &str,
    ) -> Result<Option<C>, BadPage> {
        if token.is_empty() {
            return Ok(None);
        }
        if token.len() > LONGEST {
            return Err(BadPage::Token);
        }
        let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| BadPage::Token)?;
        let (tag, cursor) = bytes.split_at_checked(TAG).ok_or(BadPage::Token)?;
        if !self.0.verify(&message(scope, cursor), tag) {
            return Err(BadPage::Token);
        }
        serde_json::from_slice(cursor)
            .map(Some)
            .map_err(|_| BadPage::Token)
    }
}

fn message(scope: &impl Serialize, cursor: &[u8]) -> Vec<u8> {
    let scope = serde_json::to_vec(scope).unwrap_or_default();
    let length = u64::try_from(scope.len()).unwrap_or(u64::MAX).to_be_bytes();
    [&length[..], &scope, cursor].concat()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::secret::Secret;

    fn tokens() -> PageTokens {
        PageTokens::new(Mac::derive(&[Secret::new(b"key".to_vec())], "page-token"))
    }

    #[test]
    fn sizes_are_defaulted_coerced_and_never_negative() {
        assert_eq!(page_size(0), Ok(20));
        assert_eq!(page_size(1), Ok(1));
        assert_eq!(page_size(100), Ok(100));
        assert_eq!(page_size(i32::MAX), Ok(100));
        assert_eq!(page_size(-1), Err(BadPage::Size));
    }

    #[test]
    fn a_token_gives_back_its_cursor_in_its_scope_only() {
        let token = tokens().encode(&("courses", "python"), &(7, "x"));
        assert_eq!(
            tokens().decode(&("courses", "python"), &token),
            Ok(Some((7, "x".to_owned())))
        );
        assert_eq!(
            tokens().decode::<(i32, String)>(&("courses", "java"), &token),
            Err(BadPage::Token)
        );
        assert_eq!(
            tokens().decode::<(i32, String)>(&("courses", "python"), ""),
            Ok(None)
        );
    }

    proptest! {
        #[test]
        fn no_other_text_is_a_token(text in "\\PC{1,80}") {
            prop_assert_eq!(tokens().decode::<i32>(&"list", &text), Err(BadPage::Token));
        }

        #[test]
        fn no_changed_bit_goes_unseen(cursor in any::<u64>(), bit in 0_usize..128) {
            let token = tokens().encode(&"list", &cursor);
            let mut bytes = URL_SAFE_NO_PAD.decode(&token).unwrap();
            let place = bit % (bytes.len() * 8);
            bytes[place / 8] ^= 1 << (place % 8);
            let changed = URL_SAFE_NO_PAD.encode(bytes);
            prop_assert_eq!(tokens().decode::<u64>(&"list", &changed), Err(BadPage::Token));
        }
    }
}
