//! Query strings and forms: `name=value` pairs, percent-encoded.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// Text that does not decode to UTF-8.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the text is not percent-encoded UTF-8")]
pub struct Malformed;

/// A name and its value, decoded.
pub type Pair<'a> = (Cow<'a, str>, Cow<'a, str>);

/// The pairs of a query string or form, in their order. Empty pairs do not count.
///
/// # Errors
/// [`Malformed`].
pub fn pairs(text: &str) -> Result<Vec<Pair<'_>>, Malformed> {
    text.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((decode_plus(name)?, decode_plus(value)?))
        })
        .collect()
}

/// Decodes a part of a path, where a plus is a plus.
///
/// # Errors
/// [`Malformed`].
pub fn decode(text: &str) -> Result<Cow<'_, str>, Malformed> {
    if !is_percent_encoded(text.as_bytes()) {
        return Err(Malformed);
    }
    percent_decode_str(text).decode_utf8().map_err(|_| Malformed)
}

/// Whether every `%` is followed by two hex digits.
pub fn is_percent_encoded(text: &[u8]) -> bool {
    let mut rest = text;
    while let Some(at) = rest.iter().position(|byte| *byte == b'%') {
        match rest.get(at + 1..at + 3) {
            Some(digits) if digits.iter().all(u8::is_ascii_hexdigit) => rest = &rest[at + 3..],
            _ => return false,
        }
    }
    true
}

fn decode_plus(text: &str) -> Result<Cow<'_, str>, Malformed> {
    match text.contains('+') {
        true => Ok(decode(&text.replace('+', " "))?.into_owned().into()),
        false => decode(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_decoded() {
        let read = pairs("a=1&&b=x+y%2B%20z&c&d=%D0%9F=").unwrap();
        let read: Vec<_> = read.iter().map(|(name, value)| (&**name, &**value)).collect();
        assert_eq!(read, [("a", "1"), ("b", "x y+ z"), ("c", ""), ("d", "П=")]);
    }

    #[test]
    fn what_does_not_decode_is_refused() {
        for bad in ["a=%", "a=%2", "a=%zz", "%ff=1", "a=%c3%28"] {
            assert_eq!(pairs(bad), Err(Malformed), "{bad}");
        }
    }
}
