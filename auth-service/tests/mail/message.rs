//! What goes out, read back by a parser that is not ours: one recipient, both parts, the link as it was made,
//! and never a header more than we made, whatever somebody typed as an address.

use std::path::Path;

use auth_service::{
    mail::{
        MailDestination, Mailer,
        message::{Composer, Unmailable, sender},
    },
    model::mail::{MailKind, NewMail},
};
use chrono::{DateTime, TimeDelta, Utc};
use mail_parser::{Message, MessageParser};
use proptest::prelude::*;
use service_runtime::secret::Secret;
use uuid::Uuid;

const TOKEN: &str = "oem_AZnQx3-_a7CAAAAAAAAAB4xmvXn0Y2Zsbm9wcXJzdHV2d3h5ejAxMjM0NTY3ODk_-A";
const ID: Uuid = Uuid::from_u128(0x0199_d0c7_7f9a_7ec0_8000_0000_0000_0007);
/// Every header that is ours to write, in the order in which a sorted list has them.
const HEADERS: [&str; 8] = [
    "Auto-Submitted",
    "Content-Type",
    "Date",
    "From",
    "MIME-Version",
    "Message-ID",
    "Subject",
    "To",
];

fn caused_at() -> DateTime<Utc> {
    "2026-03-01T12:00:00Z".parse().unwrap()
}

fn mail(kind: MailKind, recipient: &str) -> NewMail {
    NewMail {
        id: ID,
        kind,
        recipient: recipient.to_owned(),
        token_id: kind.purpose().map(|_| ID),
        created_at: caused_at(),
        expires_at: kind.purpose().map(|_| caused_at() + TimeDelta::minutes(15)),
    }
}

fn composer() -> Composer {
    Composer::new(sender("edu@example.org").unwrap(), "https://edu.example.org/")
}

fn token() -> Secret<String> {
    Secret::new(TOKEN.to_owned())
}

/// The message as the development folder keeps it.
async fn kept(folder: &Path, mail: &NewMail) -> Vec<u8> {
    let message = composer().compose(mail, Some(&token())).unwrap();
    let mailer = Mailer::new(MailDestination::Folder(folder.to_owned())).unwrap();
    mailer.send(&message).await.unwrap();
    std::fs::read(folder.join(format!("{}.eml", mail.id))).unwrap()
}

fn headers(message: &Message<'_>) -> Vec<String> {
    let mut names: Vec<String> = message.headers_raw().map(|(name, _)| name.to_owned()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn every_kind_arrives_whole() {
    let folder = tempfile::tempdir().unwrap();
    for kind in MailKind::ALL {
        let bytes = kept(folder.path(), &mail(kind, "ada+school@example.org")).await;
        let message = MessageParser::default().parse(&bytes).unwrap();
        assert_eq!(headers(&message), HEADERS, "{kind:?}");
        let to: Vec<_> = message.all_to().flat_map(mail_parser::Address::iter).collect();
        assert_eq!(to.len(), 1);
        assert_eq!(to[0].address(), Some("ada+school@example.org"));
        let from = message.from().unwrap().first().unwrap();
        assert_eq!(
            (from.name(), from.address()),
            (Some("Online Edu"), Some("edu@example.org"))
        );
        assert_eq!(
            message.message_id(),
            Some(format!("{ID}@edu.example.org").as_str())
        );
        assert_eq!(message.date().unwrap().to_rfc3339(), "2026-03-01T12:00:00Z");
        assert_eq!(
            message.header_raw("Auto-Submitted").unwrap().trim(),
            "auto-generated"
        );
        assert!(!message.subject().unwrap().is_empty());
        let content_type = message.header_raw("Content-Type").unwrap();
        assert!(content_type.contains("multipart/alternative"), "{content_type}");

        let (text, html) = (message.body_text(0).unwrap(), message.body_html(0).unwrap());
        assert_eq!((message.text_body_count(), message.html_body_count()), (1, 1));
        assert_eq!(message.attachment_count(), 0);
        assert!(
            html.contains("<html lang=\"en\">") && !text.contains('<'),
            "{text}"
        );
        for body in [&text, &html] {
            assert!(body.contains(message.subject().unwrap()), "{body}");
            assert!(body.contains("ada+school@example.org"), "{body}");
        }
    }
}

#[tokio::test]
async fn a_link_is_intact_in_both_parts_and_says_how_long_it_is_good() {
    let folder = tempfile::tempdir().unwrap();
    for (kind, page) in [
        (MailKind::VerifyEmail, "verify-email"),
        (MailKind::ResetPassword, "reset-password"),
        (MailKind::ConfirmUsername, "confirm-username"),
    ] {
        let bytes = kept(folder.path(), &mail(kind, "ada@example.org")).await;
        let link = format!("https://edu.example.org/{page}?token={TOKEN}");
        let html = test_support::mail::html(&bytes).unwrap();
        assert_eq!(test_support::mail::link(&bytes).as_deref(), Some(link.as_str()));
        // On the button, as the fallback, and as text.
        assert_eq!(html.matches(&link).count(), 3, "{html}");
        for body in [&test_support::mail::text(&bytes).unwrap(), &html] {
            assert!(
                body.contains("15 minutes, until 1 March 2026, 12:15 UTC"),
                "{body}"
            );
        }
    }
    for kind in [
        MailKind::AlreadyRegistered,
        MailKind::UsernameChangeRequested,
        MailKind::PasswordChanged,
        MailKind::SecondFactorAdded,
        MailKind::SecondFactorRemoved,
        MailKind::SecondFactorFailing,
        MailKind::RecoveryCodeUsed,
        MailKind::RecoveryCodesRenewed,
    ] {
        let bytes = kept(folder.path(), &mail(kind, "ada@example.org")).await;
        assert!(!String::from_utf8_lossy(&bytes).contains("token="), "{kind:?}");
    }
}

#[tokio::test]
async fn every_attempt_is_the_same_bytes_and_one_file_that_others_cannot_read() {
    use std::os::unix::fs::PermissionsExt;

    let folder = tempfile::tempdir().unwrap();
    let mail = mail(MailKind::VerifyEmail, "ada@example.org");
    let first = kept(folder.path(), &mail).await;
    assert_eq!(kept(folder.path(), &mail).await, first);
    let files: Vec<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert_eq!(files.len(), 1);
    assert_eq!(files[0].metadata().unwrap().permissions().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_is_an_error_that_may_pass() {
    let folder = tempfile::tempdir().unwrap();
    let in_the_way = folder.path().join("mail");
    std::fs::write(&in_the_way, "a file").unwrap();
    let mailer = Mailer::new(MailDestination::Folder(in_the_way.clone())).unwrap();
    let message = composer()
        .compose(&mail(MailKind::PasswordChanged, "ada@example.org"), None)
        .unwrap();
    assert!(matches!(
        mailer.send(&message).await,
        Err(auth_service::mail::SendError::Transient(_))
    ));
    std::fs::remove_file(&in_the_way).unwrap();
    mailer.send(&message).await.unwrap();
}

#[test]
fn a_mail_with_a_link_needs_its_token_and_its_end() {
    let compose = |mail: &NewMail, token| composer().compose(mail, token).map(|_| ());
    let whole = mail(MailKind::ResetPassword, "ada@example.org");
    assert_eq!(compose(&whole, None), Err(Unmailable::Link));
    let endless = NewMail {
        expires_at: None,
        ..whole
    };
    assert_eq!(compose(&endless, Some(&token())), Err(Unmailable::Link));
}

#[test]
fn a_message_shows_nothing_of_what_it_holds() {
    let message = composer()
        .compose(&mail(MailKind::VerifyEmail, "ada@example.org"), Some(&token()))
        .unwrap();
    let shown = format!("{message:?}");
    assert!(!shown.contains("oem_") && !shown.contains("ada"), "{shown}");
}

#[tokio::test]
async fn html_in_an_address_is_text() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = kept(
        folder.path(),
        &mail(MailKind::VerifyEmail, "a&amp'{b}@example.org"),
    )
    .await;
    let html = test_support::mail::html(&bytes).unwrap();
    assert!(html.contains("a&#38;amp&#39;{b}@example.org"), "{html}");
}

#[test]
fn hostile_recipients_are_refused() {
    for recipient in [
        "",
        "ada",
        "ada@example.org\r\nBcc: eve@example.org",
        "ada@example.org\nSubject: x",
        "ada@example.org, eve@example.org",
        "Ada <ada@example.org>",
        "ada@example.org>\r\nRCPT TO:<eve@example.org",
        "ada\r\n@example.org",
        "ada@exam\0ple.org",
        "ädä@example.org",
        "ada@bücher.example",
        "=?utf-8?q?a=0d=0aBcc:_eve@example.org?=",
        "\"ada, eve\"@example.org",
        "ada@[127.0.0.1]",
        "ada@[;]",
    ] {
        let composed = composer().compose(&mail(MailKind::VerifyEmail, recipient), Some(&token()));
        assert_eq!(composed.map(|_| ()), Err(Unmailable::Recipient), "{recipient:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn no_recipient_adds_a_header_or_a_recipient(
        recipient in prop_oneof![
            "[ -~\r\n\t]{1,30}@[a-z.]{1,20}",
            "\"[ -~\r\n\t]{0,20}\"@example\\.org",
            "[a-z=?!#$%&'*+/^_`{|}~.-]{1,60}@[a-z-]{1,40}\\.(org|com)",
            "ada@example.org[ -~\r\n\t]{1,40}",
            "ada@\\[[ -~]{1,20}\\]",
        ],
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mail = mail(MailKind::VerifyEmail, &recipient);
        if composer().compose(&mail, Some(&token())).is_ok() {
            let folder = tempfile::tempdir().unwrap();
            let bytes = runtime.block_on(kept(folder.path(), &mail));
            let message = MessageParser::default().parse(&bytes).unwrap();
            prop_assert_eq!(headers(&message), HEADERS);
            prop_assert_eq!(message.all_to().flat_map(mail_parser::Address::iter).count(), 1);
            prop_assert!(bytes.is_ascii());
            // Bare line feeds and carriage returns are how mail is smuggled past a server (CVE-2023-51764).
            let text = String::from_utf8(bytes).unwrap().replace("\r\n", "");
            prop_assert!(!text.contains(['\r', '\n']));
        }
    }
}
