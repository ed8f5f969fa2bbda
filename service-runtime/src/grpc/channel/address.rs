//! Where another service is: `http://host` or `http://host:port`, and nothing more; or several of those.

use std::{fmt, net::Ipv6Addr, str::FromStr};

use http::{
    Uri,
    uri::{Authority, Scheme},
};

/// The port of an address that names none.
const DEFAULT_PORT: u16 = 80;

/// The address of a service, such as `http://auth-service:50051`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    authority: Authority,
    port: u16,
}

/// An address that is no `http://host:port`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an address such as http://auth-service:50051")]
pub struct BadAddress(pub(super) String);

impl Address {
    /// The host: a name, or an IP address without brackets.
    pub fn host(&self) -> &str {
        self.authority.host().trim_matches(['[', ']'])
    }

    /// The port.
    pub const fn port(&self) -> u16 {
        self.port
    }

    pub(super) const fn authority(&self) -> &Authority {
        &self.authority
    }
}

impl FromStr for Address {
    type Err = BadAddress;

    /// Reads an address; a slash at its end does not count.
    fn from_str(text: &str) -> Result<Self, BadAddress> {
        read(text).ok_or_else(|| BadAddress(text.to_owned()))
    }
}

/// Where one service is: at one address or at several, all of which serve the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addresses {
    first: Address,
    others: Vec<Address>,
}

impl Addresses {
    /// The one by which requests call the service.
    pub(super) const fn first(&self) -> &Address {
        &self.first
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Address> {
        std::iter::once(&self.first).chain(&self.others)
    }
}

impl FromStr for Addresses {
    type Err = BadAddress;

    /// Reads addresses that are separated by commas.
    fn from_str(text: &str) -> Result<Self, BadAddress> {
        let mut addresses = text.split(',').map(|address| address.trim().parse());
        let first = addresses
            .next()
            .unwrap_or_else(|| Err(BadAddress(text.to_owned())))?;
        Ok(Self {
            first,
            others: addresses.collect::<Result<_, _>>()?,
        })
    }
}

fn read(text: &str) -> Option<Address> {
    let parts = text.parse::<Uri>().ok()?.into_parts();
    let is_bare = parts.path_and_query.is_none_or(|path| path == "/");
    let authority = parts.authority.filter(|_| is_bare)?;
    let host = authority.host();
    // What is in brackets has to be one; the parser of URIs lets more pass.
    let is_host = match host.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']')?.parse::<Ipv6Addr>().is_ok(),
        None => !host.is_empty(),
    };
    let port = match authority.as_str().strip_prefix(host)? {
        "" => DEFAULT_PORT,
        rest => port(rest.strip_prefix(':')?)?,
    };
    (is_host && parts.scheme == Some(Scheme::HTTP)).then_some(Address { authority, port })
}

/// A port that can be connected to.
fn port(digits: &str) -> Option<u16> {
    // A parser of numbers would take a sign too.
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|port| plain && *port != 0)
}

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "http://{}", self.authority)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_host_and_perhaps_a_port() {
        for (text, host, port) in [
            ("http://auth-service:50051", "auth-service", 50051),
            ("http://auth_service", "auth_service", 80),
            ("http://127.0.0.1:1/", "127.0.0.1", 1),
            ("http://[::1]:65535", "::1", 65535),
        ] {
            let address: Address = text.parse().unwrap();
            assert_eq!((address.host(), address.port()), (host, port), "{text}");
            assert_eq!(address.to_string(), text.trim_end_matches('/'));
        }
    }

    #[test]
    fn a_service_may_have_several_addresses() {
        let shown = |text: &str| {
            let addresses: Addresses = text.parse()?;
            Ok::<Vec<String>, BadAddress>(addresses.iter().map(Address::to_string).collect())
        };
        assert_eq!(
            shown("http://a:1, http://b:2").unwrap(),
            ["http://a:1", "http://b:2"]
        );
        assert_eq!(shown("http://a:1").unwrap(), ["http://a:1"]);
        for bad in ["", ",", "http://a:1,", "http://a:1;http://b:2"] {
            assert!(shown(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn anything_else_is_told() {
        for text in [
            "",
            "auth:50051",
            "http://",
            "http:///",
            "http://:50051",
            "https://auth:50051",
            "ftp://auth",
            "http://auth:50051/v1",
            "http://auth:50051//",
            "http://auth:50051?a",
            "http://user@auth:50051",
            "http://auth:",
            "http://auth:0",
            "http://auth:+1",
            "http://auth:65536",
            "http://au th",
            "http://[::1",
            "http://[auth]:1",
            "http://::1:50051",
        ] {
            assert_eq!(text.parse::<Address>(), Err(BadAddress(text.to_owned())));
        }
    }
}
