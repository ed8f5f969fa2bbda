//! Durations as operators write them: `500ms`, `30s`, `15m`, `12h`, `1d`.

use std::time::Duration;

/// Reads a duration: a whole number and its unit.
///
/// # Errors
/// A sentence that says how durations are written.
pub fn parse(text: &str) -> Result<Duration, String> {
    let digits = text
        .find(|letter: char| !letter.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let millis_per_unit: u64 = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => {
            return Err(format!(
                "{text:?} is not a duration: write 500ms, 30s, 15m, 12h or 1d"
            ));
        }
    };
    let millis = number
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(millis_per_unit));
    // A century is longer than anything here can mean, and short enough to add to any date.
    millis
        .filter(|millis| *millis <= 100 * 366 * 86_400_000)
        .map(Duration::from_millis)
        .ok_or_else(|| format!("{text:?} is not a duration: write 500ms, 30s, 15m, 12h or 1d"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unit_is_read() {
        let read = |text| parse(text).unwrap().as_millis();
        assert_eq!(read("500ms"), 500);
        assert_eq!(read("30s"), 30_000);
        assert_eq!(read("15m"), 900_000);
        assert_eq!(read("12h"), 43_200_000);
        assert_eq!(read("1d"), 86_400_000);
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "15",
            "m",
            "-1s",
            "1.5h",
            "1 d",
            "1w",
            "99999999999999999999s",
            "40000d",
            "१s",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
