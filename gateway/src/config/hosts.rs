//! The host names the gateway answers to. A request that names another one is refused, so that no link or
//! cache entry can be made under a foreign name.

use service_runtime::settings::{Environment, Reader, list};

/// Patterns of host names: exact ones, `.example.com` for a domain and its subdomains, `*` for all.
#[derive(Debug, Clone)]
pub struct AllowedHosts(Vec<String>);

impl AllowedHosts {
    /// Whether a `Host` header or authority names one of them. Its port does not count.
    pub fn allow(&self, host: &str) -> bool {
        let Some(name) = name(host) else {
            return false;
        };
        self.0.iter().any(|pattern| match pattern.strip_prefix('.') {
            _ if pattern == "*" => true,
            Some(domain) => {
                name == domain
                    || name
                        .strip_suffix(domain)
                        .is_some_and(|subdomain| subdomain.ends_with('.'))
            }
            None => name == *pattern,
        })
    }
}

/// The name in `name:port` or `[address]:port`, in lower case; `None` when it is neither.
fn name(host: &str) -> Option<String> {
    let end = match host.starts_with('[') {
        true => host.find(']')? + 1,
        false => host.find(':').unwrap_or(host.len()),
    };
    let (name, port) = host.split_at(end);
    let sound = |byte: u8| byte.is_ascii_alphanumeric() || b".-_[]:".contains(&byte);
    let port_is_sound = match port.strip_prefix(':') {
        Some(digits) => digits.bytes().all(|byte| byte.is_ascii_digit()),
        None => port.is_empty(),
    };
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    (!name.is_empty() && name.bytes().all(sound) && port_is_sound).then_some(name)
}

pub(super) fn read(reader: &mut Reader<'_>, environment: Environment) -> Option<AllowedHosts> {
    let given = reader.read_optional("ALLOWED_HOSTS", list)?;
    match given {
        Some(hosts) if !hosts.is_empty() => Some(AllowedHosts(
            hosts.iter().map(|host| host.to_ascii_lowercase()).collect(),
        )),
        _ if environment == Environment::Production => {
            reader.fault("ALLOWED_HOSTS", "must be set in production");
            None
        }
        _ => Some(AllowedHosts(
            ["localhost", "127.0.0.1", "[::1]"].map(str::to_owned).to_vec(),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(patterns: &[&str]) -> AllowedHosts {
        AllowedHosts(patterns.iter().map(|one| (*one).to_owned()).collect())
    }

    #[test]
    fn a_name_is_matched_without_port_and_case() {
        let hosts = hosts(&["example.com", "[::1]"]);
        for good in [
            "example.com",
            "EXAMPLE.com:8080",
            "example.com.",
            "[::1]",
            "[::1]:80",
        ] {
            assert!(hosts.allow(good), "{good}");
        }
        for bad in [
            "",
            ":80",
            "evil.com",
            "example.com.evil.com",
            "www.example.com",
            "example.com:x",
            "example.com@evil.com",
            "example.com/evil",
            "[::1",
            "[::1]x",
        ] {
            assert!(!hosts.allow(bad), "{bad}");
        }
    }

    #[test]
    fn a_domain_stands_for_its_subdomains() {
        let hosts = hosts(&[".example.com"]);
        assert!(hosts.allow("example.com"));
        assert!(hosts.allow("a.b.example.com"));
        assert!(!hosts.allow("notexample.com"));
    }

    #[test]
    fn a_star_allows_every_sound_name() {
        assert!(hosts(&["*"]).allow("anything.test"));
        assert!(!hosts(&["*"]).allow("not sound"));
    }
}
