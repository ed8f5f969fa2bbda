//! A queued mail as the message that goes out (RFC 5322): one recipient, text and HTML, and a `Message-ID` and
//! bytes that are the same at every attempt. Every header is made here; what a person typed can add none.

use std::{fmt, time::SystemTime};

use askama::Template;
use lettre::{
    Address,
    address::Envelope,
    message::{
        Mailbox, MultiPart, SinglePart,
        header::{HeaderName, HeaderValue},
    },
};
use service_runtime::secret::Secret;
use uuid::Uuid;

use super::{
    letter::{self, Html, Link, Text, Told},
    link::Site,
    validity,
};
use crate::model::{alarm::Alarm, mail::NewMail};

/// Whose name stands beside a sender's bare address.
const PRODUCT: &str = "Online Edu";
/// The characters that separate things in a header (RFC 5322 §3.2.3), but for the `.` and `@` of an address.
const SPECIALS: &[u8] = b"()<>[]:;,\\\"";
/// Tells out-of-office robots not to answer (RFC 3834).
const AUTO_SUBMITTED: HeaderName = HeaderName::new_from_ascii_str("Auto-Submitted");

/// A message as it goes out.
pub struct Message {
    /// The id of the queued mail.
    pub(super) id: Uuid,
    pub(super) envelope: Envelope,
    /// Holds a token, so nothing shows it.
    pub(super) bytes: Vec<u8>,
}

impl fmt::Debug for Message {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Message")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// A queued mail of which no message can be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unmailable {
    /// Its recipient is not a plain address.
    #[error("the recipient is not a plain e-mail address")]
    Recipient,
    /// It is of a kind that holds a link, and has no token or no end.
    #[error("a mail of this kind needs a token and an end of its validity")]
    Link,
    /// A template or a header could not be written.
    #[error("the message could not be written")]
    Writing,
}

/// Reads who mail is from: `Name <address>`, or an address alone, which then goes by the product's name.
///
/// # Errors
/// A sentence that says how it is written.
pub fn sender(text: &str) -> Result<Mailbox, String> {
    let mailbox = text.trim().parse::<Mailbox>().ok().filter(|mailbox| {
        let name = mailbox.name.as_deref().unwrap_or_default();
        mailbox.email.to_string().is_ascii() && !name.chars().any(char::is_control)
    });
    match mailbox {
        Some(Mailbox { name: None, email }) => Ok(Mailbox::new(Some(PRODUCT.to_owned()), email)),
        Some(named) => Ok(named),
        None => Err(format!(
            "{text:?} is neither an e-mail address nor of the form Name <address>"
        )),
    }
}

/// Makes messages in the name of one sender and one site.
#[derive(Debug, Clone)]
pub struct Composer {
    from: Mailbox,
    site: Site,
}

impl Composer {
    /// Messages from `from`, with links to pages under `base_url`.
    pub fn new(from: Mailbox, base_url: &str) -> Self {
        Self {
            from,
            site: Site::new(base_url),
        }
    }

    /// Makes the message of a queued mail; `token` is the text of its token.
    ///
    /// # Errors
    /// [`Unmailable`].
    pub fn compose(&self, mail: &NewMail, token: Option<&Secret<String>>) -> Result<Message, Unmailable> {
        let link = self.link(mail, token)?;
        self.message(mail, link.as_ref(), None)
    }

    /// Makes the message of a queued alarm.
    ///
    /// # Errors
    /// [`Unmailable`].
    pub fn compose_alarm(&self, mail: &NewMail, alarm: &Alarm) -> Result<Message, Unmailable> {
        self.message(mail, None, Some(&Told::of(alarm)))
    }

    fn message(
        &self,
        mail: &NewMail,
        link: Option<&Link>,
        told: Option<&Told>,
    ) -> Result<Message, Unmailable> {
        let to = recipient(&mail.recipient)?;
        let envelope = Envelope::new(Some(self.from.email.clone()), vec![to.clone()])
            .map_err(|_| Unmailable::Recipient)?;
        let words = letter::words(mail.kind);
        let message = lettre::Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .subject(words.subject)
            .message_id(Some(format!("<{}@{}>", mail.id, self.site.host())))
            // A date before 1970 would panic in lettre; only a broken clock has one.
            .date(SystemTime::from(mail.created_at).max(SystemTime::UNIX_EPOCH))
            .raw_header(HeaderValue::new(AUTO_SUBMITTED, "auto-generated".to_owned()))
            .envelope(envelope.clone())
            .multipart(self.body(mail, link, told)?)
            .map_err(|_| Unmailable::Writing)?;
        Ok(Message {
            id: mail.id,
            envelope,
            bytes: message.formatted(),
        })
    }

    fn body(
        &self,
        mail: &NewMail,
        link: Option<&Link>,
        told: Option<&Told>,
    ) -> Result<MultiPart, Unmailable> {
        let words = &letter::words(mail.kind);
        let (recipient, site) = (mail.recipient.as_str(), self.site.as_str());
        let text = Text {
            words,
            link,
            told,
            recipient,
            site,
        }
        .render()
        .map_err(|_| Unmailable::Writing)?;
        let html = Html {
            words,
            link,
            told,
            recipient,
            site,
        }
        .render()
        .map_err(|_| Unmailable::Writing)?;
        // A boundary of chance would make each attempt other bytes.
        Ok(MultiPart::alternative()
            .boundary(format!("part-{}", mail.id.simple()))
            .singlepart(SinglePart::plain(text))
            .singlepart(SinglePart::html(html)))
    }

    fn link(&self, mail: &NewMail, token: Option<&Secret<String>>) -> Result<Option<Link>, Unmailable> {
        let Some(purpose) = mail.kind.purpose() else {
            return Ok(None);
        };
        let (token, expires_at) = token.zip(mail.expires_at).ok_or(Unmailable::Link)?;
        Ok(Some(Link {
            url: self.site.link(purpose, token),
            validity: validity::in_words(expires_at - mail.created_at),
            until: expires_at.format("%-d %B %Y, %H:%M UTC").to_string(),
        }))
    }
}

/// Reads an address of ASCII atoms: no quoted or bracketed part of it could mean something in a header, and
/// every mail server takes it. Usernames are of this form.
fn recipient(text: &str) -> Result<Address, Unmailable> {
    let is_plain = text
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && !SPECIALS.contains(&byte));
    text.parse()
        .ok()
        .filter(|_| is_plain)
        .ok_or(Unmailable::Recipient)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sender_has_a_name() {
        let shown = |text| sender(text).unwrap().to_string();
        assert_eq!(shown("edu@example.org"), "Online Edu <edu@example.org>");
        assert_eq!(shown(" School <edu@example.org> "), "School <edu@example.org>");
    }

    #[test]
    fn what_cannot_be_a_sender_is_refused() {
        for text in [
            "",
            "Online Edu",
            "edu@",
            "a@b.c\r\nBcc: d@e.f",
            "Evil\r\nBcc: d@e.f <a@b.c>",
            "ädä@example.org",
        ] {
            assert!(sender(text).is_err(), "{text:?}");
        }
    }
}
