//! The proxies that are believed about whom they pass on.

use std::net::IpAddr;

use http::{HeaderName, header::FORWARDED};
use service_runtime::settings::{Reader, list};

/// Networks whose machines are our own proxies, and where they write whom they speak for. Nobody's, unless an operator
/// says so.
#[derive(Debug, Clone)]
pub struct TrustedProxies {
    blocks: Vec<Block>,
    header: ProxyHeader,
}

/// The header that our proxies write. Only who set them up knows which one it is: the other one they let pass, whoever
/// wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProxyHeader {
    /// `X-Forwarded-For`, which most proxies write.
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

/// A block of addresses: those whose first `length` bits are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Block {
    address: IpAddr,
    length: u8,
}

impl TrustedProxies {
    /// Whether this is one of them.
    pub fn trust(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.blocks.iter().any(|block| block.holds(address))
    }

    /// The one header in which they are believed.
    pub fn header(&self) -> ProxyHeader {
        self.header
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }
}

impl ProxyHeader {
    /// Both.
    pub const ALL: [Self; 2] = [Self::XForwardedFor, Self::Forwarded];

    /// What it is called.
    pub const fn name(self) -> HeaderName {
        match self {
            Self::XForwardedFor => HeaderName::from_static("x-forwarded-for"),
            Self::Forwarded => FORWARDED,
        }
    }

    fn parse(text: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter();
        let mut named = known.filter(|header| header.name().as_str().eq_ignore_ascii_case(text));
        named
            .next()
            .ok_or_else(|| format!("{text:?} is neither X-Forwarded-For nor Forwarded"))
    }
}

impl Block {
    fn holds(&self, address: IpAddr) -> bool {
        self.address.is_ipv4() == address.is_ipv4()
            && (bits(self.address) ^ bits(address)).leading_zeros() >= u32::from(self.length)
    }
}

/// The bits of an address from the left.
fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(address.to_bits()) << 96,
        IpAddr::V6(address) => address.to_bits(),
    }
}

/// Reads an address, or a block as `address/length`. One whose address says more than its length is a mistake.
fn block(text: &str) -> Result<Block, String> {
    let (address, length) = text
        .split_once('/')
        .map_or((text, None), |(address, length)| (address, Some(length)));
    let read = || {
        let address: IpAddr = address.parse().ok()?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let length = length.map_or(Some(longest), |length| length.parse().ok())?;
        let rest = bits(address).checked_shl(length.into()).unwrap_or(0);
        let is_plain = address.to_canonical() == address;
        (length <= longest && rest == 0 && is_plain).then_some(Block { address, length })
    };
    read().ok_or_else(|| {
        format!("{text:?} is no address or block such as 10.0.0.0/8, 192.0.2.1 or 2001:db8::/32")
    })
}

pub(super) fn read(reader: &mut Reader<'_>) -> Option<TrustedProxies> {
    let blocks = reader.read_optional("TRUSTED_PROXIES", |text| {
        list(text)?
            .iter()
            .map(|one| block(one))
            .collect::<Result<Vec<_>, _>>()
    });
    let header = reader.read("TRUSTED_PROXY_HEADER", ProxyHeader::parse);
    Some(TrustedProxies {
        blocks: blocks?.unwrap_or_default(),
        header: header?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(text: &str, address: &str) -> bool {
        block(text)
            .unwrap()
            .holds(address.parse::<IpAddr>().unwrap().to_canonical())
    }

    #[test]
    fn a_block_holds_what_begins_like_it() {
        assert!(holds("10.0.0.0/8", "10.255.0.1"));
        assert!(holds("10.0.0.0/8", "::ffff:10.1.2.3"));
        assert!(!holds("10.0.0.0/8", "11.0.0.1"));
        assert!(holds("192.0.2.1", "192.0.2.1"));
        assert!(!holds("192.0.2.1", "192.0.2.2"));
        assert!(holds("2001:db8::/33", "2001:db8:7fff::1"));
        assert!(!holds("2001:db8::/33", "2001:db8:8000::1"));
        assert!(holds("0.0.0.0/0", "203.0.113.7"));
        assert!(!holds("0.0.0.0/0", "2001:db8::1"), "that is ::/0");
        assert!(holds("::/0", "2001:db8::1"));
    }

    #[test]
    fn a_header_is_named_as_proxies_name_it() {
        for (text, header) in [
            ("X-Forwarded-For", ProxyHeader::XForwardedFor),
            ("x-forwarded-for", ProxyHeader::XForwardedFor),
            ("Forwarded", ProxyHeader::Forwarded),
        ] {
            assert_eq!(ProxyHeader::parse(text), Ok(header));
        }
        for bad in ["X-Real-IP", "X-Forwarded-For, Forwarded", " Forwarded"] {
            assert!(ProxyHeader::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_no_block_is_told() {
        for bad in [
            "",
            "proxy",
            "10.0.0.0/33",
            "10.0.0.1/8",
            "10.0.0.0/",
            "10.0.0.0/-1",
            "::/129",
            "2001:db8::1/64",
            "::ffff:10.0.0.0/104",
        ] {
            assert!(block(bad).is_err(), "{bad}");
        }
    }
}
