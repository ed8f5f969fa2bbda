//! The network that a client is on: what of its address a household, a school or an attacker shares.

use std::net::IpAddr;

/// An IPv4 address, or the /64 of an IPv6 address, since whoever has one address of it has all of them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Network(Vec<u8>);

impl Network {
    /// The network of an address as text; `None` without one. This machine is nobody's network: what calls from
    /// here is a proxy or a person at the keyboard, and the address does not say which.
    pub fn of(address: &str) -> Option<Self> {
        let address = address.parse::<IpAddr>().ok()?.to_canonical();
        if address.is_loopback() || address.is_unspecified() {
            return None;
        }
        Some(Self(match address {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets()[..8].to_vec(),
        }))
    }

    /// The same bytes for the same network.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv4_address_and_an_ipv6_prefix_are_networks() {
        let same = |one, other| Network::of(one).unwrap() == Network::of(other).unwrap();
        assert!(same("203.0.113.7", "::ffff:203.0.113.7"));
        assert!(!same("203.0.113.7", "203.0.113.8"));
        assert!(same("2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff"));
        assert!(!same("2001:db8:1:2::1", "2001:db8:1:3::1"));
    }

    #[test]
    fn no_address_and_this_machine_are_no_network() {
        for address in [
            "",
            "unknown",
            "203.0.113.7:80",
            "127.0.0.1",
            "127.9.9.9",
            "::1",
            "::ffff:127.0.0.1",
            "::",
            "0.0.0.0",
        ] {
            assert_eq!(Network::of(address), None, "{address}");
        }
    }
}
