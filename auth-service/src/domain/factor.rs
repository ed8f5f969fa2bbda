//! The second factor: setting it up, proving it, removing it. It counts once a code has confirmed it; each code works
//! once; wrong ones make waiting. Whatever changes it ends the other sessions, and the mailbox of the owner is told.

mod proof;
mod recovery;
mod resealing;

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use service_runtime::{clock::Clock, entropy::Entropy, secret::Secret};
use uuid::Uuid;

use crate::{
    domain::{
        error::Error, event::Events, outbox::Bell, sealing::Sealing, session::Caller, throttle::Throttle,
        totp,
    },
    model::{
        event::Actor,
        event_kind::EventKind,
        factor::SECRET_LEN,
        mail::{MailKind, NewMail},
        user::User,
    },
    store::{Store, factor::FactorChange},
};

/// How long ago somebody without a second factor may have logged in who changes how one logs in to the account.
pub const RECENT_LOGIN: TimeDelta = TimeDelta::minutes(15);
/// Why something about a second factor cannot be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FactorError {
    /// The account has a second factor, and no code came.
    #[error("a code of the second factor is needed")]
    Required,
    /// The account has none.
    #[error("the account has no second factor")]
    Missing,
    /// The account has one.
    #[error("the account has a second factor")]
    Exists,
    /// Nothing waits to be confirmed.
    #[error("no second factor waits to be confirmed")]
    NotStarted,
    /// The code is wrong or was used.
    #[error("the code is not valid")]
    WrongCode,
    /// No code of the app is looked at for so long.
    #[error("too many wrong codes")]
    Throttled(Duration),
    /// The second factor was not proved a moment ago.
    #[error("a fresh second factor is needed")]
    NotFresh,
    /// The person logged in too long ago.
    #[error("a recent login is needed")]
    NotRecent,
}

/// The rules about second factors.
#[derive(Clone)]
pub struct Factors {
    /// Where they are kept.
    pub store: Store,
    /// When it is.
    pub clock: Clock,
    /// Where secrets, codes and ids come from.
    pub entropy: Entropy,
    /// Who seals secrets.
    pub(crate) sealing: Arc<Sealing>,
    /// Who counts changes.
    pub throttle: Throttle,
    /// Rung when mail was queued.
    pub bell: Bell,
    /// Who tells the trail.
    pub events: Events,
}

/// The secret of an enrolment that has begun, to be shown once.
#[derive(Debug)]
pub struct Enrolment {
    /// To be typed.
    pub secret: Secret<String>,
    /// To be opened, or scanned.
    pub uri: Secret<String>,
}

impl Factors {
    /// Begins an enrolment, in place of one that was not confirmed.
    ///
    /// # Errors
    /// [`FactorError::Exists`], [`FactorError::NotRecent`].
    pub async fn start(&self, caller: &Caller) -> Result<Enrolment, Error> {
        let (user, now) = (&caller.user, self.clock.now());
        if user.factor_since.is_some() {
            return Err(FactorError::Exists.into());
        }
        caller.shown_lately(now)?;
        let secret: [u8; SECRET_LEN] = self.entropy.bytes()?;
        let sealed = self.sealing.seal(user.id.as_bytes(), &secret)?;
        let id = self.entropy.new_id(now)?;
        match self.store.start_factor(user.id, id, &sealed, now).await? {
            true => Ok(Enrolment {
                secret: totp::secret_text(&secret),
                uri: totp::uri(&secret, &user.username),
            }),
            false => Err(FactorError::Exists.into()),
        }
    }

    /// Lets the factor count from now on, by a first code of the app. Says the recovery codes.
    ///
    /// # Errors
    /// [`Error::Invalid`], [`FactorError::Exists`], [`FactorError::NotStarted`], [`FactorError::WrongCode`],
    /// [`FactorError::Throttled`], [`Error::Throttled`].
    pub async fn confirm(
        &self,
        caller: &Caller,
        code: &Secret<String>,
        by: &Actor,
    ) -> Result<Vec<Secret<String>>, Error> {
        if caller.user.factor_since.is_some() {
            return Err(FactorError::Exists.into());
        }
        let enrolment = self.prove(&caller.user, code, by).await;
        let enrolment = enrolment.map_err(|error| match error {
            Error::Factor(FactorError::Missing) => FactorError::NotStarted.into(),
            other => other,
        })?;
        self.count_change(caller).await?;
        let (codes, hashes) = recovery::make(&self.entropy, caller.user.id)?;
        let (kind, mail) = (EventKind::FactorAdded, MailKind::SecondFactorAdded);
        let change = self.change(&caller.user, Some(caller.session_id), kind, mail, by)?;
        // Who logged in a moment ago began it, so it is not confirmed much later either.
        let since = change.now - RECENT_LOGIN;
        let confirmed = self.store.confirm_factor(enrolment, since, &hashes, &change);
        if !confirmed.await? {
            // It is too old, another one has begun since, or was faster.
            return Err(FactorError::NotStarted.into());
        }
        self.bell.ring();
        Ok(codes)
    }

    /// Removes the caller's factor, by a code or because it was proved a moment ago.
    ///
    /// # Errors
    /// [`FactorError::Missing`], [`FactorError::NotFresh`], [`FactorError::WrongCode`], [`FactorError::Throttled`],
    /// [`Error::Throttled`].
    pub async fn remove(&self, caller: &Caller, code: &Secret<String>, by: &Actor) -> Result<(), Error> {
        let since = self.proved(caller, code, by).await?;
        self.count_change(caller).await?;
        self.remove_of(&caller.user, since, Some(caller.session_id), by)
            .await
    }

    /// Removes the factor of somebody who lost it, for an operator who knows who they are. All their sessions end.
    ///
    /// # Errors
    /// [`FactorError::Missing`].
    pub async fn remove_for(&self, user: &User) -> Result<(), Error> {
        let since = user.factor_since.ok_or(FactorError::Missing)?;
        self.remove_of(user, since, None, &Actor::default()).await
    }

    /// Replaces the caller's recovery codes, by a code or because the factor was proved a moment ago.
    ///
    /// # Errors
    /// As those of [`Self::remove`].
    pub async fn renew_recovery_codes(
        &self,
        caller: &Caller,
        code: &Secret<String>,
        by: &Actor,
    ) -> Result<Vec<Secret<String>>, Error> {
        let since = self.proved(caller, code, by).await?;
        self.count_change(caller).await?;
        let (codes, hashes) = recovery::make(&self.entropy, caller.user.id)?;
        let (kind, mail) = (EventKind::RecoveryCodesReplaced, MailKind::RecoveryCodesRenewed);
        let change = self.change(&caller.user, None, kind, mail, by)?;
        if !self.store.renew_recovery_codes(since, &hashes, &change).await? {
            return Err(FactorError::Missing.into());
        }
        self.bell.ring();
        Ok(codes)
    }

    /// Since when the factor counts that the caller proved a moment ago, or proves now.
    async fn proved(
        &self,
        caller: &Caller,
        code: &Secret<String>,
        by: &Actor,
    ) -> Result<DateTime<Utc>, Error> {
        let since = caller.user.factor_since.ok_or(FactorError::Missing)?;
        if !code.expose().trim().is_empty() {
            self.prove(&caller.user, code, by).await?;
        } else if !caller.has_fresh_factor(self.clock.now()) {
            return Err(FactorError::NotFresh.into());
        }
        Ok(since)
    }

    /// Counts a change that the caller has proved that they may make: each one queues a mail.
    async fn count_change(&self, caller: &Caller) -> Result<(), Error> {
        self.throttle.credential_change(caller.user.id).await?.or_refuse()
    }

    async fn remove_of(
        &self,
        user: &User,
        since: DateTime<Utc>,
        session_id: Option<Uuid>,
        by: &Actor,
    ) -> Result<(), Error> {
        let (kind, mail) = (EventKind::FactorRemoved, MailKind::SecondFactorRemoved);
        let change = self.change(user, session_id, kind, mail, by)?;
        if !self.store.remove_factor(since, &change).await? {
            return Err(FactorError::Missing.into());
        }
        self.bell.ring();
        Ok(())
    }

    fn change(
        &self,
        user: &User,
        session_id: Option<Uuid>,
        kind: EventKind,
        mail: MailKind,
        by: &Actor,
    ) -> Result<FactorChange, Error> {
        let now = self.clock.now();
        Ok(FactorChange {
            user_id: user.id,
            session_id,
            now,
            event: self.events.event(kind, by, Some(user.id), "")?,
            mail: self.mail(mail, user, now)?,
        })
    }

    fn mail(&self, kind: MailKind, user: &User, now: DateTime<Utc>) -> Result<NewMail, Error> {
        Ok(NewMail {
            id: self.entropy.new_id(now)?,
            kind,
            recipient: user.username.clone(),
            token_id: None,
            created_at: now,
            expires_at: None,
        })
    }
}
