//! The rows that a run prints: what was done, what was expected, what was seen.

use std::time::Duration;

/// Prints a row of the table.
pub fn row(fault: &str, expected: &str, seen: &str) {
    println!("| {fault} | {expected} | {seen} |");
}

/// A duration in a row.
pub fn millis(duration: Duration) -> String {
    match duration.as_millis() {
        millis @ ..10_000 => format!("{millis} ms"),
        _ => format!("{:.1} s", duration.as_secs_f64()),
    }
}

/// The duration that this many percent of `all` do not exceed.
pub fn percent(part: usize, mut all: Vec<Duration>) -> Duration {
    all.sort();
    let place = (all.len() * part).div_ceil(100).saturating_sub(1);
    all.get(place).copied().unwrap_or_default()
}
