//! Stepping up: a second factor proved in a session that is open gives an access token that says so. The session and
//! its refresh token stay as they are, so that what is refreshed is not elevated.

use std::time::Duration;

use auth_client::access_token::AccessToken;
use service_runtime::secret::Secret;

use crate::{
    domain::{
        error::Error,
        factor::FactorError,
        session::{Caller, Sessions},
    },
    model::{event::Actor, event_kind::EventKind, session::SECOND_FACTOR},
};

impl Sessions {
    /// An access token of the caller's session with a second factor proved now, and how long it lives.
    ///
    /// # Errors
    /// [`Error::Invalid`] without a code, [`FactorError::Missing`], [`FactorError::WrongCode`],
    /// [`FactorError::Throttled`], [`Error::TokenInvalid`] when the session has ended meanwhile.
    pub async fn step_up(
        &self,
        caller: &Caller,
        code: &Secret<String>,
        by: &Actor,
    ) -> Result<(Secret<String>, Duration), Error> {
        if caller.user.factor_since.is_none() {
            return Err(FactorError::Missing.into());
        }
        let user_id = Some(caller.user.id);
        let event = self.events.event(EventKind::FactorProved, by, user_id, "")?;
        self.factors
            .prove_and_tell(&caller.user, code, by, Some(event))
            .await?;
        let session = self.store.session(caller.session_id).await?;
        let session = session
            .filter(|session| session.ended_at.is_none())
            .ok_or(Error::TokenInvalid)?;
        let now = self.clock.now();
        // Whoever remembers a token need not know when its session ends.
        let expires_at = (now + self.access_lifetime).min(session.expires_at);
        let mut factors = session.factors;
        if !factors.iter().any(|factor| factor == SECOND_FACTOR) {
            factors.push(SECOND_FACTOR.to_owned());
        }
        let access = AccessToken {
            id: self.entropy.new_id(now)?,
            user_id: caller.user.id,
            session_id: session.id,
            issued_at: now,
            expires_at,
            auth_time: now,
            factors,
        };
        Ok((
            self.keys.sign(&access)?,
            (expires_at - now).to_std().unwrap_or_default(),
        ))
    }
}
