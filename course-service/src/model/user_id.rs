//! A user's id as callers write it.

use uuid::{Uuid, fmt::Hyphenated};

/// What can be wrong with a user's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadUserId {
    /// Nothing at all.
    #[error("The user id is required")]
    Missing,
    /// Not the one form that the contract has.
    #[error("The user id must be a UUID")]
    Form,
}

/// Reads a user's id in the form that the contract has: hyphenated, without braces or prefixes.
///
/// # Errors
/// [`BadUserId`], in words for the caller.
pub fn parse(text: &str) -> Result<Uuid, BadUserId> {
    match text.len() {
        0 => Err(BadUserId::Missing),
        Hyphenated::LENGTH => Uuid::try_parse(text).map_err(|_| BadUserId::Form),
        _ => Err(BadUserId::Form),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_one_form() {
        let id = Uuid::from_u128(0x0198_c0de_0000_7000_8000_0000_0000_0001);
        assert_eq!(parse(&id.to_string()), Ok(id));
        assert_eq!(parse(""), Err(BadUserId::Missing));
        for text in [
            id.urn().to_string(),
            id.braced().to_string(),
            id.simple().to_string(),
            format!(" {id}"),
            "x".repeat(36),
            "é".repeat(18),
        ] {
            assert_eq!(parse(&text), Err(BadUserId::Form), "{text}");
        }
    }
}
