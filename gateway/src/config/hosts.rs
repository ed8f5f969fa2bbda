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

/// A pattern, in lower case. One that no host can match is a mistake, not a rule.
fn pattern(text: &str) -> Result<String, String> {
    let pattern = text.to_ascii_lowercase();
    let bare = pattern.strip_prefix('.').unwrap_or(&pattern);
    let is_address = bare.starts_with('[') && bare.ends_with(']');
    let matches_itself = name(bare).as_deref() == Some(bare) && !bare.split('.').any(str::is_empty);
    if pattern == "*" || (matches_itself && is_address == bare.contains(['[', ']', ':'])) {
        return Ok(pattern);
    }
    Err(format!(
        "{text:?} is no host name such as edu.example.com, .example.com for its subdomains too, or [::1]: \
         no scheme, no port, no dot at the end"
    ))
}

pub(super) fn read(reader: &mut Reader<'_>, environment: Environment) -> Option<AllowedHosts> {
    let given = reader.read_optional("ALLOWED_HOSTS", |text| {
        let patterns = list(text)?;
        patterns
            .iter()
            .map(|one| pattern(one))
            .collect::<Result<Vec<_>, _>>()
    })?;
    match given {
        Some(patterns) if !patterns.is_empty() => Some(AllowedHosts(patterns)),
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
    fn a_pattern_that_nothing_can_match_is_told() {
        for good in [
            "*",
            "edu.example.com",
            ".Example.com",
            "127.0.0.1",
            "[::1]",
            "edu_1",
        ] {
            assert_eq!(pattern(good), Ok(good.to_ascii_lowercase()));
        }
        for bad in [
            "edu.example.com:8080",
            "https://edu.example.com",
            "edu.example.com/",
            "edu.example.com.",
            "*.example.com",
            "..example.com",
            "edu..example.com",
            ".",
            "::1",
            "2001:db8::1",
            "[::1]:80",
            "[::1",
            "user@edu.example.com",
            "b\u{fc}cher.example",
            "edu example",
        ] {
            let told = pattern(bad).unwrap_err();
            assert!(told.starts_with(&format!("{bad:?} is no host name")), "{told}");
        }
    }

    #[test]
    fn a_star_allows_every_sound_name() {
        assert!(hosts(&["*"]).allow("anything.test"));
        assert!(!hosts(&["*"]).allow("not sound"));
    }
}
