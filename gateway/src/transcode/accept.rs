//! Content negotiation: everything here is JSON, so the question is only whether the caller takes it.

use http::{HeaderMap, StatusCode, header};
use tonic::Code;

use crate::problem::Problem;

/// Refuses a request whose `Accept` leaves JSON out.
///
/// # Errors
/// 406.
pub fn check(headers: &HeaderMap) -> Result<(), Problem> {
    let mut ranges = headers
        .get_all(header::ACCEPT)
        .iter()
        .flat_map(|value| value.to_str().unwrap_or_default().split(','))
        .map(str::trim)
        .filter(|range| !range.is_empty())
        .peekable();
    if ranges.peek().is_none() {
        return Ok(());
    }
    // The most specific range that speaks of JSON decides.
    let decisive = ranges
        .filter_map(preference)
        .max_by_key(|(specificity, _)| *specificity);
    match decisive {
        Some((_, true)) => Ok(()),
        _ => Err(Problem::new(
            StatusCode::NOT_ACCEPTABLE,
            Code::InvalidArgument,
            "NOT_ACCEPTABLE",
            "Only application/json can be answered.",
        )),
    }
}

/// How specifically a media range speaks of JSON, and whether it wants it.
fn preference(range: &str) -> Option<(u8, bool)> {
    let mut parts = range.split(';').map(str::trim);
    let specificity = match parts.next()?.to_ascii_lowercase().as_str() {
        "application/json" | "application/problem+json" => 2,
        "application/*" => 1,
        "*/*" => 0,
        _ => return None,
    };
    let quality = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
    let wanted =
        quality.is_none_or(|quality| quality.trim().parse::<f32>().is_ok_and(|quality| quality > 0.0));
    Some((specificity, wanted))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn accepts(value: &'static str) -> bool {
        let headers = HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static(value))]);
        check(&headers).is_ok()
    }

    #[test]
    fn json_is_taken_unless_it_is_left_out() {
        for good in [
            "",
            "*/*",
            "application/json",
            "Application/JSON; charset=utf-8",
            "text/html, application/*;q=0.1",
            "text/html, */*; q=0.8",
            "application/problem+json",
            "*/*;q=0, application/json",
        ] {
            assert!(accepts(good), "{good}");
        }
        for bad in [
            "text/html",
            "image/*",
            "application/json;q=0, */*",
            "application/json;q=0.0",
            "application/xml, text/plain",
            "*/*;q=0",
            "nonsense",
        ] {
            assert!(!accepts(bad), "{bad}");
        }
    }
}
