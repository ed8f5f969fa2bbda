//! What the headers of a request may say: its deadline, its id, its trace, its token, a version, a host.

#![no_main]

use std::{sync::LazyLock, time::Duration};

use gateway::{
    config::{AllowedHosts, Config},
    transcode::conditional::{demanded, is_known, quoted},
};
use http::{HeaderMap, HeaderValue, header};
use libfuzzer_sys::fuzz_target;
use service_runtime::{
    grpc::context::{REQUEST_ID, bearer, grpc_timeout, sane_request_id},
    settings::Values,
    telemetry::traceparent::{self, TRACEPARENT},
};

static HOSTS: LazyLock<AllowedHosts> = LazyLock::new(|| {
    let values = Values::default().with("ALLOWED_HOSTS", ".edu.test,[::1]");
    Config::from_values(&values).unwrap().allowed_hosts
});

fuzz_target!(|bytes: &[u8]| {
    let Ok(value) = HeaderValue::from_bytes(bytes) else {
        return;
    };
    let headers = |name| HeaderMap::from_iter([(name, value.clone())]);
    let text = value.to_str().ok();

    assert_eq!(grpc_timeout(&value), text.and_then(timeout), "{value:?}");

    let ids = headers(header::HeaderName::from_static(REQUEST_ID));
    if let Some(id) = sane_request_id(&ids) {
        assert!(Some(id) == text && !id.is_empty() && id.len() <= 128);
        assert!(
            id.chars()
                .all(|letter| letter.is_ascii_alphanumeric() || "._~-".contains(letter))
        );
    }

    if traceparent::sound(&headers(header::HeaderName::from_static(TRACEPARENT))).is_some() {
        let text = text.unwrap();
        let is_hex = |part: &str| {
            part.bytes()
                .all(|byte| byte.is_ascii_hexdigit() && !byte.is_ascii_uppercase())
        };
        assert!(is_hex(&text[..2]) && is_hex(&text[3..35]) && is_hex(&text[36..52]) && is_hex(&text[53..55]));
        assert!(text.len() == 55 || text.as_bytes()[55] == b'-' && !text.starts_with("00"));
    }

    let token = text.and_then(|text| text.split_once(' '));
    let token = token.filter(|(scheme, token)| {
        scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() && !token.contains(' ')
    });
    let authorization = headers(header::AUTHORIZATION);
    assert_eq!(
        bearer(&authorization).ok().flatten(),
        token.map(|(_, token)| token)
    );

    if let Ok(Some(version)) = demanded(&headers(header::IF_MATCH)) {
        assert!(!version.is_empty() && !version.contains(' '), "{value:?}");
        // A version that can be one is written, demanded and known as itself.
        if !version.contains('"') {
            let written = quoted(version).unwrap();
            let headers = |name| HeaderMap::from_iter([(name, written.clone())]);
            assert_eq!(demanded(&headers(header::IF_MATCH)).unwrap(), Some(version));
            assert!(version.contains(',') || is_known(&headers(header::IF_NONE_MATCH), version));
        }
    }
    is_known(&headers(header::IF_NONE_MATCH), "v1");

    if let Some(host) = text.filter(|host| HOSTS.allow(host)) {
        let host = host.to_ascii_lowercase();
        let name = host.trim_end_matches(|letter: char| letter.is_ascii_digit() || ":.".contains(letter));
        assert!(
            name == "edu.test" || name.ends_with(".edu.test") || host.starts_with("[::1]"),
            "{host}"
        );
    }
});

fn timeout(text: &str) -> Option<Duration> {
    let digits = text.trim_end_matches(['H', 'M', 'S', 'm', 'u', 'n']);
    let nanos = match &text[digits.len()..] {
        "H" => 3_600_000_000_000,
        "M" => 60_000_000_000,
        "S" => 1_000_000_000,
        "m" => 1_000_000,
        "u" => 1_000,
        "n" => 1_u128,
        _ => return None,
    };
    let is_number =
        (1..=8).contains(&digits.len()) && digits.chars().all(|digit| ('0'..='9').contains(&digit));
    let nanos = is_number.then(|| digits.parse::<u128>().ok())?? * nanos;
    Some(Duration::new(
        (nanos / 1_000_000_000) as u64,
        (nanos % 1_000_000_000) as u32,
    ))
}
