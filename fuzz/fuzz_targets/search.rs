//! What lists are asked for: words to search for, an order, a person.

#![no_main]

use course_service::model::{
    listing::Order,
    search::{BadSearch, LONGEST_SEARCH, MOST_WORDS, fold, words},
    user_id,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let folded = fold(text);
    let is_plain = |text: &str| text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
    assert!(
        is_plain(&folded) && !folded.contains("  ") && folded.trim() == folded,
        "{folded:?}"
    );
    assert!(!folded.bytes().any(|byte| byte.is_ascii_uppercase()));
    assert_eq!(fold(&folded), folded);

    let found = words(text);
    assert_eq!(
        found == Err(BadSearch::TooLong),
        text.chars().count() > LONGEST_SEARCH
    );
    if let Ok(found) = found {
        assert!(found.len() <= MOST_WORDS);
        assert!(
            found.iter().all(|word| !word.is_empty() && fold(word) == *word),
            "{found:?}"
        );
        // Searching for the text finds what contains it.
        let pieces: Vec<&str> = folded.split(' ').filter(|piece| !piece.is_empty()).collect();
        let searched: Vec<&str> = found.iter().flat_map(|word| word.split(' ')).collect();
        assert_eq!(searched, pieces, "{text:?}");
    }

    let orders = [
        "created_at",
        "title",
        "price",
        "created_at desc",
        "title desc",
        "price desc",
    ];
    assert_eq!(Order::parse(text).is_ok(), orders.contains(&text));
    if let Ok(id) = user_id::parse(text) {
        assert_eq!(id.to_string(), text.to_ascii_lowercase());
    }
});
