//! The subtitle of a course: one line of at most 300 code points, or none.

use serde::{Deserialize, Serialize};

use super::text::{BadLine, line};

/// A subtitle that is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Subtitle(String);

/// What can be wrong with a subtitle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadSubtitle {
    /// More than [`Subtitle::LONGEST`] code points.
    #[error("Course subtitle must have at most 300 characters")]
    TooLong,
    /// A line break, a NUL or the like.
    #[error("Course subtitle must not contain control characters")]
    Control,
}

impl Subtitle {
    /// The most code points a subtitle has.
    pub const LONGEST: usize = 300;

    /// Reads a subtitle; a blank one is none.
    ///
    /// # Errors
    /// [`BadSubtitle`], in words for the author.
    pub fn parse(text: &str) -> Result<Option<Self>, BadSubtitle> {
        match line(text, Self::LONGEST) {
            Ok(line) => Ok(Some(Self(line))),
            Err(BadLine::Blank) => Ok(None),
            Err(BadLine::TooLong) => Err(BadSubtitle::TooLong),
            Err(BadLine::Control) => Err(BadSubtitle::Control),
        }
    }

    /// A subtitle that was parsed before it was stored.
    pub(crate) const fn stored(text: String) -> Self {
        Self(text)
    }

    /// The subtitle as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blank_subtitle_is_none() {
        assert_eq!(Subtitle::parse(""), Ok(None));
        assert_eq!(Subtitle::parse(" \u{200b} "), Ok(None));
    }

    #[test]
    fn a_subtitle_is_one_short_line() {
        assert_eq!(Subtitle::parse(" a b ").unwrap().unwrap().as_str(), "a b");
        assert_eq!(Subtitle::parse("a\u{7}b"), Err(BadSubtitle::Control));
        assert_eq!(Subtitle::parse(&"x".repeat(301)), Err(BadSubtitle::TooLong));
        assert!(Subtitle::parse(&"x".repeat(300)).is_ok());
    }
}
