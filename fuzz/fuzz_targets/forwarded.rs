//! Addresses of clients: what proxies tell is what another reader reads, and whatever a client sends, whom our proxy
//! appends to its header is who calls.

#![no_main]

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::LazyLock,
};

use arbitrary::Arbitrary;
use gateway::{
    config::{Config, ProxyHeader, TrustedProxies},
    edge::forwarded::client,
};
use http::{HeaderMap, HeaderValue};
use libfuzzer_sys::fuzz_target;
use service_runtime::settings::Values;

const PROXY: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
const STRANGER: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 7));

static PROXIES: LazyLock<[TrustedProxies; 2]> = LazyLock::new(|| {
    ["X-Forwarded-For", "Forwarded"].map(|header| {
        let values = Values::default()
            .with("TRUSTED_PROXIES", "10.0.0.0/8")
            .with("TRUSTED_PROXY_HEADER", header);
        Config::from_values(&values).unwrap().trusted_proxies
    })
});

#[derive(Debug, Arbitrary)]
struct Sent<'a> {
    /// What a client sends in the header that the proxy writes, and in the other one.
    lines: Vec<&'a [u8]>,
    other: &'a [u8],
    /// Whom the proxy appends.
    client: Client,
    port: Option<u16>,
    /// Whether it does so in a line of its own.
    own_line: bool,
    /// What it quotes of the client.
    host: &'a str,
}

#[derive(Debug, Arbitrary)]
enum Client {
    V4(u32),
    V6(u128),
}

fuzz_target!(|sent: Sent| {
    let [classic, standard] = &*PROXIES;
    check(&sent, ProxyHeader::XForwardedFor, classic);
    check(&sent, ProxyHeader::Forwarded, standard);
});

fn check(sent: &Sent, header: ProxyHeader, proxies: &TrustedProxies) {
    let of_client = sent.lines.iter().take(4).map(|line| line.to_vec());
    let mut lines: Vec<_> = of_client
        .filter(|line| HeaderValue::from_bytes(line).is_ok())
        .collect();
    let other = HeaderValue::from_bytes(sent.other).ok();
    let ask = |peer, lines: &[Vec<u8>]| {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header.name(), HeaderValue::from_bytes(line).unwrap());
        }
        for name in ProxyHeader::ALL.map(ProxyHeader::name) {
            if name != header.name() {
                headers.extend(other.clone().map(|value| (name, value)));
            }
        }
        client(peer, &headers, proxies)
    };
    assert_eq!(ask(STRANGER, &lines), STRANGER);
    assert_eq!(ask(PROXY, &lines), expected(header, &lines), "{lines:?}");

    let (element, appended) = element(sent, header);
    match lines.last_mut() {
        Some(line) if !sent.own_line => line.extend_from_slice(format!(", {element}").as_bytes()),
        _ => lines.push(element.into_bytes()),
    }
    let told = ask(PROXY, &lines);
    match is_proxy(appended) {
        true => assert_eq!(told, expected(header, &lines), "{lines:?}"),
        false => assert_eq!(told, appended, "{lines:?}"),
    }
}

/// What a proxy appends for this client, and how the client is known by it.
fn element(sent: &Sent, header: ProxyHeader) -> (String, IpAddr) {
    let address: IpAddr = match sent.client {
        Client::V4(bits) => Ipv4Addr::from_bits(bits).into(),
        Client::V6(bits) => Ipv6Addr::from_bits(bits).into(),
    };
    let node = match (address, sent.port) {
        (IpAddr::V4(address), Some(port)) => format!("{address}:{port}"),
        (IpAddr::V6(address), Some(port)) => format!("[{address}]:{port}"),
        (IpAddr::V6(address), None) if header == ProxyHeader::Forwarded => format!("[{address}]"),
        _ => address.to_string(),
    };
    let element = match header {
        ProxyHeader::XForwardedFor => node,
        ProxyHeader::Forwarded => {
            let host: String = sent
                .host
                .chars()
                .filter(|letter| matches!(letter, ' '..='~'))
                .collect();
            let host = host.replace('\\', r"\\").replace('"', "\\\"");
            format!("for=\"{node}\";host=\"{host}\";proto=https")
        }
    };
    (element, address.to_canonical())
}

fn is_proxy(address: IpAddr) -> bool {
    matches!(address, IpAddr::V4(address) if address.octets()[0] == 10)
}

/// Who calls, by looking for where each hop begins: behind a comma after which all quotes have a partner.
fn expected(header: ProxyHeader, lines: &[Vec<u8>]) -> IpAddr {
    let mut client = PROXY;
    for line in lines.iter().rev() {
        let line = String::from_utf8_lossy(line);
        let hops = match header {
            ProxyHeader::XForwardedFor => line.split(',').map(Some).collect(),
            ProxyHeader::Forwarded => split(&line, ','),
        };
        for hop in hops.into_iter().rev() {
            let address = hop.and_then(|hop| match header {
                ProxyHeader::XForwardedFor => address(hop.trim()),
                ProxyHeader::Forwarded => named(hop),
            });
            let Some(address) = address else { return client };
            client = address;
            if !is_proxy(client) {
                return client;
            }
        }
    }
    client
}

/// The parts between separators that stand in no quotes; the first is nothing if it has a quote without a partner.
fn split(text: &str, separator: char) -> Vec<Option<&str>> {
    let marks = text.match_indices(separator).map(|(at, _)| at);
    let marks: Vec<usize> = marks.filter(|at| have_partners(&text[at + 1..])).collect();
    let begins = std::iter::once(0).chain(marks.iter().map(|at| at + 1));
    let ends = marks.iter().copied().chain([text.len()]);
    let mut parts: Vec<_> = begins
        .zip(ends)
        .map(|(begin, end)| Some(&text[begin..end]))
        .collect();
    if !have_partners(text) {
        parts[0] = None;
    }
    parts
}

/// Whether every quote that closes, from the right, has one that opens; a quote behind an odd number of backslashes
/// opens nothing.
fn have_partners(mut text: &str) -> bool {
    while let Some(closes) = text.rfind('"') {
        text = &text[..closes];
        loop {
            let Some(opens) = text.rfind('"') else {
                return false;
            };
            text = &text[..opens];
            if (text.len() - text.trim_end_matches('\\').len()) % 2 == 0 {
                break;
            }
        }
    }
    true
}

/// The address in the one `for=` of an element.
fn named(element: &str) -> Option<IpAddr> {
    let mut nodes = Vec::new();
    for pair in split(element, ';') {
        let pair = pair?;
        let Some(equals) = pair.find('=') else { continue };
        if pair[..equals].trim().to_ascii_lowercase() == "for" {
            nodes.push(pair[equals + 1..].trim());
        }
    }
    let [node] = nodes[..] else { return None };
    match node.strip_prefix('"') {
        Some(quoted) => address(quoted.strip_suffix('"')?),
        None => address(node),
    }
}

/// `a`, `a:port`, `[a]` or `[a]:port`, where only an IPv6 address is in brackets.
fn address(node: &str) -> Option<IpAddr> {
    let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok();
    let address = match node.strip_prefix('[') {
        Some(node) => {
            let (address, port) = node.split_once(']')?;
            let is_sound = port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
            IpAddr::V6(is_sound.then(|| address.parse().ok())??)
        }
        None => match node.split_once(':') {
            Some((address, port)) if !port.contains(':') && !address.is_empty() => {
                IpAddr::V4(is_port(port).then(|| address.parse().ok())??)
            }
            _ => node.parse().ok()?,
        },
    };
    Some(address.to_canonical())
}
