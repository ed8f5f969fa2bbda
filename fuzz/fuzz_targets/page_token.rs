//! Page tokens: what was encoded is decoded in its scope, and no other text in no other scope.

#![no_main]

use arbitrary::Arbitrary;
use fuzz::edits::Edits;
use libfuzzer_sys::fuzz_target;
use service_runtime::{
    mac::Mac,
    page_token::{BadPage, PageTokens},
    secret::Secret,
};

#[derive(Debug, Arbitrary)]
struct Offered<'a> {
    cursor: (i64, String, Option<bool>),
    scope: (String, Vec<String>),
    other_scope: (String, Vec<String>),
    edits: Edits<'a>,
}

fuzz_target!(|offered: Offered| {
    let pages =
        |key: &str| PageTokens::new(Mac::derive(&[Secret::new(key.as_bytes().to_vec())], "page-token"));
    let tokens = pages("key");
    let made = tokens.encode(&offered.scope, &offered.cursor);
    let text = offered.edits.text(&made);
    let read = |tokens: &PageTokens, scope: &(String, Vec<String>)| {
        tokens.decode::<(i64, String, Option<bool>)>(scope, &text)
    };

    let expected = match &text {
        text if text.is_empty() => Ok(None),
        text if *text == made && made.len() <= 4096 => Ok(Some(offered.cursor.clone())),
        _ => Err(BadPage::Token),
    };
    assert_eq!(read(&tokens, &offered.scope), expected);
    if !text.is_empty() {
        if offered.scope != offered.other_scope {
            assert_eq!(read(&tokens, &offered.other_scope), Err(BadPage::Token));
        }
        assert_eq!(read(&pages("another"), &offered.scope), Err(BadPage::Token));
    }
});
