//! Addresses that a mail holds: its link, the site, and the host after which its `Message-ID` is named.

use service_runtime::secret::Secret;

use crate::model::mail_token::Purpose;

/// The public address of the site, without a slash at its end.
#[derive(Debug, Clone)]
pub(super) struct Site(String);

impl Site {
    pub(super) fn new(base_url: &str) -> Self {
        Self(base_url.trim_end_matches('/').to_owned())
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// The page that a mail link opens. Opening it changes nothing; its button does. A token is made of
    /// letters, digits, `-` and `_`, so it stands in a URL as it is.
    pub(super) fn link(&self, purpose: Purpose, token: &Secret<String>) -> String {
        let page = match purpose {
            Purpose::VerifyEmail => "verify-email",
            Purpose::ResetPassword => "reset-password",
            Purpose::ConfirmUsername => "confirm-username",
        };
        format!("{}/{page}?token={}", self.0, token.expose())
    }

    /// The host name; `localhost` where there is none that can stand in a header.
    pub(super) fn host(&self) -> &str {
        let after_scheme = self.0.split_once("://").map_or(self.0.as_str(), |(_, rest)| rest);
        let authority = after_scheme.split(['/', '?', '#']).next().unwrap_or_default();
        let host_and_port = authority.rsplit('@').next().unwrap_or_default();
        let host = host_and_port.split(':').next().unwrap_or_default();
        let is_name = |host: &str| {
            !host.is_empty()
                && host
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte))
        };
        if is_name(host) { host } else { "localhost" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_opens_the_page_of_its_purpose() {
        let site = Site::new("https://edu.example.org/school/");
        let link = site.link(Purpose::ResetPassword, &Secret::new("oem_a-_b".to_owned()));
        assert_eq!(
            link,
            "https://edu.example.org/school/reset-password?token=oem_a-_b"
        );
    }

    #[test]
    fn the_host_is_always_one_that_can_stand_in_a_header() {
        for (url, host) in [
            ("https://edu.example.org", "edu.example.org"),
            ("http://localhost:8080/x@y", "localhost"),
            ("https://user:pass@edu.example.org:8443/?a", "edu.example.org"),
            ("http://[::1]:8080", "localhost"),
            ("https://a>\r\nBcc: b", "localhost"),
            ("", "localhost"),
        ] {
            assert_eq!(Site::new(url).host(), host, "{url:?}");
        }
    }
}
