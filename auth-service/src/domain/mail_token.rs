//! The text of a mail token is derived from its id and a key that is not in the database: the outbox can
//! render a mail at any time, and a stolen database holds no link that works.

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use service_runtime::{
    mac::{Mac, TAG_LEN},
    secret::Secret,
};
use uuid::Uuid;

use crate::model::mail_token::Purpose;

/// What every mail token begins with, so that a leaked one can be recognised.
const PREFIX: &str = "oem_";

/// Makes and reads mail tokens.
#[derive(Debug, Clone)]
pub struct MailTokens(Mac);

impl MailTokens {
    /// With the keys of the purpose `mail-token`.
    pub const fn new(mac: Mac) -> Self {
        Self(mac)
    }

    /// The text of a token. It is always the same for the same id and purpose.
    pub fn token(&self, id: Uuid, purpose: Purpose) -> Secret<String> {
        text(id, &self.0.tag(&message(id, purpose)))
    }

    /// Whether `kept` is what the database keeps of this token, under whichever key it was queued: its mail may be
    /// rendered by another process, and so with another key, than the one that queued it.
    pub fn is_kept_as(&self, id: Uuid, purpose: Purpose, kept: &[u8]) -> bool {
        let message = message(id, purpose);
        let mut tags = self.0.tags(&message);
        tags.any(|tag| hash(text(id, &tag).expose()) == kept)
    }

    /// The id in a token that is genuine and made for `purpose`; `None` for any other text.
    pub fn read(&self, text: &str, purpose: Purpose) -> Option<Uuid> {
        let bytes = URL_SAFE_NO_PAD.decode(text.strip_prefix(PREFIX)?).ok()?;
        let (id, tag) = bytes.split_at_checked(16)?;
        let id = Uuid::from_slice(id).ok()?;
        (tag.len() == TAG_LEN && self.0.verify(&message(id, purpose), tag)).then_some(id)
    }
}

fn text(id: Uuid, tag: &[u8]) -> Secret<String> {
    let encoded = URL_SAFE_NO_PAD.encode([id.as_bytes(), tag].concat());
    Secret::new(format!("{PREFIX}{encoded}"))
}

/// What the database keeps of a token.
pub fn hash(text: &str) -> Vec<u8> {
    digest(&SHA256, text.as_bytes()).as_ref().to_vec()
}

fn message(id: Uuid, purpose: Purpose) -> Vec<u8> {
    [id.as_bytes(), purpose.as_str().as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tokens() -> MailTokens {
        MailTokens::new(Mac::derive(&[Secret::new(b"key".to_vec())], "mail-token"))
    }

    #[test]
    fn a_token_is_read_for_its_own_purpose_only() {
        let id = Uuid::from_u128(7);
        let token = tokens().token(id, Purpose::VerifyEmail);
        assert_eq!(tokens().read(token.expose(), Purpose::VerifyEmail), Some(id));
        assert_eq!(tokens().read(token.expose(), Purpose::ResetPassword), None);
        let other = MailTokens::new(Mac::derive(&[Secret::new(b"other".to_vec())], "mail-token"));
        assert_eq!(other.read(token.expose(), Purpose::VerifyEmail), None);
    }

    #[test]
    fn a_token_queued_under_one_key_and_sent_under_the_next_is_the_one_that_is_kept() {
        let secret = |text: &str| Secret::new(text.as_bytes().to_vec());
        let before = MailTokens::new(Mac::derive(&[secret("old")], "mail-token"));
        let during = MailTokens::new(Mac::derive(&[secret("new"), secret("old")], "mail-token"));
        let after = MailTokens::new(Mac::derive(&[secret("new")], "mail-token"));
        let (id, purpose) = (Uuid::from_u128(7), Purpose::VerifyEmail);
        let kept = hash(before.token(id, purpose).expose());
        assert_ne!(kept, hash(during.token(id, purpose).expose()));
        assert!(before.is_kept_as(id, purpose, &kept) && during.is_kept_as(id, purpose, &kept));
        assert!(!after.is_kept_as(id, purpose, &kept));
        assert!(!during.is_kept_as(id, Purpose::ResetPassword, &kept));
    }

    proptest! {
        #[test]
        fn no_other_text_is_a_token(text in "(oem_)?\\PC{0,80}") {
            prop_assert_eq!(tokens().read(&text, Purpose::VerifyEmail), None);
        }
    }
}
