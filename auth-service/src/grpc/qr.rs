//! A text as a QR code that a phone scans off a screen.

use qrcode::{QrCode, render::svg};

use crate::domain::error::Error;

/// The smallest image, in pixels; it scales.
const PIXELS: u32 = 240;

/// The image of a text, as SVG.
///
/// # Errors
/// [`Error::Internal`] for a text too long for one, which no address makes.
pub(super) fn svg(text: &str) -> Result<String, Error> {
    let code = QrCode::new(text).map_err(Error::internal)?;
    let mut image = code.render::<svg::Color<'_>>();
    Ok(image.min_dimensions(PIXELS, PIXELS).build())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_address_fits() {
        let text = format!("otpauth://totp/{}", "%40".repeat(254));
        let image = svg(&text).unwrap();
        assert!(image.contains("<svg"), "{image}");
        // The text is in the pattern, not in the image's own text.
        assert!(!image.contains("otpauth"), "{image}");
    }
}
