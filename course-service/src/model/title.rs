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
        let folded: String = self.0.nfkc().flat_map(char::to_lowercase).nfkc().collect();
        digest(&SHA256, folded.as_bytes()).as_ref().to_vec()
    }
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
        assert_ne!(key("etude"), key("étude"));
        assert_ne!(key("Rust 1"), key("Rust 2"));
    }

    #[test]
    fn a_key_stays_short_whatever_the_title_folds_to() {
        assert_eq!(key(&"\u{fdfa}".repeat(300)).len(), 32);
    }

    proptest! {
        #[test]
        fn lower_case_is_the_same_title(text in "[a-zA-Z0-9 àâéÀÂÉжЖ]{1,40}") {
            if let Ok(title) = Title::parse(&text) {
                prop_assert_eq!(title.key(), Title::parse(&text.to_lowercase()).unwrap().key());
            }
        }
    }
}
