//! The currency of a price: three capital letters (ISO 4217).

use serde::{Deserialize, Serialize};

/// A currency code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Currency(String);

impl Currency {
    /// Reads a code such as `USD`.
    ///
    /// # Errors
    /// A sentence for the operator.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_uppercase()) {
            Ok(Self(text.to_owned()))
        } else {
            Err(format!(
                "{text:?} is not a currency code of three capital letters, such as USD"
            ))
        }
    }

    /// A code that was parsed before it was stored.
    pub(crate) const fn stored(text: String) -> Self {
        Self(text)
    }

    /// The code as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_three_capital_letters() {
        assert_eq!(Currency::parse("EUR").unwrap().as_str(), "EUR");
        for text in ["", "usd", "US", "USDX", "U5D", "€€€"] {
            assert!(Currency::parse(text).is_err(), "{text}");
        }
    }
}
