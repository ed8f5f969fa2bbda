//! What people say about themselves: each text with its limit, each field with its name.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;

/// The look of the user interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ColorMode {
    /// Dark text on a light ground.
    #[default]
    Light,
    /// Light text on a dark ground.
    Dark,
}

impl ColorMode {
    /// The word in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }

    /// Reads the word in the database.
    pub fn from_word(word: &str) -> Self {
        if word == "dark" { Self::Dark } else { Self::Light }
    }
}

/// The editable part of an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// Given name.
    pub first_name: String,
    /// Family name.
    pub last_name: String,
    /// A text about the person.
    pub bio: String,
    /// How the dashboard greets the person.
    pub user_greeting: String,
    /// The look of the user interface.
    pub color_mode: ColorMode,
    /// The first date on the dashboard.
    pub dashboard_first_date: Option<NaiveDate>,
    /// The second date on the dashboard.
    pub dashboard_second_date: Option<NaiveDate>,
}

impl Default for Profile {
    fn default() -> Self {
        Self {
            first_name: String::new(),
            last_name: String::new(),
            bio: String::new(),
            user_greeting: "Welcome!".to_owned(),
            color_mode: ColorMode::Light,
            dashboard_first_date: None,
            dashboard_second_date: None,
        }
    }
}

/// The longest name, in characters.
pub const LONGEST_NAME: usize = 150;
/// The longest biography, in characters.
pub const LONGEST_BIO: usize = 2000;
/// The longest greeting, in characters.
pub const LONGEST_GREETING: usize = 100;

/// Reads a text of at most `longest` characters on one line, or on several if `lines`: trimmed, in Unicode
/// normal form C, without control characters, those included that turn the direction of what stands around them.
///
/// # Errors
/// A sentence that says what is wrong.
pub fn parse_text(text: &str, longest: usize, lines: bool) -> Result<String, String> {
    let allowed = |letter: char| match letter {
        '\n' | '\r' | '\t' | '\u{2028}' | '\u{2029}' => lines,
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => false,
        _ => !letter.is_control(),
    };
    if !text.chars().all(allowed) {
        return Err("This field must not contain control characters.".to_owned());
    }
    let text: String = text.trim().nfc().collect();
    if text.chars().count() > longest {
        return Err(format!("This field must have at most {longest} characters."));
    }
    Ok(text)
}

/// Reads a date, `YYYY-MM-DD` exactly.
///
/// # Errors
/// A sentence that says how dates are written.
pub fn parse_date(text: &str) -> Result<NaiveDate, String> {
    let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok();
    // The parser also takes unpadded numbers and signed years.
    date.filter(|date| date.to_string() == text)
        .ok_or_else(|| "A date is written YYYY-MM-DD.".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_trimmed_composed_and_limited_in_characters() {
        assert_eq!(parse_text(" e\u{301} ", 1, false).unwrap(), "é");
        assert_eq!(parse_text("😀😀", 2, false).unwrap(), "😀😀");
        assert!(parse_text("abc", 2, false).is_err());
        assert!(parse_text("a\nb", 9, false).is_err());
        assert_eq!(parse_text("a\nb", 9, true).unwrap(), "a\nb");
        assert!(parse_text("a\0b", 9, true).is_err());
        assert!(parse_text("a\u{2028}b", 9, false).is_err());
        for turned in ["a\u{202e}b", "a\u{2066}b"] {
            assert!(parse_text(turned, 9, true).is_err() && parse_text(turned, 9, false).is_err());
        }
    }

    #[test]
    fn dates_are_written_one_way() {
        assert!(parse_date("2026-02-28").is_ok());
        for text in [
            "2026-02-29",
            "2026-2-28",
            "+2026-02-28",
            "28.02.2026",
            "2026-02-28T00:00:00Z",
            "",
        ] {
            assert!(parse_date(text).is_err(), "{text}");
        }
    }
}
