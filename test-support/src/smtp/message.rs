//! What a mail server keeps of those who talked to it.

/// One received mail: the envelope it came in, and the mail itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The address in `MAIL FROM`; empty for a bounce.
    pub envelope_from: String,
    /// The addresses in the accepted `RCPT TO`s, in order.
    pub recipients: Vec<String>,
    /// The mail, headers and all, as it was before dots were stuffed into it. Lines end with CRLF.
    pub data: Vec<u8>,
    /// Whether it came over TLS.
    pub encrypted: bool,
    /// The user name that its sender had logged in with.
    pub login: Option<String>,
}

impl Message {
    /// Whether it was sent to this address, compared without case.
    #[must_use]
    pub fn is_to(&self, address: &str) -> bool {
        self.recipients
            .iter()
            .any(|recipient| recipient.eq_ignore_ascii_case(address))
    }
}

impl AsRef<[u8]> for Message {
    fn as_ref(&self) -> &[u8] {
        &self.data
    }
}

/// One attempt to log in, right or wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// The mechanism: `PLAIN` or `LOGIN`.
    pub mechanism: String,
    /// The user name given.
    pub username: String,
    /// The password given.
    pub password: String,
    /// Whether the connection was encrypted when these were sent.
    pub encrypted: bool,
    /// Whether the server took them.
    pub accepted: bool,
}
