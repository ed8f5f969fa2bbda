//! Refresh tokens: only the one text that was made for a session, its counter and its salt is genuine.

#![no_main]

use arbitrary::Arbitrary;
use auth_service::domain::refresh_token::RefreshTokens;
use fuzz::{base64url, edits::Edits};
use libfuzzer_sys::fuzz_target;
use service_runtime::{mac::Mac, secret::Secret};
use uuid::Uuid;

#[derive(Debug, Arbitrary)]
struct Offered<'a> {
    session: u128,
    counter: i64,
    salt: &'a [u8],
    other_salt: &'a [u8],
    edits: Edits<'a>,
}

fuzz_target!(|offered: Offered| {
    let tokens = RefreshTokens::new(Mac::derive(&[Secret::new(b"key".to_vec())], "refresh-token"));
    let made = tokens.token(Uuid::from_u128(offered.session), offered.counter, offered.salt);
    let text = offered.edits.text(made.expose());

    let claimed = RefreshTokens::read(&text);
    // 16 bytes of session, 8 of counter, 32 of tag, in their one spelling.
    let bytes = text.strip_prefix("oer_").and_then(base64url::read);
    let bytes = bytes.filter(|bytes| bytes.len() == 56);
    assert_eq!(claimed.is_some(), bytes.is_some(), "{text}");
    let (Some(claimed), Some(bytes)) = (claimed, bytes) else {
        return assert_ne!(&text, made.expose());
    };
    assert_eq!(claimed.session_id.as_bytes(), &bytes[..16]);
    assert_eq!(claimed.counter.to_be_bytes(), bytes[16..24]);

    assert_eq!(
        tokens.is_genuine(&claimed, offered.salt),
        &text == made.expose(),
        "{text}"
    );
    if offered.salt != offered.other_salt {
        assert!(!tokens.is_genuine(&claimed, offered.other_salt));
    }
    let shown = format!("{claimed:?}");
    assert!(!shown.contains(&text[40..]) && !shown.contains("tag"), "{shown}");
});
