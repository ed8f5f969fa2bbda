//! What a course costs after somebody said something about its price: a price above zero counts, whatever was
//! said of free; free costs nothing; and a course always has either.

use crate::model::price::Price;

/// What was said. `None` is what was not mentioned.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wish {
    /// The price; one that was left blank is zero.
    pub price: Option<Price>,
    /// Whether it is to be free.
    pub is_free: Option<bool>,
}

/// The course would be neither free nor have a price.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("Course price is required")]
pub struct PriceRequired;

/// The price of a course that costs `current` so far (`None`: a new one).
///
/// # Errors
/// [`PriceRequired`].
pub fn settle(current: Option<Price>, wish: Wish) -> Result<Price, PriceRequired> {
    let was_free = current.is_some_and(Price::is_free);
    match (wish.price, wish.is_free) {
        (Some(price), _) if !price.is_free() => Ok(price),
        (_, Some(true)) => Ok(Price::FREE),
        (Some(_), None) if was_free => Ok(Price::FREE),
        (Some(_), _) => Err(PriceRequired),
        (None, None) => current.ok_or(PriceRequired),
        (None, Some(false)) => current.filter(|price| !price.is_free()).ok_or(PriceRequired),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(current: Option<&str>, price: Option<&str>, is_free: Option<bool>) -> Option<String> {
        let read = |text| Price::parse(text).unwrap();
        let wish = Wish {
            price: price.map(read),
            is_free,
        };
        settle(current.map(read), wish)
            .ok()
            .map(|price| price.to_string())
    }

    #[test]
    fn a_new_course_is_free_or_has_a_price() {
        assert_eq!(after(None, Some("10.99"), Some(false)).as_deref(), Some("10.99"));
        assert_eq!(after(None, Some("10.99"), Some(true)).as_deref(), Some("10.99"));
        assert_eq!(after(None, Some("0"), Some(true)).as_deref(), Some("0.00"));
        assert_eq!(after(None, Some("0"), Some(false)), None);
        assert_eq!(after(None, None, Some(false)), None);
        assert_eq!(after(None, None, None), None);
    }

    #[test]
    fn a_price_above_zero_ends_free() {
        for is_free in [None, Some(true), Some(false)] {
            assert_eq!(after(Some("0"), Some("5"), is_free).as_deref(), Some("5.00"));
        }
    }

    #[test]
    fn free_costs_nothing() {
        assert_eq!(after(Some("5"), None, Some(true)).as_deref(), Some("0.00"));
        assert_eq!(after(Some("5"), Some("0"), Some(true)).as_deref(), Some("0.00"));
    }

    #[test]
    fn a_zero_keeps_a_free_course_free_and_is_no_price_for_a_paid_one() {
        assert_eq!(after(Some("0"), Some("0"), None).as_deref(), Some("0.00"));
        assert_eq!(after(Some("5"), Some("0"), None), None);
        assert_eq!(after(Some("0"), Some("0"), Some(false)), None);
    }

    #[test]
    fn not_free_needs_a_price() {
        assert_eq!(after(Some("0"), None, Some(false)), None);
        assert_eq!(after(Some("5"), None, Some(false)).as_deref(), Some("5.00"));
    }

    #[test]
    fn what_was_not_mentioned_stays() {
        assert_eq!(after(Some("5"), None, None).as_deref(), Some("5.00"));
        assert_eq!(after(Some("0"), None, None).as_deref(), Some("0.00"));
    }
}
