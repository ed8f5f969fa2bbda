//! Tokens of mail links: only the one text that was made for an id and a purpose is read, and for that purpose only.

#![no_main]

use arbitrary::Arbitrary;
use auth_service::{
    domain::mail_token::{MailTokens, hash},
    model::mail_token::Purpose,
};
use fuzz::edits::Edits;
use libfuzzer_sys::fuzz_target;
use service_runtime::{mac::Mac, secret::Secret};
use uuid::Uuid;

const PURPOSES: [Purpose; 3] = [
    Purpose::VerifyEmail,
    Purpose::ResetPassword,
    Purpose::ConfirmUsername,
];

#[derive(Debug, Arbitrary)]
struct Offered<'a> {
    id: u128,
    purpose: u8,
    /// Whether the secret has been changed since the token was made.
    renewed: bool,
    edits: Edits<'a>,
}

fuzz_target!(|offered: Offered| {
    let secret = |text: &str| Secret::new(text.as_bytes().to_vec());
    let tokens = |secrets: &[Secret<Vec<u8>>]| MailTokens::new(Mac::derive(secrets, "mail-token"));
    let before = tokens(&[secret("old")]);
    let now = match offered.renewed {
        true => tokens(&[secret("new"), secret("old")]),
        false => before.clone(),
    };
    let (id, purpose) = (
        Uuid::from_u128(offered.id),
        PURPOSES[usize::from(offered.purpose) % 3],
    );
    let made = before.token(id, purpose);
    let text = offered.edits.text(made.expose());

    for asked in PURPOSES {
        let genuine = &text == made.expose() && asked == purpose;
        assert_eq!(now.read(&text, asked), genuine.then_some(id), "{text}");
        let kept = now.is_kept_as(id, asked, &hash(&text));
        assert_eq!(kept, genuine, "{text}");
    }
    assert_eq!(tokens(&[secret("new")]).read(&text, purpose), None);
});
