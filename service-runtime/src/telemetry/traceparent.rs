//! The header in which a trace travels (W3C Trace Context): `version-trace-parent-flags` in lower-case hex. One that
//! is not sound is as good as none; nobody is refused for it.

use http::{HeaderMap, HeaderValue};
use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};

/// The name of the header, and of the metadata of gRPC.
pub const TRACEPARENT: &str = "traceparent";

/// The sound trace that came with a request.
pub fn sound(headers: &HeaderMap) -> Option<&HeaderValue> {
    let mut values = headers.get_all(TRACEPARENT).iter();
    // Whoever names two parents names none.
    let (value, None) = (values.next()?, values.next()) else {
        return None;
    };
    read(value).map(|_parent| value)
}

/// The span that a sound header names.
pub(super) fn read(value: &HeaderValue) -> Option<SpanContext> {
    let text = value.to_str().ok()?;
    let mut parts = text.splitn(5, '-');
    let [Some(version), Some(trace), Some(parent), Some(flags), rest] = std::array::from_fn(|_| parts.next())
    else {
        return None;
    };
    let version = hex(version, 2)?;
    if version == 0xff || (version == 0 && rest.is_some()) {
        return None;
    }
    let flags = u8::try_from(hex(flags, 2)?).ok()?;
    let parent = u64::try_from(hex(parent, 16)?).ok()?;
    let context = SpanContext::new(
        TraceId::from(hex(trace, 32)?),
        SpanId::from(parent),
        TraceFlags::new(flags) & TraceFlags::SAMPLED,
        true,
        TraceState::NONE,
    );
    context.is_valid().then_some(context)
}

/// The header that names a span.
pub(super) fn write(context: &SpanContext) -> Option<HeaderValue> {
    let (trace, span) = (context.trace_id(), context.span_id());
    let flags = context.trace_flags() & TraceFlags::SAMPLED;
    HeaderValue::from_str(&format!("00-{trace}-{span}-{flags:02x}")).ok()
}

/// So many digits of lower-case hex.
fn hex(text: &str, digits: usize) -> Option<u128> {
    let sound = text.len() == digits && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    sound.then(|| u128::from_str_radix(text, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
    const PARENT: &str = "b7ad6b7169203331";

    fn headers(values: &[&str]) -> HeaderMap {
        let value = |value: &&str| {
            (
                TRACEPARENT.parse().unwrap(),
                HeaderValue::from_str(value).unwrap(),
            )
        };
        values.iter().map(value).collect()
    }

    fn context(text: &str) -> Option<SpanContext> {
        read(&HeaderValue::from_str(text).unwrap())
    }

    #[test]
    fn only_sound_traces_are_read() {
        for (good, is_sampled) in [
            (format!("00-{TRACE}-{PARENT}-01"), true),
            (format!("00-{TRACE}-{PARENT}-00"), false),
            (format!("cc-{TRACE}-{PARENT}-fe-more"), false),
        ] {
            let read = context(&good).unwrap_or_else(|| panic!("{good}"));
            assert_eq!(read.trace_id().to_string(), TRACE);
            assert_eq!(read.span_id().to_string(), PARENT);
            assert_eq!(read.is_sampled(), is_sampled, "{good}");
        }
        for bad in [
            String::new(),
            format!("00-{TRACE}-{PARENT}"),
            format!("00-{TRACE}-{PARENT}-01-more"),
            format!("00-{TRACE}-{PARENT}-1"),
            format!("00-{TRACE}-{PARENT}-+1"),
            format!("ff-{TRACE}-{PARENT}-01"),
            format!("00-{}-{PARENT}-01", TRACE.to_uppercase()),
            format!("00-{}-{PARENT}-01", "0".repeat(32)),
            format!("00-{TRACE}-{}-01", "0".repeat(16)),
        ] {
            assert!(context(&bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let text = format!("00-{TRACE}-{PARENT}-01");
        assert_eq!(write(&context(&text).unwrap()).unwrap(), text);
    }

    #[test]
    fn two_parents_are_none() {
        let sent = format!("00-{TRACE}-{PARENT}-01");
        assert!(sound(&headers(&[&sent])).is_some());
        assert!(sound(&headers(&[&sent, &sent])).is_none());
    }
}
