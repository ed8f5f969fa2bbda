//! The name of a course in addresses: 1 to 200 of `a-z0-9` in words joined by single hyphens.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{search::fold, title::Title};

/// A slug.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Slug(String);

/// What can be wrong with a slug that somebody chose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadSlug {
    /// Not words joined by hyphens, or too long.
    #[error(
        "Course slug must be lower-case letters and digits, joined by single hyphens, at most 200 characters"
    )]
    Form,
    /// A word that addresses of pages about courses need for themselves.
    #[error("This course slug is reserved")]
    Reserved,
}

/// What stands beside `/courses/{slug}` in a front end, and so is nobody's slug.
const RESERVED: [&str; 6] = ["create", "edit", "export", "import", "new", "search"];

impl Slug {
    /// The most characters a slug has.
    pub const LONGEST: usize = 200;

    /// Reads a slug.
    ///
    /// # Errors
    /// [`BadSlug`], in words for the one who chose it.
    pub fn parse(text: &str) -> Result<Self, BadSlug> {
        let word = |word: &str| {
            !word.is_empty()
                && word
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        };
        if text.len() > Self::LONGEST || !text.split('-').all(word) {
            return Err(BadSlug::Form);
        }
        if RESERVED.contains(&text) {
            return Err(BadSlug::Reserved);
        }
        Ok(Self(text.to_owned()))
    }

    /// The slug a title leads to, transliterated. A title without letters and digits leads to `course`.
    pub fn from_title(title: &Title) -> Self {
        let folded = fold(title.as_str());
        let words = folded
            .split(|letter: char| !letter.is_ascii_alphanumeric())
            .filter(|word| !word.is_empty());
        let joined = words.collect::<Vec<_>>().join("-");
        let slug = cut(&joined, Self::LONGEST);
        match slug {
            "" => Self("course".to_owned()),
            _ if RESERVED.contains(&slug) => Self(format!("{slug}-course")),
            _ => Self(slug.to_owned()),
        }
    }

    /// This slug with `-number` after it, cut so that both fit.
    #[must_use]
    pub fn numbered(&self, number: i64) -> Self {
        let suffix = format!("-{number}");
        Self(format!("{}{suffix}", cut(&self.0, Self::LONGEST - suffix.len())))
    }

    /// A slug that was parsed or made before it was stored.
    pub(crate) const fn stored(text: String) -> Self {
        Self(text)
    }

    /// The slug as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Slug {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// The first `longest` bytes of an ASCII text, without a hyphen at the end.
fn cut(text: &str, longest: usize) -> &str {
    text.get(..longest).unwrap_or(text).trim_end_matches('-')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn from(title: &str) -> String {
        Slug::from_title(&Title::parse(title).unwrap())
            .as_str()
            .to_owned()
    }

    #[test]
    fn titles_are_transliterated() {
        assert_eq!(from("Rust for Beginners!"), "rust-for-beginners");
        assert_eq!(from("Привет, мир"), "privet-mir");
        assert_eq!(from("Ænima & Étude"), "aenima-etude");
        assert_eq!(from("北京"), "bei-jing");
        assert_eq!(from("C++"), "c");
        assert_eq!(from("!!!"), "course");
        assert_eq!(from("New"), "new-course");
    }

    #[test]
    fn a_number_fits_into_the_length() {
        let longest = Slug::parse(&"a".repeat(200)).unwrap();
        assert_eq!(longest.numbered(12).as_str().len(), 200);
        let hyphen_at_cut = Slug::parse(&format!("{}-b", "a".repeat(197))).unwrap();
        assert_eq!(
            hyphen_at_cut.numbered(2).as_str(),
            format!("{}-2", "a".repeat(197))
        );
    }

    #[test]
    fn a_chosen_slug_has_one_form() {
        assert!(Slug::parse("a1-b2").is_ok());
        for text in [
            "",
            "-",
            "a-",
            "-a",
            "a--b",
            "A",
            "é",
            "a b",
            "a_b",
            "a/b",
            "..",
            "a\0",
            &"a".repeat(201),
        ] {
            assert_eq!(Slug::parse(text), Err(BadSlug::Form), "{text:?}");
        }
        assert_eq!(Slug::parse("new"), Err(BadSlug::Reserved));
    }

    proptest! {
        #[test]
        fn every_title_leads_to_a_slug(text in any::<String>(), number in 2_i64..i64::MAX) {
            if let Ok(title) = Title::parse(&text) {
                let slug = Slug::from_title(&title);
                prop_assert_eq!(Slug::parse(slug.as_str()), Ok(slug.clone()));
                let numbered = slug.numbered(number);
                prop_assert_eq!(Slug::parse(numbered.as_str()), Ok(numbered.clone()));
            }
        }
    }
}
