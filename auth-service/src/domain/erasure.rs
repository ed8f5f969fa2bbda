//! The end of an account: the person is gone here at once, and other services are told until they have acknowledged
//! that they are gone there too.

mod messenger;

use std::time::Instant;

use service_runtime::{clock::Clock, secret::Secret};
use uuid::Uuid;

pub use self::messenger::{Messenger, Round};
use crate::{
    domain::{
        error::Error, event::Events, factor::FactorError, outbox::Bell, password_pool::PasswordPool,
        session::Caller, throttle::Throttle,
    },
    model::{erasure::Erasure, event::Actor, event_kind::EventKind},
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
    /// Who tells the trail.
    pub events: Events,
    /// Who counts wrong passwords.
    pub throttle: Throttle,
    /// Who compares passwords.
    pub passwords: PasswordPool,
    /// Rung when somebody was erased.
    pub bell: Bell,
}

impl Erasures {
    /// Erases the caller, who shows the password or has just used a second factor.
    ///
    /// # Errors
    /// [`Error::Invalid`], [`FactorError::NotFresh`], [`Error::LastStaffUser`], [`Error::Throttled`], [`Error::Busy`];
    /// [`Error::TokenInvalid`] when the account is gone.
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
                false if caller.user.factor_since.is_some() => Err(FactorError::NotFresh.into()),
                false => Err(Error::field("password", REQUIRED)),
            };
        }
        // Twice, because a login may renew the stored form of the same password in between.
        for _ in 0..2 {
            let stored = self.store.password_hash(id).await?.ok_or(Error::TokenInvalid)?;
            let compared = self.passwords.verify(password, Some(stored.clone()), deadline);
            let matches = compared.await?.matches;
            let counted = self.throttle.password(id, matches).await?;
            if !(matches && counted.is_let_in()) {
                let kind = EventKind::PasswordRefused;
                self.events.note(kind, by, Some(id), "deletion of the account");
            }
            counted.or_refuse()?;
            if !matches {
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
    /// When the database cannot serve. Doing it again begins anew.
    pub async fn repeat(&self) -> Result<usize, Error> {
        let (mut repeated, mut after) = (0, Uuid::nil());
        loop {
            let page = self.store.repeat_erasures(after, self.clock.now(), PAGE).await?;
            let Some(last) = page.iter().max() else {
                self.bell.ring();
                return Ok(repeated);
            };
            after = *last;
            repeated += page.len();
        }
    }

    async fn erase_with(&self, id: Uuid, by: &Actor, password_hash: Option<&str>) -> Result<Erased, Error> {
        let event = self.events.event(EventKind::AccountDeleted, by, Some(id), "")?;
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
