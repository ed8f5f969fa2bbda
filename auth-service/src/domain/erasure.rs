//! The end of an account: the person is gone here at once, and other services are told until they have acknowledged
//! that they are gone there too.

mod messenger;

use std::time::Instant;

use chrono::{DateTime, Utc};
use service_runtime::{clock::Clock, entropy::Entropy, secret::Secret};
use uuid::Uuid;

pub use self::messenger::{Messenger, Round};
use crate::{
    domain::{error::Error, outbox::Bell, password_pool::PasswordPool, session::Caller},
    model::{
        erasure::Erasure,
        event::{Actor, SecurityEvent, Severity},
    },
    store::{Store, erasure::Erased},
};

const REQUIRED: &str = "The password field is required";
const WRONG: &str = "The password is wrong.";
/// How many erasures are read at once.
const PAGE: i64 = 500;

/// The rules about the end of accounts.
#[derive(Clone)]
pub struct Erasures {
    /// Where accounts are kept.
    pub store: Store,
    /// When it is.
    pub clock: Clock,
    /// Where ids come from.
    pub entropy: Entropy,
    /// Who compares passwords.
    pub passwords: PasswordPool,
    /// Rung when somebody was erased.
    pub bell: Bell,
}

impl Erasures {
    /// Erases the caller, who shows the password or has just used a second factor.
    ///
    /// # Errors
    /// [`Error::Invalid`], [`Error::LastStaffUser`], [`Error::Busy`]; [`Error::TokenInvalid`] when the account is gone.
    pub async fn delete_account(
        &self,
        caller: &Caller,
        by: &Actor,
        password: &Secret<String>,
        deadline: Instant,
    ) -> Result<(), Error> {
        let id = caller.user.id;
        let gone = |erased| match erased {
            Erased::NotFound => Err(Error::TokenInvalid),
            other => settled(other),
        };
        if password.expose().is_empty() {
            return match caller.has_fresh_factor(self.clock.now()) {
                true => gone(self.erase_with(id, by, None).await?),
                false => Err(Error::field("password", REQUIRED)),
            };
        }
        // Twice, because a login may renew the stored form of the same password in between.
        for _ in 0..2 {
            let stored = self.store.password_hash(id).await?.ok_or(Error::TokenInvalid)?;
            let compared = self.passwords.verify(password, Some(stored.clone()), deadline);
            if !compared.await?.matches {
                break;
            }
            match self.erase_with(id, by, Some(&stored)).await? {
                Erased::OtherPassword => {}
                erased => return gone(erased),
            }
        }
        Err(Error::field("password", WRONG))
    }

    /// Erases somebody for an operator.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::LastStaffUser`].
    pub async fn erase(&self, id: Uuid) -> Result<(), Error> {
        settled(self.erase_with(id, &Actor::default(), None).await?)
    }

    /// Every erasure, the oldest first, from after `after`; a page of them, and none when there are no more.
    ///
    /// # Errors
    /// When the database cannot serve.
    pub async fn list(&self, after: Option<&Erasure>) -> Result<Vec<Erasure>, Error> {
        Ok(self.store.list_erasures(after, PAGE).await?)
    }

    /// Has the other services told of every erasure once more, for one that was restored from a backup; says how many
    /// there are.
    ///
    /// # Errors
    /// When the database cannot serve.
    pub async fn repeat(&self) -> Result<u64, Error> {
        let erasures = self.store.repeat_erasures(self.clock.now()).await?;
        self.bell.ring();
        Ok(erasures)
    }

    async fn erase_with(&self, id: Uuid, by: &Actor, password_hash: Option<&str>) -> Result<Erased, Error> {
        let event = event(&self.entropy, self.clock.now(), "account_deleted", by, id)?;
        let erased = self.store.erase_user(id, password_hash, &event).await?;
        if erased == Erased::Yes {
            tracing::info!(user_id = %id, request_id = by.request_id, "an account was deleted");
            self.bell.ring();
        }
        Ok(erased)
    }
}

fn settled(erased: Erased) -> Result<(), Error> {
    match erased {
        Erased::Yes => Ok(()),
        Erased::NotFound => Err(Error::NotFound("user")),
        Erased::LastStaffUser => Err(Error::LastStaffUser),
        Erased::OtherPassword => Err(Error::field("password", WRONG)),
    }
}

/// What somebody did with the data of an account.
pub(super) fn event(
    entropy: &Entropy,
    now: DateTime<Utc>,
    kind: &'static str,
    by: &Actor,
    subject: Uuid,
) -> Result<SecurityEvent, Error> {
    Ok(SecurityEvent {
        id: entropy.new_id(now)?,
        time: now,
        severity: Severity::Info,
        kind,
        actor_id: by.user_id,
        subject_id: Some(subject),
        session_id: by.session_id,
        ip_address: by.ip_address.clone(),
        request_id: by.request_id.clone(),
        detail: String::new(),
    })
}
