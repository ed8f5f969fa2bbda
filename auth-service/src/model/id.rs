//! Ids as callers write them.

use uuid::{Uuid, fmt::Hyphenated};

/// Reads an id in the form that the contract has: hyphenated, without braces or prefixes.
pub fn parse(text: &str) -> Option<Uuid> {
    let has_form = text.len() == Hyphenated::LENGTH;
    has_form.then(|| Uuid::try_parse(text).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_one_form() {
        let id = Uuid::from_u128(0x0198_c0de_0000_7000_8000_0000_0000_0001);
        assert_eq!(parse(&id.to_string()), Some(id));
        for text in [
            String::new(),
            id.urn().to_string(),
            id.braced().to_string(),
            id.simple().to_string(),
            format!(" {id}"),
            "x".repeat(36),
            "\u{e9}".repeat(18),
        ] {
            assert_eq!(parse(&text), None, "{text}");
        }
    }
}
