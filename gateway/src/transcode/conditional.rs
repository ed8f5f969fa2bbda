//! `If-Match` and `If-None-Match` (RFC 9110, section 13), as far as one opaque version per resource needs them.

use http::{HeaderMap, HeaderValue, header};
use service_runtime::grpc::refusal::FieldError;

/// The version that `If-Match` names; `None` when the resource only has to exist. Quotes may be left out.
///
/// A version that none can be, a weak one or the empty one, is passed on as it stands in the header: no version
/// equals it, and the service alone knows whether another refusal comes first.
///
/// # Errors
/// When it names several versions, which a service cannot be asked for, or is malformed.
pub fn demanded(headers: &HeaderMap) -> Result<Option<&str>, FieldError> {
    let mut values = headers.get_all(header::IF_MATCH).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let text = value.to_str().unwrap_or_default().trim();
    let opaque = |text: &str| {
        text.bytes()
            .all(|byte| byte > b' ' && byte < 0x7f && byte != b'"')
    };
    let quoted = |text: &str| {
        let inside = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        inside.is_some_and(opaque)
    };
    match text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        _ if values.next().is_some() => Err(FieldError::new("If-Match", "Only one version can be named.")),
        _ if text == "*" => Ok(None),
        Some("") => Ok(Some(text)),
        Some(version) if opaque(version) => Ok(Some(version)),
        Some(_) => Err(FieldError::new("If-Match", "Only one version can be named.")),
        None if text.strip_prefix("W/").is_some_and(quoted) => Ok(Some(text)),
        None if !text.is_empty() && opaque(text) && !text.contains(',') => Ok(Some(text)),
        None => Err(FieldError::new("If-Match", "This is not a version.")),
    }
}

/// Whether `If-None-Match` names this version, so that the caller has it already.
pub fn is_known(headers: &HeaderMap, etag: &str) -> bool {
    let values = headers.get_all(header::IF_NONE_MATCH).iter();
    let listed = values.flat_map(|value| value.to_str().unwrap_or_default().split(','));
    listed.map(str::trim).any(|one| {
        let strong = one.strip_prefix("W/").unwrap_or(one);
        one == "*" || strong.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) == Some(etag)
    })
}

/// A version as the `ETag` header writes it.
pub fn quoted(etag: &str) -> Option<HeaderValue> {
    let mut text = Vec::with_capacity(etag.len() + 2);
    text.push(b'"');
    text.extend_from_slice(etag.as_bytes());
    text.push(b'"');
    HeaderValue::from_maybe_shared(bytes::Bytes::from(text)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: http::HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_str(value).unwrap())])
    }

    #[test]
    fn if_match_names_one_version() {
        for (value, meant) in [
            ("\"v1\"", Some("v1")),
            ("v1", Some("v1")),
            ("\"a,b\"", Some("a,b")),
            ("*", None),
            ("W/\"v1\"", Some("W/\"v1\"")),
            ("W/\"\"", Some("W/\"\"")),
            ("\"\"", Some("\"\"")),
        ] {
            assert_eq!(demanded(&headers(header::IF_MATCH, value)), Ok(meant), "{value}");
        }
        assert_eq!(demanded(&HeaderMap::new()), Ok(None));
        for bad in [
            "",
            "\"a\", \"b\"",
            "W/\"a\", \"b\"",
            "W/\"a",
            "a, b",
            "\"a",
            "a\"",
            "a b",
        ] {
            assert!(demanded(&headers(header::IF_MATCH, bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn if_none_match_compares_weakly() {
        for (value, known) in [
            ("\"v1\"", true),
            ("W/\"v1\"", true),
            ("\"v0\", \"v1\"", true),
            ("*", true),
            ("\"v2\"", false),
            ("v1", false),
            ("", false),
        ] {
            assert_eq!(
                is_known(&headers(header::IF_NONE_MATCH, value), "v1"),
                known,
                "{value}"
            );
        }
    }
}
