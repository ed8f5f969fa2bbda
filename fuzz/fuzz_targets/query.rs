//! Query strings and forms: what is read is what another reader reads, and nothing is replaced or left out.

#![no_main]

use gateway::transcode::{is_percent_encoded, pairs};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(read) = pairs(text) else {
        let replaced = form_urlencoded::parse(text.as_bytes())
            .any(|(name, value)| name.contains('\u{fffd}') || value.contains('\u{fffd}'));
        return assert!(!is_percent_encoded(text.as_bytes()) || replaced, "{text:?}");
    };
    assert!(is_percent_encoded(text.as_bytes()));
    let other: Vec<_> = form_urlencoded::parse(text.as_bytes()).collect();
    assert_eq!(read, other, "{text:?}");
    let written = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(&read)
        .finish();
    assert_eq!(pairs(&written).as_ref(), Ok(&read), "{text:?}");
});
