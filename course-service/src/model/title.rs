//! The title of a course: one line of 1 to 300 code points, unique without case.

use aws_lc_rs::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;

use super::text::{BadLine, line};

/// A title as its author wrote it, normalised and trimmed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Title(String);

/// What can be wrong with a title.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadTitle {
    /// Nothing to see.
    #[error("Course title is required")]
    Missing,
    /// More than [`Title::LONGEST`] code points.
    #[error("Course title must have at most 300 characters")]
    TooLong,
    /// A line break, a NUL or the like.
    #[error("Course title must not contain control characters")]
    Control,
}

impl Title {
    /// The most code points a title has.
    pub const LONGEST: usize = 300;

    /// Reads a title.
    ///
    /// # Errors
    /// [`BadTitle`], in words for the author.
    pub fn parse(text: &str) -> Result<Self, BadTitle> {
        line(text, Self::LONGEST).map(Self).map_err(|bad| match bad {
            BadLine::Blank => BadTitle::Missing,
            BadLine::TooLong => BadTitle::TooLong,
            BadLine::Control => BadTitle::Control,
        })
    }

    /// A title that was parsed before it was stored.
    pub(crate) const fn stored(text: String) -> Self {
        Self(text)
    }

    /// The title as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What two titles share exactly when they differ in case or compatibility forms at most: a SHA-256
    /// digest, because the folded text can outgrow what a database indexes.
    pub fn key(&self) -> Vec<u8> {
        // Twice, because what a compatibility form stands for may have a case of its own.
        let once: String = self.0.nfd().flat_map(caseless).nfkd().collect();
        let folded: String = once.chars().flat_map(caseless).nfkc().collect();
        digest(&SHA256, folded.as_bytes()).as_ref().to_vec()
    }
}

/// A letter without case. Small letters alone do not suffice: `ς` and `σ` share only their capital, and so do
/// `ß` and `ss`. The first step is for `ẞ`, whose capital is itself.
fn caseless(letter: char) -> impl Iterator<Item = char> {
    letter
        .to_lowercase()
        .flat_map(char::to_uppercase)
        .flat_map(char::to_lowercase)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(text: &str) -> Vec<u8> {
        Title::parse(text).unwrap().key()
    }

    #[test]
    fn missing_long_and_unprintable_titles_are_told_apart() {
        assert_eq!(Title::parse(" \u{200b}"), Err(BadTitle::Missing));
        assert_eq!(Title::parse(&"é".repeat(301)), Err(BadTitle::TooLong));
        assert_eq!(Title::parse("a\nb"), Err(BadTitle::Control));
        assert_eq!(Title::parse("a\0b"), Err(BadTitle::Control));
        assert_eq!(Title::parse(&"é".repeat(300)).unwrap().as_str(), "é".repeat(300));
        assert_eq!(Title::parse("  Rust \t").unwrap().as_str(), "Rust");
    }

    #[test]
    fn case_and_compatibility_forms_make_no_other_title() {
        assert_eq!(key("ÉTUDE"), key("e\u{301}tude"));
        assert_eq!(key("ＲＵＳＴ"), key("rust"));
        assert_eq!(key("ΛΟΓΟΣ"), key("Λογος"));
        assert_eq!(key("STRASSE"), key("Straße"));
        assert_eq!(key("STRAẞE"), key("Straße"));
        assert_ne!(key("etude"), key("étude"));
        assert_ne!(key("Rust 1"), key("Rust 2"));
    }

    #[test]
    fn a_key_stays_short_whatever_the_title_folds_to() {
        assert_eq!(key(&"\u{fdfa}".repeat(300)).len(), 32);
    }

    proptest! {
        #[test]
        fn a_title_in_capitals_or_small_letters_is_the_same(text in "\\PC{1,40}|[ßẞſıİςΣΐᾳŉǰﬃ\u{300}-\u{345}a-c]{1,9}") {
            // Taken apart first: what changes its case as a whole may move its accents to another letter.
            let apart: String = text.nfd().collect();
            if let Ok(title) = Title::parse(&apart) {
                for other in [apart.to_uppercase(), apart.to_lowercase()] {
                    prop_assert_eq!(title.key(), Title(other.trim().to_owned()).key());
                }
            }
        }
    }
}
