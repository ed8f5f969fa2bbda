//! The description of a course: 1 to 30000 code points of Markdown, kept as written.

use serde::{Deserialize, Serialize};

use super::text::is_blank;

/// A description.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Description(String);

/// What can be wrong with a description.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadDescription {
    /// Nothing to see.
    #[error("Course description is required")]
    Missing,
    /// More than [`Description::LONGEST`] code points.
    #[error("Course description must have at most 30000 characters")]
    TooLong,
    /// A control character that Markdown has no use for.
    #[error("Course description must not contain control characters")]
    Control,
}

impl Description {
    /// The most code points a description has.
    pub const LONGEST: usize = 30_000;

    /// Reads a description. Nothing is trimmed: leading spaces mean something in Markdown.
    ///
    /// # Errors
    /// [`BadDescription`], in words for the author.
    pub fn parse(text: String) -> Result<Self, BadDescription> {
        if is_blank(&text) {
            Err(BadDescription::Missing)
        } else if text
            .chars()
            .any(|letter| letter.is_control() && !matches!(letter, '\n' | '\r' | '\t'))
        {
            Err(BadDescription::Control)
        } else if text.chars().count() > Self::LONGEST {
            Err(BadDescription::TooLong)
        } else {
            Ok(Self(text))
        }
    }

    /// A description that was parsed before it was stored.
    pub(crate) const fn stored(text: String) -> Self {
        Self(text)
    }

    /// The Markdown.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Description, BadDescription> {
        Description::parse(text.to_owned())
    }

    #[test]
    fn markdown_is_kept_as_written() {
        let markdown = "    code\r\n\n* a\tb\n";
        assert_eq!(parse(markdown).unwrap().as_str(), markdown);
    }

    #[test]
    fn missing_long_and_unprintable_descriptions_are_told_apart() {
        assert_eq!(parse(" \n"), Err(BadDescription::Missing));
        assert_eq!(parse("a\0b"), Err(BadDescription::Control));
        assert_eq!(parse("a\u{1b}[31mb"), Err(BadDescription::Control));
        assert_eq!(parse(&"é".repeat(30_001)), Err(BadDescription::TooLong));
        assert!(parse(&"é".repeat(30_000)).is_ok());
    }
}
