//! Prices: read exactly, written in one form, and read from that form again.

#![no_main]

use course_service::model::price::{BadPrice, Price};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let price = Price::parse(text);
    assert_eq!(
        price.map(|price| i128::from(price.minor())),
        expected(text),
        "{text:?}"
    );
    let Ok(price) = price else { return };

    let written = price.to_string();
    assert_eq!(Price::parse(&written), Ok(price));
    assert_eq!(Price::from_minor(price.minor()), Some(price));
    assert!(price <= Price::HIGHEST && price.is_free() == (written == "0.00"));
    // Nothing but zeros that do not count tells the two apart.
    let bare = text.trim_start_matches('0');
    let shown = written.trim_start_matches('0');
    assert!(
        shown.starts_with(bare.trim_end_matches('0').trim_end_matches('.')),
        "{text:?} {written}"
    );
});

/// The amount, by arithmetic on the fraction that the text is.
fn expected(text: &str) -> Result<i128, BadPrice> {
    let places = text.find('.').map_or(0, |point| text.len() - point - 1);
    let digits: String = text.chars().filter(|letter| *letter != '.').collect();
    let points = text.len() - digits.len();
    let is_number = points == usize::from(places > 0)
        && !text.starts_with('.')
        && !digits.is_empty()
        && places <= 2
        && digits.chars().all(|letter| ('0'..='9').contains(&letter));
    if !is_number {
        return Err(BadPrice::Form);
    }
    let significant = digits.trim_start_matches('0');
    if significant.len() > 30 {
        return Err(BadPrice::TooHigh);
    }
    let number = format!("0{significant}")
        .parse::<i128>()
        .map_err(|_| BadPrice::Form)?;
    let minor = number * [100, 10, 1][places];
    if minor > 99_999_999 {
        Err(BadPrice::TooHigh)
    } else {
        Ok(minor)
    }
}
