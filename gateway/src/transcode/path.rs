//! Paths of the route table: `/api/v1/courses/{slug}`.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Everything but the unreserved characters of RFC 3986.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The fields in a path that the router matched to this template, with their still encoded values.
pub fn fields<'a>(template: &'static str, path: &'a str) -> impl Iterator<Item = (&'static str, &'a str)> {
    let segments = template.split('/').zip(path.split('/'));
    segments.filter_map(|(name, value)| Some((field(name)?, value)))
}

/// Whether a field is in the path.
pub fn has_field(template: &str, wanted: &str) -> bool {
    template.split('/').any(|segment| field(segment) == Some(wanted))
}

/// The path with one field replaced.
pub fn with_field(template: &str, path: &str, replaced: &str, value: &str) -> String {
    let segments = template.split('/').zip(path.split('/'));
    let segments = segments.map(|(name, old)| match field(name) {
        Some(name) if name == replaced => encode(value),
        _ => old.to_owned(),
    });
    segments.collect::<Vec<_>>().join("/")
}

/// Text as one segment of a path.
pub fn encode(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

fn field(segment: &str) -> Option<&str> {
    segment.strip_prefix('{')?.strip_suffix('}')
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEMPLATE: &str = "/api/v1/courses/{slug}/instructors/{user_id}";

    #[test]
    fn fields_are_found_and_replaced() {
        let path = "/api/v1/courses/a%20b/instructors/42";
        let found: Vec<_> = fields(TEMPLATE, path).collect();
        assert_eq!(found, [("slug", "a%20b"), ("user_id", "42")]);
        assert!(has_field(TEMPLATE, "slug") && !has_field(TEMPLATE, "courses"));
        assert_eq!(
            with_field(TEMPLATE, path, "slug", "//evil.com/ü"),
            "/api/v1/courses/%2F%2Fevil.com%2F%C3%BC/instructors/42"
        );
    }
}
