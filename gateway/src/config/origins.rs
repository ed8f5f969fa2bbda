//! The origins whose pages may call the gateway from a browser.

use std::net::{Ipv4Addr, Ipv6Addr};

use http::{HeaderValue, Uri};
use service_runtime::settings::{Reader, list, switch};

/// Which origins, and whether their pages may send credentials.
#[derive(Debug, Clone)]
pub struct Origins {
    /// The origins; `None` means every one.
    pub allowed: Option<Vec<HeaderValue>>,
    /// Whether pages may send credentials.
    pub credentials: bool,
}

pub(super) fn read(reader: &mut Reader<'_>) -> Option<Origins> {
    let all = reader.read("CORS_ORIGIN_ALLOW_ALL", switch);
    let credentials = reader.read("CORS_ALLOW_CREDENTIALS", switch);
    let listed = reader.read("CORS_ALLOWED_ORIGINS", |text| {
        list(text)?
            .iter()
            .map(|one| origin(one))
            .collect::<Result<Vec<_>, _>>()
    });
    let (all, credentials, listed) = (all?, credentials?, listed?);
    if all && credentials {
        reader.fault(
            "CORS_ORIGIN_ALLOW_ALL",
            "and CORS_ALLOW_CREDENTIALS together would lend every site the rights of its visitors",
        );
        return None;
    }
    Some(Origins {
        allowed: (!all).then_some(listed),
        credentials,
    })
}

/// An origin exactly as browsers write it, since they are compared as text: `https://example.com`.
fn origin(text: &str) -> Result<HeaderValue, String> {
    HeaderValue::from_str(text)
        .ok()
        .filter(|_| serialised(text).as_deref() == Some(text))
        .ok_or_else(|| {
            format!(
                "{text:?} is not an origin as browsers write it, such as https://example.com: the host in \
                 lower case, no user, no path, the port only if it is not the usual one"
            )
        })
}

/// How a browser would write the origin of this address.
fn serialised(text: &str) -> Option<String> {
    let uri: Uri = text.parse().ok()?;
    let (scheme, usual_port) = match uri.scheme_str()? {
        "http" => ("http", 80),
        "https" => ("https", 443),
        _ => return None,
    };
    let host = uri.host()?.to_ascii_lowercase();
    let is_number = |label: &str| !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_digit());
    let host = match host.strip_prefix('[') {
        Some(rest) => format!("[{}]", rest.strip_suffix(']')?.parse::<Ipv6Addr>().ok()?),
        // A host that ends in a number is an address.
        None if host.rsplit('.').next().is_some_and(is_number) => host.parse::<Ipv4Addr>().ok()?.to_string(),
        None if host.is_empty() => return None,
        None => host,
    };
    match uri.port_u16() {
        Some(port) if port != usual_port => Some(format!("{scheme}://{host}:{port}")),
        _ => Some(format!("{scheme}://{host}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Values};

    #[test]
    fn every_origin_with_credentials_is_a_fault() {
        let values = Values::default()
            .with("CORS_ORIGIN_ALLOW_ALL", "true")
            .with("CORS_ALLOW_CREDENTIALS", "true");
        assert!(Config::from_values(&values).is_err());
    }

    #[test]
    fn an_origin_is_scheme_and_host() {
        for good in [
            "http://localhost:3000",
            "https://edu.example.com",
            "https://edu.example.com:80",
            "http://127.0.0.1:3000",
            "http://[::1]:3000",
        ] {
            assert_eq!(origin(good).unwrap(), good);
        }
        for bad in [
            "https://EDU.example.com",
            "HTTPS://edu.example.com",
            "https://edu.example.com:443",
            "http://edu.example.com:80",
            "http://edu.example.com:",
            "http://edu.example.com:080",
            "http://edu.example.com:65536",
            "https://user@edu.example.com",
            "https://edu.example.com?a",
            "https://edu.example.com#a",
            "https://b\u{fc}cher.example",
            "http://127.1",
            "http://[0::1]",
            "https://",
            "localhost",
            "https://example.com/",
            "https://example.com/x",
            "null",
            "*",
            "file://x",
        ] {
            assert!(origin(bad).is_err(), "{bad}");
        }
    }
}
