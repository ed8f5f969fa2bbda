//! Titles and slugs: every title leads to a slug, every slug to itself, and a slug is ASCII of one form.

#![no_main]

use arbitrary::Arbitrary;
use course_service::model::{
    slug::{BadSlug, Slug},
    title::Title,
};
use libfuzzer_sys::fuzz_target;
use unicode_normalization::is_nfc;

#[derive(Debug, Arbitrary)]
struct Chosen<'a> {
    text: &'a str,
    number: i64,
}

fuzz_target!(|chosen: Chosen| {
    let slug = Slug::parse(chosen.text);
    match &slug {
        Ok(slug) => {
            assert!(is_slug(chosen.text), "{:?}", chosen.text);
            assert_eq!(slug.as_str(), chosen.text);
            let title = Title::parse(chosen.text).expect("a slug can be a title");
            assert_eq!(&Slug::from_title(&title), slug);
        }
        Err(BadSlug::Form) => assert!(!is_slug(chosen.text), "{:?}", chosen.text),
        Err(BadSlug::Reserved) => assert!(is_slug(chosen.text) && chosen.text.len() < 10),
    }

    let Ok(title) = Title::parse(chosen.text) else {
        return;
    };
    let text = title.as_str();
    assert_eq!(Title::parse(text).as_ref(), Ok(&title), "{text:?}");
    assert!(is_nfc(text) && text.trim() == text && (1..=300).contains(&text.chars().count()));
    assert!(!text.chars().any(turns_or_breaks_a_line), "{text:?}");
    assert_eq!(title.key().len(), 32);

    let slug = Slug::from_title(&title);
    assert!(is_slug(slug.as_str()), "{text:?} leads to {slug}");
    assert_eq!(Slug::parse(slug.as_str()).as_ref(), Ok(&slug), "{text:?}");
    let numbered = slug.numbered(chosen.number.saturating_abs());
    assert!(is_slug(numbered.as_str()), "{numbered}");
    assert_ne!(numbered, slug.numbered(chosen.number.saturating_abs() ^ 1));
});

fn is_slug(text: &str) -> bool {
    let mut before = '-';
    for letter in text.chars() {
        match letter {
            'a'..='z' | '0'..='9' => {}
            '-' if before != '-' => {}
            _ => return false,
        }
        before = letter;
    }
    before != '-' && text.len() <= 200
}

/// Characters that make a line look like two, or like another one.
fn turns_or_breaks_a_line(letter: char) -> bool {
    matches!(letter, '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
