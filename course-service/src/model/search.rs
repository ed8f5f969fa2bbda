//! Text as search and order see it: without case, accents and scripts.

use deunicode::deunicode_with_tofu;
use unicode_normalization::UnicodeNormalization;

use super::course::Course;

/// The most characters a search has.
pub const LONGEST_SEARCH: usize = 200;
/// The most words a search has.
pub const MOST_WORDS: usize = 8;
/// How much of a title decides its place in an order; beyond that the id does. It keeps cursors short.
const LONGEST_ORDER: usize = 200;

/// What can be wrong with a search.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadSearch {
    /// More than [`LONGEST_SEARCH`] characters.
    #[error("Search for at most 200 characters")]
    TooLong,
    /// More than [`MOST_WORDS`] words.
    #[error("Search for at most 8 words")]
    TooManyWords,
}

/// Printable lower-case ASCII that reads like the text: transliterated, single spaces between words.
pub fn fold(text: &str) -> String {
    // Transliteration would drop some of what separates words.
    let blank = |letter| if separates(letter) { ' ' } else { letter };
    let composed: String = text.nfc().map(blank).collect();
    let ascii = deunicode_with_tofu(&composed, "").to_ascii_lowercase();
    ascii
        .split(|letter: char| !letter.is_ascii_graphic())
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

/// Whether a character stands between words: spaces, tabs and the like.
fn separates(letter: char) -> bool {
    letter.is_control() || letter.is_whitespace()
}

/// The words of a search as they were typed, each folded. What one word of another script folds to is one
/// phrase.
///
/// # Errors
/// [`BadSearch`], in words for the one who searches.
pub fn words(search: &str) -> Result<Vec<String>, BadSearch> {
    if search.chars().count() > LONGEST_SEARCH {
        return Err(BadSearch::TooLong);
    }
    let words: Vec<String> = search
        .split(separates)
        .map(fold)
        .filter(|word| !word.is_empty())
        .collect();
    if words.len() > MOST_WORDS {
        return Err(BadSearch::TooManyWords);
    }
    Ok(words)
}

/// What searches look through. The only line break stands after the title, so that one pattern can ask for a
/// word in the title and another for a word anywhere.
pub fn document(course: &Course) -> String {
    let subtitle = course
        .subtitle
        .as_ref()
        .map_or_else(String::new, |subtitle| fold(subtitle.as_str()));
    format!(
        "{}\n{subtitle} {}",
        fold(course.title.as_str()),
        fold(course.description.as_str())
    )
}

/// What titles are ordered by: ASCII, the same bytes in the same order on every database.
pub fn title_order(course: &Course) -> String {
    let mut order = fold(course.title.as_str());
    order.truncate(LONGEST_ORDER);
    order
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn case_accents_and_scripts_fold_away() {
        assert_eq!(fold("  Éric   Ünïcode\tÆ "), "eric unicode ae");
        assert_eq!(fold("e\u{301}"), fold("é"));
        assert_eq!(fold("Привет"), "privet");
        assert_eq!(fold("\0a\u{1b}b"), "a b");
    }

    #[test]
    fn searches_are_bounded() {
        assert_eq!(
            words(" Rust  Été "),
            Ok(vec!["rust".to_owned(), "ete".to_owned()])
        );
        assert_eq!(words("\0\u{200b}"), Ok(vec![]));
        assert_eq!(
            words("机器学习基础教程入门\u{3000}Go"),
            Ok(vec![
                "ji qi xue xi ji chu jiao cheng ru men".to_owned(),
                "go".to_owned()
            ])
        );
        assert_eq!(words(&"x".repeat(201)), Err(BadSearch::TooLong));
        assert_eq!(words("a b c d e f g h i"), Err(BadSearch::TooManyWords));
        assert!(words(" a\tb c d e f g h\u{a0}").is_ok());
    }

    proptest! {
        #[test]
        fn folding_leaves_printable_ascii_and_is_done_at_once(text in any::<String>()) {
            let folded = fold(&text);
            prop_assert!(folded.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()));
            prop_assert_eq!(fold(&folded), folded);
        }
    }
}
