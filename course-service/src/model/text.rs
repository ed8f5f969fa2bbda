//! What people type on one line: normalised (NFC), trimmed, counted in code points, without control characters and what
//! makes a line look like another one.

use unicode_normalization::UnicodeNormalization;

/// What can be wrong with a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BadLine {
    Blank,
    TooLong,
    Control,
}

/// Reads a line of at most `longest` code points.
pub(super) fn line(text: &str, longest: usize) -> Result<String, BadLine> {
    let line: String = text.trim().nfc().collect();
    if is_blank(&line) {
        Err(BadLine::Blank)
    } else if line.chars().any(is_unfit) {
        Err(BadLine::Control)
    } else if line.chars().count() > longest {
        Err(BadLine::TooLong)
    } else {
        Ok(line)
    }
}

/// Whether a letter controls something, breaks the line, or turns the direction of what stands around it.
fn is_unfit(letter: char) -> bool {
    letter.is_control() || matches!(letter, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Whether a reader would see nothing: only spaces and characters without a shape of their own.
pub(super) fn is_blank(text: &str) -> bool {
    let shapeless = |letter: char| {
        letter.is_whitespace()
            || matches!(letter,
                '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{180e}' | '\u{200b}'..='\u{200f}'
                | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}')
    };
    text.chars().all(shapeless)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_nobody_can_see_is_blank() {
        for text in ["", "  ", "\t\n", "\u{200b}", "\u{feff} \u{202e}\u{3164}"] {
            assert_eq!(line(text, 10), Err(BadLine::Blank), "{text:?}");
        }
    }

    #[test]
    fn a_line_is_one_and_reads_as_it_is_written() {
        for unfit in [
            "\n", "\0", "\u{2028}", "\u{2029}", "\u{202e}", "\u{2066}", "\u{2069}",
        ] {
            assert_eq!(
                line(&format!("a{unfit}b"), 10),
                Err(BadLine::Control),
                "{unfit:?}"
            );
        }
        // Marks that scripts from right to left are written with.
        assert!(line("\u{200f}\u{5d0}\u{200e}", 10).is_ok());
    }

    #[test]
    fn length_is_counted_in_code_points_after_normalising() {
        assert_eq!(line("e\u{301}", 1).as_deref(), Ok("é"));
        assert_eq!(line("🦀🦀🦀", 3).as_deref(), Ok("🦀🦀🦀"));
        assert_eq!(line("🦀🦀🦀", 2), Err(BadLine::TooLong));
    }

    proptest! {
        #[test]
        fn what_was_read_reads_the_same_again(text in any::<String>()) {
            if let Ok(read) = line(&text, 50) {
                prop_assert!(read.chars().count() <= 50);
                prop_assert!(!read.chars().any(char::is_control));
                prop_assert_eq!(line(&read, 50), Ok(read));
            }
        }
    }
}
