//! Where another service is: `http://host` or `http://host:port`, or either with `https`, and nothing more; or
//! several of those.

use std::{fmt, net::Ipv6Addr, str::FromStr};

use http::{
    Uri,
    uri::{Authority, Scheme},
};
use tokio_rustls::rustls::pki_types::ServerName;

use crate::{
    settings::Reader,
    tls::{Connector, Tls},
};

/// The address of a service, such as `http://auth-service:50051`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    scheme: Scheme,
    authority: Authority,
    port: u16,
}

/// An address that cannot be called.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadAddress {
    /// It is no `http://host:port`.
    #[error("{0:?} is not an address such as http://auth-service:50051")]
    NoAddress(String),
    /// It begins with `https://`, and nothing tells whom to trust.
    #[error("{0:?} cannot be called without TLS_CA, which says whom to trust")]
    NoAuthority(String),
    /// It begins with `http://`, and services are to be told by their certificates.
    #[error("{0:?} must begin with https://, since TLS_CA is set")]
    InTheClear(String),
}

impl Address {
    /// The host: a name, or an IP address without brackets.
    pub fn host(&self) -> &str {
        self.authority.host().trim_matches(['[', ']'])
    }

    /// The port.
    pub const fn port(&self) -> u16 {
        self.port
    }

    pub(super) const fn scheme(&self) -> &Scheme {
        &self.scheme
    }

    pub(super) const fn authority(&self) -> &Authority {
        &self.authority
    }
}

impl FromStr for Address {
    type Err = BadAddress;

    /// Reads an address; a slash at its end does not count.
    fn from_str(text: &str) -> Result<Self, BadAddress> {
        read(text).ok_or_else(|| BadAddress::NoAddress(text.to_owned()))
    }
}

/// Where one service is, at one address or at several that serve the same, and how to tell over TLS that it is the
/// one.
#[derive(Debug, Clone)]
pub struct Upstream {
    first: Address,
    others: Vec<Address>,
    tls: Option<Connector>,
}

impl Upstream {
    /// Reads addresses that are separated by commas, all of them `http://`, or all of them `https://` if there is an
    /// authority that tells who answers there.
    ///
    /// # Errors
    /// [`BadAddress`].
    pub fn read(text: &str, tls: &Tls) -> Result<Self, BadAddress> {
        let tls = tls.for_calls();
        let mut addresses = text.split(',').map(|text| {
            let address: Address = text.trim().parse()?;
            match (&tls, address.scheme() == &Scheme::HTTPS) {
                (Some(_), false) => Err(BadAddress::InTheClear(text.to_owned())),
                (None, true) => Err(BadAddress::NoAuthority(text.to_owned())),
                _ => Ok(address),
            }
        });
        let first = addresses
            .next()
            .unwrap_or_else(|| Err(BadAddress::NoAddress(text.to_owned())))?;
        let others = addresses.collect::<Result<_, _>>()?;
        Ok(Self { first, others, tls })
    }

    /// Reads the setting that says where a service is. `None` means that a fault was noted, there or in `tls`.
    pub fn of_setting(reader: &mut Reader<'_>, name: &str, tls: Option<&Tls>) -> Option<Self> {
        reader.read(name, |text| match tls {
            Some(tls) => Self::read(text, tls).map(Some).map_err(|bad| bad.to_string()),
            // Nobody knows yet how it should begin.
            None => Ok(None),
        })?
    }

    /// The one by which requests call the service.
    pub(super) const fn first(&self) -> &Address {
        &self.first
    }

    /// All of them.
    pub(super) fn addresses(&self) -> impl Iterator<Item = &Address> {
        std::iter::once(&self.first).chain(&self.others)
    }

    pub(super) const fn tls(&self) -> Option<&Connector> {
        self.tls.as_ref()
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
    let scheme = parts.scheme?;
    let port = match authority.as_str().strip_prefix(host)? {
        "" if scheme == Scheme::HTTPS => 443,
        "" => 80,
        rest => port(rest.strip_prefix(':')?)?,
    };
    // Over TLS the host has to be one that a certificate can name.
    let is_callable = match scheme.as_str() {
        "http" => true,
        "https" => ServerName::try_from(host.trim_matches(['[', ']'])).is_ok(),
        _ => false,
    };
    (is_host && is_callable).then_some(Address {
        scheme,
        authority,
        port,
    })
}

/// A port that can be connected to.
fn port(digits: &str) -> Option<u16> {
    // A parser of numbers would take a sign too.
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|port| plain && *port != 0)
}

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}://{}", self.scheme, self.authority)
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
            ("https://auth-service", "auth-service", 443),
            ("https://[::1]:1", "::1", 1),
        ] {
            let address: Address = text.parse().unwrap();
            assert_eq!((address.host(), address.port()), (host, port), "{text}");
            assert_eq!(address.to_string(), text.trim_end_matches('/'));
        }
    }

    #[test]
    fn a_service_may_have_several_addresses() {
        let shown = |text: &str| {
            let upstream = Upstream::read(text, &Tls::default())?;
            Ok::<Vec<String>, BadAddress>(upstream.addresses().map(Address::to_string).collect())
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
            "https://au^th",
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
            assert_eq!(
                text.parse::<Address>(),
                Err(BadAddress::NoAddress(text.to_owned()))
            );
        }
    }
}
