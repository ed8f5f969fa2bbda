//! Where a request comes from: the peer of its connection or, if that is a proxy of ours, whom it says that it speaks
//! for. It says so in one header, the other one may be anybody's. Read from the right, because each proxy adds to the
//! end: the first address that is no proxy of ours is the client's. What is left of it anybody may have written, and
//! nothing there changes how the right is read; what cannot be read ends the way at the proxy that passed it on.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Once,
};

use http::HeaderMap;

use crate::config::{ProxyHeader, TrustedProxies};

/// Said once that there may be a proxy which nobody named.
static NOT_NAMED: Once = Once::new();

/// The address of the client of a request that came from `peer`.
pub fn client(peer: IpAddr, headers: &HeaderMap, proxies: &TrustedProxies) -> IpAddr {
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
    let hops = match proxies.header() {
        ProxyHeader::XForwardedFor => x_forwarded_for,
        ProxyHeader::Forwarded => forwarded,
    };
    let mut at = peer;
    for line in headers.get_all(proxies.header().name()).iter().rev() {
        // What is no text stays what cannot be read, and is not all of the line: a proxy may have added to it.
        for hop in hops(&String::from_utf8_lossy(line.as_bytes())) {
            match hop {
                Some(hop) => at = hop,
                None => return at,
            }
            if !proxies.trust(at) {
                return at;
            }
        }
    }
    at
}

/// Whether a request looks as if it came through a proxy: from this site, with an address that a proxy passes on.
fn may_be_a_proxy(peer: IpAddr, headers: &HeaderMap) -> bool {
    let is_near = match peer.to_canonical() {
        IpAddr::V4(peer) => peer.is_private() || peer.is_loopback(),
        IpAddr::V6(peer) => peer.is_unique_local() || peer.is_loopback(),
    };
    is_near
        && ProxyHeader::ALL
            .iter()
            .any(|header| headers.contains_key(header.name()))
}

/// The hops in a line of `X-Forwarded-For`, from the right; `None` for one that cannot be read.
fn x_forwarded_for(line: &str) -> Vec<Option<IpAddr>> {
    line.rsplit(',').map(|hop| node(hop.trim())).collect()
}

/// The hops in a line of `Forwarded` (RFC 7239), likewise.
fn forwarded(line: &str) -> Vec<Option<IpAddr>> {
    let elements = rsplit(line, b',').into_iter();
    elements.map(|element| hop(element?)).collect()
}

/// The address in `for=…` of one element.
fn hop(element: &str) -> Option<IpAddr> {
    let pairs: Option<Vec<_>> = rsplit(element, b';').into_iter().collect();
    let mut hops = pairs?.into_iter().filter_map(|pair| {
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

/// Splits where a separator stands outside of quotes, from the right: quotes that a client left open do not hold what a
/// proxy added after them, and a separator in the quotes of a proxy, who may quote a client, is none. Last is `None` if
/// quotes do not begin.
fn rsplit(text: &str, separator: u8) -> Vec<Option<&str>> {
    let (mut parts, mut end, mut quoted) = (Vec::new(), text.len(), false);
    for (at, byte) in text.bytes().enumerate().rev() {
        let before = text.as_bytes()[..at].iter().rev();
        match byte {
            b'"' => quoted = !quoted || before.take_while(|byte| **byte == b'\\').count() % 2 == 1,
            _ if byte == separator && !quoted => {
                parts.push(Some(&text[at + 1..end]));
                end = at;
            }
            _ => {}
        }
    }
    parts.push((!quoted).then_some(&text[..end]));
    parts
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
    use http::{HeaderName, HeaderValue, header::FORWARDED};
    use proptest::prelude::*;
    use service_runtime::settings::Values;

    use super::*;
    use crate::config::Config;

    const X_FORWARDED_FOR: HeaderName = ProxyHeader::XForwardedFor.name();
    const PROXY: &str = "10.0.0.1";
    const PERSON: &str = "203.0.113.7";

    /// The client where proxies write this header.
    fn read(header: &HeaderName, peer: &str, lines: &[(&HeaderName, &[u8])]) -> String {
        let values = Values::default()
            .with("TRUSTED_PROXIES", "10.0.0.0/8, 2001:db8:f::/48")
            .with("TRUSTED_PROXY_HEADER", header.as_str());
        let proxies = Config::from_values(&values).unwrap().trusted_proxies;
        let mut headers = HeaderMap::new();
        for (name, line) in lines {
            headers.append(*name, HeaderValue::from_bytes(line).unwrap());
        }
        client(peer.parse().unwrap(), &headers, &proxies).to_string()
    }

    /// The client, told by a proxy in lines of this header alone.
    fn from(peer: &str, header: &HeaderName, lines: &[&[u8]]) -> String {
        let lines: Vec<_> = lines.iter().map(|line| (header, *line)).collect();
        read(header, peer, &lines)
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
                from(PROXY, &X_FORWARDED_FOR, &[line.as_bytes()]),
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
            assert_eq!(from(PROXY, &FORWARDED, &[line.as_bytes()]), client, "{line}");
        }
    }

    #[test]
    fn lines_follow_each_other() {
        let lines: [&[u8]; 3] = [b"192.0.2.9", b"192.0.2.8, 203.0.113.7", b"10.2.3.4"];
        assert_eq!(from("2001:db8:f::1", &X_FORWARDED_FOR, &lines), PERSON);
        let lines: [&[u8]; 3] = [
            b"for=192.0.2.9",
            b"by=\"x, for=203.0.113.7",
            b"for=10.2.3.4;proto=https",
        ];
        assert_eq!(from("2001:db8:f::1", &FORWARDED, &lines), PERSON);
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
            assert_eq!(from(PROXY, &X_FORWARDED_FOR, &[line.as_bytes()]), PROXY, "{line}");
        }
        let stopped: &[u8] = b"203.0.113.7, _x, 10.2.3.4";
        assert_eq!(from(PROXY, &X_FORWARDED_FOR, &[stopped]), "10.2.3.4");
        let in_between: [&[u8]; 3] = [b"203.0.113.7", b"", b"10.2.3.4"];
        assert_eq!(from(PROXY, &X_FORWARDED_FOR, &in_between), "10.2.3.4");
        assert_eq!(from(PROXY, &X_FORWARDED_FOR, &[b"\xff203.0.113.7"]), PROXY);
        for line in [
            "for=unknown",
            "for=_hidden",
            "203.0.113.7",
            "for=\"203.0.113.7",
            "for=203.0.113.7\"",
            "for=192.0.2.1, for=\"203.0.113.7",
            "for=203.0.113.7;for=192.0.2.1",
            "by=203.0.113.7",
            "for=203.0.113.7, ",
        ] {
            assert_eq!(from(PROXY, &FORWARDED, &[line.as_bytes()]), PROXY, "{line}");
        }
    }

    #[test]
    fn the_header_that_proxies_do_not_write_is_anybodys() {
        let xff: (_, &[u8]) = (&X_FORWARDED_FOR, b"203.0.113.7");
        let forwarded: (_, &[u8]) = (&FORWARDED, b"for=192.0.2.1");
        for lines in [[xff, forwarded], [forwarded, xff]] {
            assert_eq!(read(&X_FORWARDED_FOR, PROXY, &lines), PERSON);
            assert_eq!(read(&FORWARDED, PROXY, &lines), "192.0.2.1");
        }
        assert_eq!(read(&X_FORWARDED_FOR, PROXY, &[forwarded]), PROXY);
        assert_eq!(read(&FORWARDED, PROXY, &[xff]), PROXY);
    }

    #[test]
    fn nothing_that_stands_before_swallows_what_a_proxy_added() {
        for spoof in [
            "\"",
            "for=\"",
            "for=192.0.2.1;by=\"a\\",
            "\\",
            ",",
            "\"\\\"",
            "for=\"x, y",
        ] {
            for spoof in [spoof.as_bytes(), &[spoof.as_bytes(), b"\xff\xc3"].concat()] {
                let line = [spoof, b",for=203.0.113.7"].concat();
                assert_eq!(from(PROXY, &FORWARDED, &[&line]), PERSON, "{spoof:?}");
                let line = [spoof, b", 203.0.113.7"].concat();
                assert_eq!(from(PROXY, &X_FORWARDED_FOR, &[&line]), PERSON, "{spoof:?}");
            }
        }
    }

    #[test]
    fn what_a_proxy_quotes_of_a_client_is_no_hop() {
        for host in [
            "a, for=192.0.2.1",
            "a;for=192.0.2.1",
            "a\", for=192.0.2.1;by=\"b",
            "\\\", for=192.0.2.1;by=\\\"",
            "\\",
        ] {
            let line = format!("for=203.0.113.7;host={};proto=https", quoted(host));
            assert_eq!(from(PROXY, &FORWARDED, &[line.as_bytes()]), PERSON, "{line}");
        }
    }

    /// A text of a client as a proxy quotes it.
    fn quoted(text: &str) -> String {
        format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
    }

    /// What a client may send: mostly what looks like the real thing.
    fn anything() -> impl Strategy<Value = Vec<u8>> {
        let text = |text: &str| Just(text.as_bytes().to_vec());
        let piece = prop_oneof![
            text("for="),
            text("192.0.2.1"),
            text("10.1.1.1"),
            "[,;=\"\\\\ \\[\\]:]{1,3}".prop_map(String::into_bytes),
            "[ -~]{0,12}".prop_map(String::into_bytes),
            proptest::collection::vec(0x80_u8.., 1..3),
        ];
        proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
    }

    /// What arrives when a proxy adds to what a client sent: to its line, or a line of its own.
    fn arrives(spoof: &[u8], added: &str, own_line: bool) -> Vec<Vec<u8>> {
        match own_line {
            true => vec![spoof.to_vec(), added.into()],
            false => vec![[spoof, b", ", added.as_bytes()].concat()],
        }
    }

    proptest! {
        #[test]
        fn a_stranger_is_where_they_connect_from(one in anything(), other in anything()) {
            let lines: [(_, &[u8]); 2] = [(&X_FORWARDED_FOR, &one), (&FORWARDED, &other)];
            for header in [&X_FORWARDED_FOR, &FORWARDED] {
                prop_assert_eq!(read(header, PERSON, &lines), PERSON);
            }
        }

        #[test]
        fn no_spoof_wins_against_what_proxies_add(spoof in anything(), own_line in any::<bool>(), through in 0..3_usize) {
            let added = [PERSON, ", 10.7.7.7", ", 10.8.8.8"][..=through].concat();
            let lines = arrives(&spoof, &added, own_line);
            let lines: Vec<&[u8]> = lines.iter().map(Vec::as_slice).collect();
            prop_assert_eq!(from(PROXY, &X_FORWARDED_FOR, &lines), PERSON);
        }

        #[test]
        fn no_spoof_wins_in_forwarded_either(spoof in anything(), own_line in any::<bool>(), host in "[,;=\"\\\\ for192.]{0,16}") {
            let added = format!("for=203.0.113.7;host={};proto=https, for=10.7.7.7", quoted(&host));
            let lines = arrives(&spoof, &added, own_line);
            let lines: Vec<&[u8]> = lines.iter().map(Vec::as_slice).collect();
            prop_assert_eq!(from(PROXY, &FORWARDED, &lines), PERSON);
        }

        #[test]
        fn a_foreign_header_beside_it_says_nothing(spoof in anything()) {
            let lines: [(_, &[u8]); 2] = [(&X_FORWARDED_FOR, PERSON.as_bytes()), (&FORWARDED, &spoof)];
            prop_assert_eq!(read(&X_FORWARDED_FOR, PROXY, &lines), PERSON);
            let lines: [(_, &[u8]); 2] = [(&X_FORWARDED_FOR, &spoof), (&FORWARDED, b"for=203.0.113.7")];
            prop_assert_eq!(read(&FORWARDED, PROXY, &lines), PERSON);
        }
    }
}
