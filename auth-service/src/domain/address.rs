//! Addresses and what their mailboxes prove: links that mails carry, and what following one does.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::{
    domain::{
        account::{Accounts, required_username},
        error::Error,
        mail_token::hash,
        throttle::refuse,
    },
    model::{
        client::Client,
        event::{Actor, SecurityEvent},
        event_kind::EventKind,
        mail::{MailKind, NewMail},
        mail_token::{NewMailToken, Purpose},
        user::User,
        username::Username,
    },
    store::{address::Proved, mail_token::StoredMailToken},
};

impl Accounts {
    /// Makes the account of a token's owner active.
    ///
    /// # Errors
    /// [`Error::MailTokenInvalid`], [`Error::AccountGone`].
    pub async fn verify_email(&self, token: &str, by: &Actor) -> Result<User, Error> {
        let (id, stored, address) = self.mail_token(token, Purpose::VerifyEmail, by).await?;
        let event = self
            .events
            .event(EventKind::AccountVerified, by, Some(stored.user_id), "")?;
        match self
            .store
            .verify_address(id, stored.user_id, &address, self.clock.now(), &event)
            .await?
        {
            Proved::Yes(user) => Ok(*user),
            Proved::Invalid | Proved::Taken => Err(self.link_refused(by, Purpose::VerifyEmail)),
        }
    }

    /// Puts the new address of a token's owner into effect.
    ///
    /// # Errors
    /// [`Error::MailTokenInvalid`], [`Error::AccountGone`], [`Error::UsernameTaken`].
    pub async fn confirm_username(&self, token: &str, by: &Actor) -> Result<User, Error> {
        let (id, stored, address) = self.mail_token(token, Purpose::ConfirmUsername, by).await?;
        let event = self
            .events
            .event(EventKind::UsernameChanged, by, Some(stored.user_id), "")?;
        match self
            .store
            .confirm_username(id, stored.user_id, &address, self.clock.now(), &event)
            .await?
        {
            Proved::Yes(user) => Ok(*user),
            Proved::Invalid => Err(self.link_refused(by, Purpose::ConfirmUsername)),
            Proved::Taken => Err(Error::UsernameTaken),
        }
    }

    /// Queues another verification mail for an account that still needs one.
    ///
    /// # Errors
    /// [`Error::Invalid`], [`Error::Throttled`].
    pub async fn resend_verification(&self, username: &str, client: &Client) -> Result<(), Error> {
        let purpose = Purpose::VerifyEmail;
        self.mail_link(username, client, purpose, MailKind::VerifyEmail, None)
            .await
    }

    /// A token that its mailbox may use: genuine, of this purpose, known and not expired. Any other is noted.
    pub(super) async fn mail_token(
        &self,
        text: &str,
        purpose: Purpose,
        by: &Actor,
    ) -> Result<(Uuid, StoredMailToken, Username), Error> {
        let found = self.genuine_mail_token(text, purpose).await;
        if matches!(found, Err(Error::MailTokenInvalid | Error::AccountGone)) {
            self.link_refused(by, purpose);
        }
        found
    }

    /// The refusal of a token, noted.
    pub(super) fn link_refused(&self, by: &Actor, purpose: Purpose) -> Error {
        self.events
            .note(EventKind::LinkRefused, by, None, purpose.as_str());
        Error::MailTokenInvalid
    }

    async fn genuine_mail_token(
        &self,
        text: &str,
        purpose: Purpose,
    ) -> Result<(Uuid, StoredMailToken, Username), Error> {
        let id = self
            .mail_tokens
            .read(text, purpose)
            .ok_or(Error::MailTokenInvalid)?;
        let Some(stored) = self.store.mail_token(id, purpose).await? else {
            // Tokens go with their account. A genuine one that is young enough to be valid lost it.
            let made = made_at(id).unwrap_or(DateTime::UNIX_EPOCH);
            let young = made + self.link_lifetime > self.clock.now();
            return Err(if young {
                Error::AccountGone
            } else {
                Error::MailTokenInvalid
            });
        };
        let address = Username::parse(&stored.username).map_err(Error::internal)?;
        if !self.mail_tokens.is_kept_as(id, purpose, &stored.token_hash)
            || stored.expires_at <= self.clock.now()
        {
            return Err(Error::MailTokenInvalid);
        }
        Ok((id, stored, address))
    }

    /// Queues a mail with a link to the account of an address, if there is one that has use for it, and tells the trail
    /// so. Nothing tells the caller whether it did, not even the time it takes, nor that an address got its share of
    /// mails already: that is counted whether or not anybody has it.
    pub(super) async fn mail_link(
        &self,
        username: &str,
        client: &Client,
        purpose: Purpose,
        kind: MailKind,
        event: Option<&SecurityEvent>,
    ) -> Result<(), Error> {
        let mut faults = Vec::new();
        let Some(asked) = required_username(username, &mut faults) else {
            return Err(Error::Invalid(faults));
        };
        self.throttle.mail_asked(client).await?.or_refuse()?;
        let lane = self.throttle.mail_lane(kind, &asked);
        let (token, mail) = self.link(&asked, purpose, kind, self.clock.now())?;
        let (let_in, user_id) = self.store.queue_asked(&lane, &token, &mail, event).await?;
        if !let_in {
            // Who asks does not learn of it; the numbers do.
            let _silently = refuse(lane.limit);
        }
        if user_id.is_some() {
            self.bell.ring();
        }
        Ok(())
    }

    /// A mail with a link, and the token of that link.
    pub(crate) fn link(
        &self,
        address: &Username,
        purpose: Purpose,
        kind: MailKind,
        now: DateTime<Utc>,
    ) -> Result<(NewMailToken, NewMail), Error> {
        let id = self.entropy.new_id(now)?;
        let expires_at = now + self.link_lifetime;
        let token = NewMailToken {
            id,
            purpose,
            username: address.as_str().to_owned(),
            token_hash: hash(self.mail_tokens.token(id, purpose).expose()),
            created_at: now,
            expires_at,
        };
        let mail = NewMail {
            token_id: Some(id),
            expires_at: Some(expires_at),
            ..self.notice(kind, address.as_str(), now)?
        };
        Ok((token, mail))
    }

    /// A mail without a link.
    pub(crate) fn notice(
        &self,
        kind: MailKind,
        recipient: &str,
        now: DateTime<Utc>,
    ) -> Result<NewMail, Error> {
        Ok(NewMail {
            id: self.entropy.new_id(now)?,
            kind,
            recipient: recipient.to_owned(),
            token_id: None,
            created_at: now,
            expires_at: None,
        })
    }
}

fn made_at(id: Uuid) -> Option<DateTime<Utc>> {
    let (seconds, nanos) = id.get_timestamp()?.to_unix();
    DateTime::from_timestamp(i64::try_from(seconds).ok()?, nanos)
}
