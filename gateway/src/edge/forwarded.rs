//! Where a request comes from: the peer of its connection or, if that is a proxy of ours, whom it says that it speaks
//! for. Read from the right, because each proxy adds to the end: the first address that is no proxy of ours is the
//! client's. What is left of it anybody may have written; what cannot be read ends the way at the proxy that passed it
//! on.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Once,
};

use http::{HeaderMap, HeaderName, header::FORWARDED};

use crate::config::TrustedProxies;

/// What most proxies write.
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// Said once that there may be a proxy which nobody named.
static NOT_NAMED: Once = Once::new();

/// The address of the client of a request that came from `peer`.
pub(super) fn client(peer: IpAddr, headers: &HeaderMap, proxies: &TrustedProxies) -> IpAddr {
    if !proxies.trust(peer) {
        if may_be_a_proxy(peer, headers) {
            NOT_NAMED.call_once(|| {
                tracing::warn!(
                    %peer,
                    "a neighbour passes on requests of others and is not named in TRUSTED_PROXIES: all who come through \
                     it share the limits of one network"
                );
            });
        }
        return peer;
    }
    let by = |name: HeaderName, hops: fn(&str) -> Vec<Option<IpAddr>>| {
        headers.contains_key(&name).then(|| {
            let lines = headers.get_all(&name).iter();
            let lines = lines.map(|line| line.to_str().map_or_else(|_| vec![None], hops));
            walk(peer, lines.flatten().collect(), proxies)
        })
    };
    match (by(X_FORWARDED_FOR, x_forwarded_for), by(FORWARDED, forwarded)) {
        (None, None) => peer,
        (Some(client), None) | (None, Some(client)) => client,
        // A proxy that writes one of them lets the other one pass, whoever wrote it.
        (Some(one), Some(other)) if one == other => one,
        (Some(_), Some(_)) => peer,
    }
}

/// Whether a request looks as if it came through a proxy: from this site, with an address that a proxy passes on.
fn may_be_a_proxy(peer: IpAddr, headers: &HeaderMap) -> bool {
    let is_near = match peer.to_canonical() {
        IpAddr::V4(peer) => peer.is_private() || peer.is_loopback(),
        IpAddr::V6(peer) => peer.is_unique_local() || peer.is_loopback(),
    };
    is_near && (headers.contains_key(X_FORWARDED_FOR) || headers.contains_key(FORWARDED))
}

/// The first hop from the right that is no proxy of ours.
fn walk(peer: IpAddr, hops: Vec<Option<IpAddr>>, proxies: &TrustedProxies) -> IpAddr {
    let mut at = peer;
    for hop in hops.into_iter().rev() {
        match hop {
            Some(hop) => at = hop,
            None => return at,
        }
        if !proxies.trust(at) {
            return at;
        }
    }
    at
}

/// The hops in a line of `X-Forwarded-For`; `None` for one that cannot be read.
fn x_forwarded_for(line: &str) -> Vec<Option<IpAddr>> {
    line.split(',').map(|hop| node(hop.trim())).collect()
}

/// The hops in a line of `Forwarded` (RFC 7239); `None` for one that cannot be read, also for a whole line whose
/// quotes do not end: what was outside of them cannot be told from what was inside.
fn forwarded(line: &str) -> Vec<Option<IpAddr>> {
    let Some(hops) = split(line, ',') else {
        return vec![None];
    };
    hops.into_iter().map(hop).collect()
}

/// The address in `for=…` of one element.
fn hop(element: &str) -> Option<IpAddr> {
    let mut hops = split(element, ';')?.into_iter().filter_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        name.trim().eq_ignore_ascii_case("for").then(|| value.trim())
    });
    let (hop, more) = (hops.next()?, hops.next());
    if more.is_some() {
        return None;
    }
    node(
        hop.strip_prefix('"')
            .map_or(Some(hop), |rest| rest.strip_suffix('"'))?,
    )
}

/// Splits where a separator stands outside of quotes; `None` when quotes do not end.
fn split(text: &str, separator: char) -> Option<Vec<&str>> {
    let (mut parts, mut begun, mut quoted, mut escaped) = (Vec::new(), 0, false, false);
    for (at, letter) in text.char_indices() {
        match letter {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ if letter == separator && !quoted => {
                parts.push(&text[begun..at]);
                begun = at + letter.len_utf8();
            }
            _ => {}
        }
    }
    parts.push(&text[begun..]);
    (!quoted).then_some(parts)
}

/// An address, with or without a port; an IPv6 address with a port is in brackets.
fn node(text: &str) -> Option<IpAddr> {
    let address = text.parse::<IpAddr>().ok();
    let address = address.or_else(|| text.parse::<SocketAddr>().ok().map(|it| it.ip()));
    let address = address.or_else(|| text.strip_prefix('[')?.strip_suffix(']')?.parse().ok());
    address.map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;
    use service_runtime::settings::Values;

    use super::*;
    use crate::config::Config;

    const PROXY: &str = "10.0.0.1";
    const PERSON: &str = "203.0.113.7";

    fn proxies() -> TrustedProxies {
        let values = Values::default().with("TRUSTED_PROXIES", "10.0.0.0/8, 2001:db8:f::/48");
        Config::from_values(&values).unwrap().trusted_proxies
    }

    fn from(peer: &str, lines: &[(&HeaderName, &[u8])]) -> String {
        let mut headers = HeaderMap::new();
        for (name, line) in lines {
            headers.append(*name, HeaderValue::from_bytes(line).unwrap());
        }
        client(peer.parse().unwrap(), &headers, &proxies()).to_string()
    }

    #[test]
    fn a_neighbour_who_passes_on_requests_is_noticed() {
        let (mut passed_on, own) = (HeaderMap::new(), HeaderMap::new());
        passed_on.insert(X_FORWARDED_FOR, HeaderValue::from_static(PERSON));
        for near in [
            "127.0.0.1",
            "::1",
            PROXY,
            "192.168.1.1",
            "fd00::1",
            "::ffff:10.0.0.1",
        ] {
            let near = near.parse().unwrap();
            assert!(may_be_a_proxy(near, &passed_on), "{near}");
            assert!(!may_be_a_proxy(near, &own), "{near}");
        }
        // Anybody may send such a header.
        for far in [PERSON, "2001:db8::1"] {
            assert!(!may_be_a_proxy(far.parse().unwrap(), &passed_on), "{far}");
        }
    }

    #[test]
    fn addresses_are_read_as_proxies_write_them() {
        for (line, client) in [
            ("203.0.113.7", PERSON),
            ("203.0.113.7:4711", PERSON),
            ("::ffff:203.0.113.7", PERSON),
            ("2001:db8::1", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("[2001:db8::1]:4711", "2001:db8::1"),
            ("192.0.2.9, 203.0.113.7 ,10.2.3.4", PERSON),
            ("10.9.9.9, 10.2.3.4", "10.9.9.9"),
        ] {
            assert_eq!(
                from(PROXY, &[(&X_FORWARDED_FOR, line.as_bytes())]),
                client,
                "{line}"
            );
        }
        for (line, client) in [
            ("for=203.0.113.7", PERSON),
            ("For=\"203.0.113.7:4711\";proto=http;by=10.0.0.1", PERSON),
            ("by=\"a,b;for=192.0.2.1\"; for=203.0.113.7", PERSON),
            ("for=\"[2001:db8::1]:4711\"", "2001:db8::1"),
            ("for=192.0.2.9, for=203.0.113.7, for=10.2.3.4", PERSON),
        ] {
            assert_eq!(from(PROXY, &[(&FORWARDED, line.as_bytes())]), client, "{line}");
        }
        let lines: [(_, &[u8]); 2] = [
            (&X_FORWARDED_FOR, b"192.0.2.9"),
            (&X_FORWARDED_FOR, b"203.0.113.7"),
        ];
        assert_eq!(from("2001:db8:f::1", &lines), PERSON, "lines follow each other");
    }

    #[test]
    fn what_cannot_be_read_ends_at_who_passed_it_on() {
        for line in [
            "",
            "unknown",
            "203.0.113.7x",
            "203.0.113",
            "203.0.113.7, ",
            "[::1",
            "203.0.113.7:99999",
            "person.example",
        ] {
            assert_eq!(
                from(PROXY, &[(&X_FORWARDED_FOR, line.as_bytes())]),
                PROXY,
                "{line}"
            );
        }
        assert_eq!(
            from(PROXY, &[(&X_FORWARDED_FOR, b"203.0.113.7, _x, 10.2.3.4")]),
            "10.2.3.4"
        );
        assert_eq!(from(PROXY, &[(&X_FORWARDED_FOR, b"\xff203.0.113.7")]), PROXY);
        for line in [
            "for=unknown",
            "for=_hidden",
            "203.0.113.7",
            "for=\"203.0.113.7",
            "for=203.0.113.7;for=192.0.2.1",
            "by=203.0.113.7",
            "\"x, for=203.0.113.7",
        ] {
            assert_eq!(from(PROXY, &[(&FORWARDED, line.as_bytes())]), PROXY, "{line}");
        }
    }

    #[test]
    fn a_header_that_the_proxy_did_not_write_names_nobody() {
        let spoofed: [(_, &[u8]); 2] = [(&X_FORWARDED_FOR, b"203.0.113.7"), (&FORWARDED, b"for=192.0.2.1")];
        assert_eq!(from(PROXY, &spoofed), PROXY);
        let agreed: [(_, &[u8]); 2] = [
            (&X_FORWARDED_FOR, b"203.0.113.7"),
            (&FORWARDED, b"for=203.0.113.7"),
        ];
        assert_eq!(from(PROXY, &agreed), PERSON);
    }

    /// What a client may send: mostly what looks like the real thing.
    fn anything() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            Just("for=".to_owned()),
            Just("192.0.2.1".to_owned()),
            Just("10.1.1.1".to_owned()),
            "[,;=\"\\\\ \\[\\]:]{1,3}",
            "[ -~]{0,12}",
        ];
        proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat().into_bytes())
    }

    proptest! {
        #[test]
        fn a_stranger_is_where_they_connect_from(one in anything(), other in anything()) {
            let lines: [(_, &[u8]); 2] = [(&X_FORWARDED_FOR, &one), (&FORWARDED, &other)];
            prop_assert_eq!(from(PERSON, &lines), PERSON);
        }

        #[test]
        fn no_spoof_wins_against_what_proxies_add(spoof in anything(), own_line in any::<bool>(), through in 0..3_usize) {
            let added = [PERSON, ", 10.7.7.7", ", 10.8.8.8"][..=through].concat();
            let joined = [&spoof[..], b", ", added.as_bytes()].concat();
            let lines: [(_, &[u8]); 2] = [(&X_FORWARDED_FOR, &spoof), (&X_FORWARDED_FOR, added.as_bytes())];
            let joined: [(_, &[u8]); 1] = [(&X_FORWARDED_FOR, &joined)];
            let told = if own_line { from(PROXY, &lines) } else { from(PROXY, &joined) };
            prop_assert_eq!(told, PERSON);
        }

        #[test]
        fn no_spoof_wins_in_forwarded_either(spoof in anything(), own_line in any::<bool>()) {
            let added = b"for=203.0.113.7;proto=https";
            let joined = [&spoof[..], b", ", added].concat();
            let lines: [(_, &[u8]); 2] = [(&FORWARDED, &spoof), (&FORWARDED, added)];
            let joined: [(_, &[u8]); 1] = [(&FORWARDED, &joined)];
            if own_line {
                prop_assert_eq!(from(PROXY, &lines), PERSON);
            } else {
                // Quotes that the spoof opened may swallow it; then the proxy is who calls.
                let told = from(PROXY, &joined);
                prop_assert!(told == PERSON || told == PROXY, "{}", told);
            }
        }

        #[test]
        fn a_foreign_header_beside_it_names_nobody_else(spoof in anything()) {
            let lines: [(_, &[u8]); 2] = [(&X_FORWARDED_FOR, PERSON.as_bytes()), (&FORWARDED, &spoof)];
            let told = from(PROXY, &lines);
            prop_assert!(told == PERSON || told == PROXY, "{}", told);
        }
    }
}
