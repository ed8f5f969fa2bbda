//! What went wrong with a mail server, in words that hold no address, no token and nothing the server made up.

use std::error::Error as _;

use lettre::transport::smtp::Error;

/// What the server, or the network, said; free of its text, which likes to repeat the recipient.
pub(super) fn describe(error: &Error) -> String {
    match error.status() {
        Some(code) => match enhanced(error) {
            Some(enhanced) => format!("{code} {enhanced}"),
            None => code.to_string(),
        },
        None if error.is_response() => "an answer that cannot be understood".to_owned(),
        None => error.to_string(),
    }
}

/// The enhanced status code (RFC 3463) of an answer, such as `5.1.1`, if it has one.
pub(super) fn enhanced(error: &Error) -> Option<String> {
    enhanced_code(&error.source()?.to_string())
}

/// The enhanced status code that an answer begins with.
fn enhanced_code(text: &str) -> Option<String> {
    let word = text.split_whitespace().next()?;
    let parts: Vec<&str> = word.split('.').collect();
    let is_number =
        |part: &&str| (1..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
    (parts.len() == 3 && parts.iter().all(is_number)).then(|| word.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_code_is_taken_from_an_answer() {
        assert_eq!(
            enhanced_code("5.1.1 <ada@example.org>: unknown").as_deref(),
            Some("5.1.1")
        );
        for text in [
            "",
            "ada@example.org unknown",
            "5.1",
            "5.1.1111 x",
            "5.1.x",
            "127.0.0.1 x",
        ] {
            assert_eq!(enhanced_code(text), None, "{text:?}");
        }
    }
}
