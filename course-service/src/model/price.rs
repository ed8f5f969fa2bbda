//! What a course costs: an exact amount in minor units, written with two places. Nothing is a float, nothing
//! is rounded.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A price from 0.00 to 999999.99. A free course is one whose price is zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Price(i64);

/// What can be wrong with a price.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadPrice {
    /// Not digits with at most two places.
    #[error("Course price must be a number with at most two decimal places, such as 10.99")]
    Form,
    /// More than [`Price::HIGHEST`].
    #[error("Course price must be at most 999999.99")]
    TooHigh,
}

impl Price {
    /// The price of a free course.
    pub const FREE: Self = Self(0);
    /// The highest price.
    pub const HIGHEST: Self = Self(99_999_999);

    /// Reads a decimal: digits, and after a point one or two more. No sign, exponent, space or grouping.
    ///
    /// # Errors
    /// [`BadPrice`], in words for the author.
    pub fn parse(text: &str) -> Result<Self, BadPrice> {
        let (whole, places) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(whole) || !digits(places) || places.len() > 2 {
            return Err(BadPrice::Form);
        }
        let padding = if places.len() == 1 { "0" } else { "" };
        let minor = [whole, places, padding]
            .iter()
            .flat_map(|part| part.bytes())
            .fold(0_i64, |sum, digit| {
                sum.saturating_mul(10).saturating_add(i64::from(digit - b'0'))
            });
        Self::from_minor(minor).ok_or(BadPrice::TooHigh)
    }

    /// A price in minor units, if it is one.
    pub const fn from_minor(minor: i64) -> Option<Self> {
        if 0 <= minor && minor <= Self::HIGHEST.0 {
            Some(Self(minor))
        } else {
            None
        }
    }

    /// The price in minor units.
    pub const fn minor(self) -> i64 {
        self.0
    }

    /// Whether it is zero.
    pub const fn is_free(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Display for Price {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{:02}", self.0 / 100, self.0 % 100)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn decimals_are_read_exactly() {
        for (text, minor) in [
            ("0", 0),
            ("0.0", 0),
            ("10.99", 1099),
            ("10.9", 1090),
            ("10", 1000),
            ("0.01", 1),
            ("0.29", 29),
            ("999999.99", 99_999_999),
            ("007", 700),
            ("000000000000000000000000000001", 100),
        ] {
            assert_eq!(Price::parse(text).map(Price::minor), Ok(minor), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "", ".", ".5", "5.", "1e3", "+1", "-1", "-0", "1,00", "1.000", "1.234", " 1 ", "1 000", "NaN",
            "inf", "0x10", "１", "١", "1.0.0", "1_0", "$1", "1\0",
        ] {
            assert_eq!(Price::parse(text), Err(BadPrice::Form), "{text:?}");
        }
        for text in [
            "1000000",
            "999999999999999999999999999999999999",
            "9223372036854775808.99",
        ] {
            assert_eq!(Price::parse(text), Err(BadPrice::TooHigh), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_the_same(minor in 0_i64..=99_999_999) {
            let price = Price::from_minor(minor).unwrap();
            prop_assert_eq!(Price::parse(&price.to_string()), Ok(price));
        }

        #[test]
        fn no_text_is_read_as_anything_but_itself(text in "\\PC{0,12}") {
            if let Ok(price) = Price::parse(&text) {
                let number: f64 = text.parse().unwrap();
                prop_assert!((number * 100.0 - price.minor() as f64).abs() < 1e-3);
            }
        }
    }
}
