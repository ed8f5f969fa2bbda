//! The origins whose pages may call the gateway from a browser.

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

/// An origin as browsers write it: `https://example.com`, no path.
fn origin(text: &str) -> Result<HeaderValue, String> {
    let sound = text.parse::<Uri>().is_ok_and(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https"))
            && uri.host().is_some_and(|host| !host.is_empty())
            && text.matches('/').count() == 2
    });
    HeaderValue::from_str(text)
        .ok()
        .filter(|_| sound)
        .ok_or_else(|| format!("{text:?} is not an origin such as https://example.com"))
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
        assert!(origin("http://localhost:3000").is_ok());
        for bad in [
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
