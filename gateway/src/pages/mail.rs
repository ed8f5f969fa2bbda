//! `/dev/mail`: the mail that development keeps in a folder instead of sending, so that a newcomer can
//! follow its links. It is not there when mail is really sent.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use askama::Template;
use axum::{
    Router,
    extract::Request,
    response::{IntoResponse, Response},
    routing::get,
};
use http::{StatusCode, Uri};
use mail_parser::{Address, Message, MessageParser};
use tokio::fs;

use super::{at, response::page};
use crate::{edge::Exchange, problem::Problem};

/// The most mails that are listed.
const MOST_LISTED: usize = 100;

/// Where the mail is, and which links may be clicked.
#[derive(Debug)]
struct Mailbox {
    folder: PathBuf,
    base_url: String,
}

/// The pages of a folder of `.eml` files whose links lead to `base_url`.
pub fn router(folder: &Path, base_url: &str) -> Router {
    let mailbox = Arc::new(Mailbox {
        folder: folder.to_owned(),
        base_url: base_url.to_owned(),
    });
    let same = Arc::clone(&mailbox);
    let list = async move |request: Request| list(&mailbox, request.extensions().get()).await;
    let show = async move |request: Request| show(&same, request.uri(), request.extensions().get()).await;
    Router::new()
        .merge(at("/dev/mail", get(list)))
        .merge(at("/dev/mail/{name}", get(show)))
}

#[derive(Template)]
#[template(path = "mail_list.html")]
struct ListPage {
    mails: Vec<Mail>,
}

#[derive(Template)]
#[template(path = "mail.html")]
struct MailPage {
    mail: Mail,
}

struct Mail {
    name: String,
    from: String,
    to: String,
    subject: String,
    date: String,
    text: Vec<Piece>,
}

#[derive(Debug, PartialEq, Eq)]
struct Piece {
    text: String,
    is_link: bool,
}

async fn list(mailbox: &Mailbox, exchange: Option<&Exchange>) -> Response {
    let names = match mailbox.names().await {
        Ok(names) => names,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => {
            let request_id = Exchange::id_of(exchange);
            tracing::error!(request_id, %error, "the kept mail cannot be listed");
            return Problem::internal().into_response();
        }
    };
    let mut mails = Vec::new();
    for name in names {
        mails.extend(mailbox.read(&name).await);
    }
    page(exchange, StatusCode::OK, &ListPage { mails })
}

async fn show(mailbox: &Mailbox, uri: &Uri, exchange: Option<&Exchange>) -> Response {
    // The name as it stands in the address: one that needed encoding is none of ours.
    let name = uri.path().rsplit('/').next().unwrap_or_default();
    match mailbox.read(name).await {
        Some(mail) => page(exchange, StatusCode::OK, &MailPage { mail }),
        None => Problem::not_found().into_response(),
    }
}

impl Mailbox {
    /// The newest names first; names sort by time.
    async fn names(&self) -> io::Result<Vec<String>> {
        let mut entries = fs::read_dir(&self.folder).await?;
        let mut names = Vec::new();
        while let Some(entry) = entries.next_entry().await? {
            names.extend(entry.file_name().into_string().ok().filter(|name| is_name(name)));
        }
        names.sort_unstable_by(|one, other| other.cmp(one));
        names.truncate(MOST_LISTED);
        Ok(names)
    }

    async fn read(&self, name: &str) -> Option<Mail> {
        if !is_name(name) {
            return None;
        }
        let bytes = fs::read(self.folder.join(name)).await.ok()?;
        let message = MessageParser::default().parse(&bytes)?;
        Some(mail(name, &message, &self.base_url))
    }
}

/// Whether it is a file name that mail is kept under, and no path.
fn is_name(name: &str) -> bool {
    let stem = name.strip_suffix(".eml").unwrap_or_default();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=100).contains(&stem.len()) && stem.bytes().all(plain)
}

fn mail(name: &str, message: &Message<'_>, base_url: &str) -> Mail {
    let text = message.body_text(0).unwrap_or_default();
    Mail {
        name: name.to_owned(),
        from: addresses(message.from()),
        to: addresses(message.to()),
        subject: message.subject().unwrap_or("(no subject)").to_owned(),
        date: message.date().map(|date| date.to_rfc3339()).unwrap_or_default(),
        text: pieces(&text, base_url),
    }
}

fn addresses(address: Option<&Address<'_>>) -> String {
    let listed = address.into_iter().flat_map(Address::iter);
    listed
        .filter_map(|one| one.address())
        .collect::<Vec<_>>()
        .join(", ")
}

/// The text, cut where links to us begin and end. No other address becomes a link.
fn pieces(text: &str, base_url: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut plain = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(base_url) {
        let (before, from_link) = rest.split_at(at);
        plain.push_str(before);
        let end = from_link
            .find(|letter: char| letter.is_whitespace() || "<>\"'".contains(letter))
            .unwrap_or(from_link.len());
        let link = from_link[..end].trim_end_matches(['.', ',', ')', ';']);
        rest = &from_link[link.len()..];
        if link[base_url.len()..].starts_with('/') {
            let text = std::mem::take(&mut plain);
            pieces.push(Piece { text, is_link: false });
            pieces.push(Piece {
                text: link.to_owned(),
                is_link: true,
            });
        } else {
            plain.push_str(link);
        }
    }
    plain.push_str(rest);
    pieces.push(Piece {
        text: plain,
        is_link: false,
    });
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_no_path() {
        assert!(is_name("0192f0c1-7e3a-7000-8000-0123456789ab.eml"));
        for bad in [
            ".eml",
            "a",
            "a.txt",
            "../a.eml",
            "a/b.eml",
            "a%2fb.eml",
            "a\0.eml",
            "..eml",
        ] {
            assert!(!is_name(bad), "{bad}");
        }
    }

    #[test]
    fn only_links_to_us_can_be_clicked() {
        let links = |text: &str| -> Vec<String> {
            let pieces = pieces(text, "http://here");
            let whole: String = pieces.iter().map(|piece| piece.text.as_str()).collect();
            assert_eq!(whole, text);
            pieces
                .into_iter()
                .filter(|piece| piece.is_link)
                .map(|piece| piece.text)
                .collect()
        };
        assert_eq!(links("see <http://here/a?token=b>."), ["http://here/a?token=b"]);
        assert_eq!(
            links("http://here/a. And (http://here/b)"),
            ["http://here/a", "http://here/b"]
        );
        for text in [
            "http://hereafter/a",
            "http://here.evil/a",
            "http://here@evil/a",
            "http://here",
            "javascript:a",
        ] {
            assert!(links(text).is_empty(), "{text}");
        }
    }
}
