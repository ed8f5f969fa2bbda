//! How long a link is good, in words.

use chrono::TimeDelta;

/// The units that are named, the longest first, in seconds.
const UNITS: [(i64, &str); 4] = [(86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second")];

/// A time span as a person says it: its two longest units, such as `15 minutes` or `1 day and 12 hours`. What
/// is left is dropped, so that a promise is never longer than the truth.
pub(super) fn in_words(span: TimeDelta) -> String {
    let mut left = span.num_seconds().max(0);
    let mut words = Vec::new();
    for (seconds, unit) in UNITS {
        let count = left / seconds;
        left %= seconds;
        if count > 0 {
            let plural = if count == 1 { "" } else { "s" };
            words.push(format!("{count} {unit}{plural}"));
        }
    }
    words.truncate(2);
    if words.is_empty() {
        "0 seconds".to_owned()
    } else {
        words.join(" and ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_said_in_at_most_two_units() {
        for (span, words) in [
            (TimeDelta::minutes(15), "15 minutes"),
            (TimeDelta::minutes(1), "1 minute"),
            (TimeDelta::seconds(90), "1 minute and 30 seconds"),
            (TimeDelta::hours(36), "1 day and 12 hours"),
            (TimeDelta::seconds(86_400 * 2 + 3_600 + 59), "2 days and 1 hour"),
            (TimeDelta::milliseconds(900), "0 seconds"),
            (TimeDelta::seconds(-5), "0 seconds"),
        ] {
            assert_eq!(in_words(span), words);
        }
    }
}
