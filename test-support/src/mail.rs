//! Reading a received mail the way its reader does: its subject, its text and the link in it.
//!
//! Every function takes the raw message: an [`crate::smtp::Message`], or the bytes of an `.eml` file.

use mail_parser::{Message, MessageParser};

/// The subject, decoded. `None`: there is none, or the message is not a mail.
#[must_use]
pub fn subject(message: impl AsRef<[u8]>) -> Option<String> {
    parse(message.as_ref())?.subject().map(str::to_owned)
}

/// The `Message-ID` up to the `@`, by which copies of one mail are known. `None`: there is none, or the message is not
/// a mail.
#[must_use]
pub fn id(message: impl AsRef<[u8]>) -> Option<String> {
    let message = parse(message.as_ref())?;
    let (id, _host) = message.message_id()?.split_once('@')?;
    Some(id.to_owned())
}

/// The text part, decoded from its transfer encoding. `None`: there is none, or the message is not a mail.
#[must_use]
pub fn text(message: impl AsRef<[u8]>) -> Option<String> {
    Some(parse(message.as_ref())?.body_text(0)?.into_owned())
}

/// The HTML part, decoded from its transfer encoding. `None`: there is none, or the message is not a mail.
#[must_use]
pub fn html(message: impl AsRef<[u8]>) -> Option<String> {
    Some(parse(message.as_ref())?.body_html(0)?.into_owned())
}

/// The first link in the text that carries a token, whole: `https://…/verify-email?token=…`.
#[must_use]
pub fn link(message: impl AsRef<[u8]>) -> Option<String> {
    let text = text(message)?;
    let is_outside_of_link = |c: char| c.is_whitespace() || "<>\"'()[]".contains(c);
    text.split(is_outside_of_link)
        .find(|word| word.starts_with("http") && word.contains("?token="))
        .map(|word| word.trim_end_matches(['.', ',', ';', ':']).to_owned())
}

/// The token of [`link`], as it stands in the URL.
#[must_use]
pub fn token(message: impl AsRef<[u8]>) -> Option<String> {
    let link = link(message)?;
    let (_, query) = link.split_once("?token=")?;
    query.split(['&', '#']).next().map(str::to_owned)
}

fn parse(message: &[u8]) -> Option<Message<'_>> {
    MessageParser::default().parse(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUOTED_PRINTABLE: &str = "Subject: =?utf-8?B?0J/RgNC40LLQtdGC?=\r\n\
        Content-Type: text/plain; charset=utf-8\r\n\
        Content-Transfer-Encoding: quoted-printable\r\n\r\n\
        Open <http://localhost:8080/verify-email?token=3Dab_c-d=\r\n\
        ef&from=3Dmail> within 15 minutes.\r\n";

    #[test]
    fn a_link_is_found_through_the_transfer_encoding() {
        let found = link(QUOTED_PRINTABLE).unwrap();
        assert_eq!(
            found,
            "http://localhost:8080/verify-email?token=ab_c-def&from=mail"
        );
        assert_eq!(token(QUOTED_PRINTABLE).unwrap(), "ab_c-def");
        assert_eq!(subject(QUOTED_PRINTABLE).unwrap(), "Привет");
    }

    #[test]
    fn a_mail_without_a_token_has_no_link() {
        assert_eq!(link("Subject: x\r\n\r\nSee http://localhost/help.\r\n"), None);
    }
}
