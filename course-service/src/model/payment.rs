//! What names a payment where it was made.

/// The reference of a payment: 1 to [`PaymentReference::LONGEST`] ASCII letters, digits and `-._:/`. No address of a
/// person can be one: a reference stays when the person is erased.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaymentReference(String);

/// What can be wrong with a reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadReference {
    /// Nothing at all.
    #[error("The payment reference is required")]
    Missing,
    /// Too long, or with other characters.
    #[error("The payment reference must be at most 100 letters, digits and -._:/")]
    Form,
}

impl PaymentReference {
    /// The most characters it has.
    pub const LONGEST: usize = 100;

    /// Reads a reference.
    ///
    /// # Errors
    /// [`BadReference`], in words for the caller.
    pub fn parse(text: &str) -> Result<Self, BadReference> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:/".contains(&byte);
        match text.len() {
            0 => Err(BadReference::Missing),
            ..=Self::LONGEST if text.bytes().all(fits) => Ok(Self(text.to_owned())),
            _ => Err(BadReference::Form),
        }
    }

    /// The reference as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_a_short_word_without_an_address_in_it() {
        let longest = "x".repeat(PaymentReference::LONGEST);
        for text in ["1", "INV-2026/0042", "pi_3N:a.b", &longest] {
            assert_eq!(
                PaymentReference::parse(text)
                    .as_ref()
                    .map(PaymentReference::as_str),
                Ok(text)
            );
        }
        assert_eq!(PaymentReference::parse(""), Err(BadReference::Missing));
        for text in [
            " ",
            "a b",
            " a",
            "ann@example.org",
            "a\0",
            "é",
            "a\n",
            "a%b",
            &format!("{longest}x"),
        ] {
            assert_eq!(PaymentReference::parse(text), Err(BadReference::Form), "{text:?}");
        }
    }
}
