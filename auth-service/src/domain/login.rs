//! Logging in. Whatever is wrong with it, and whoever it is, the answer is the same.

use std::time::Instant;

use service_runtime::{field::FieldError, secret::Secret};
use uuid::Uuid;

use crate::{
    domain::{
        error::Error,
        factor::FactorError,
        session::{Sessions, Tokens},
    },
    model::{
        client::Client, event::Actor, event_kind::EventKind, password::PasswordPolicy, session::Session,
        user::User, username::Username,
    },
};

impl Sessions {
    /// Opens a session.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a missing field, [`Error::InvalidCredentials`] for all that is wrong with the
    /// rest, [`FactorError::Required`] when only a code is missing, [`Error::Busy`].
    pub async fn login(
        &self,
        username: &str,
        password: &Secret<String>,
        code: &Secret<String>,
        client: &Client,
        by: &Actor,
        deadline: Instant,
    ) -> Result<Tokens, Error> {
        let mut faults = Vec::new();
        for (field, text) in [("username", username), ("password", password.expose().as_str())] {
            if text.trim().is_empty() {
                faults.push(FieldError::new(field, format!("The {field} field is required")));
            }
        }
        if !faults.is_empty() {
            return Err(Error::Invalid(faults));
        }

        // Whoever it is, known or not, active or not: one look-up, one comparison, one answer.
        let credentials = match Username::parse(username) {
            Ok(username) => self.store.credentials(username.key()).await?,
            Err(_) => None,
        };
        let stored = credentials.as_ref().map(|it| it.password_hash.clone());
        let verdict = self.passwords.verify(password, stored, deadline).await?;
        let known = credentials.as_ref().map_or(&[][..], |it| &it.known_networks);
        let is_active = credentials.as_ref().is_some_and(|it| it.user.is_active);
        let is_right = verdict.matches && is_active;
        let counted = self.throttle.login(username, client, known, is_right).await?;
        let user_id = credentials.as_ref().map(|it| it.user.id);
        let Some(credentials) = credentials.filter(|_| is_right && counted.is_let_in()) else {
            let why = match user_id {
                _ if !counted.is_let_in() => return Err(self.throttled(by, user_id)),
                None => "unknown account",
                Some(_) if !verdict.matches => "wrong password",
                Some(_) => "inactive account",
            };
            return Err(self.refused(by, user_id, why));
        };
        let networks = self.throttle.networks_with(client, &credentials.known_networks);
        let (user, mut stored) = (credentials.user, credentials.password_hash);
        if verdict.outdated {
            stored = self.renew(&user, stored, password, by, deadline).await?;
        }
        let factors = self.factors.at_login(&user, code, by).await;
        let factors = factors.map_err(|error| self.unproved(by, user.id, error))?;

        let now = self.clock.now();
        let session = Session {
            id: self.entropy.new_id(now)?,
            user_id: user.id,
            salt: self.entropy.bytes::<16>()?.to_vec(),
            refresh_counter: 0,
            user_agent: client.user_agent.clone(),
            ip_address: client.ip_address.clone(),
            factors,
            auth_time: now,
            created_at: now,
            last_used_at: now,
            expires_at: self.expiry(now, now),
            ended_at: None,
        };
        let by_them = by.known_as(user.id, session.id);
        let event = self.events.event(
            EventKind::LoginSucceeded,
            &by_them,
            Some(user.id),
            session.factors.join(" "),
        )?;
        let opened = self
            .store
            .open_session(&session, &stored, networks.as_deref(), &event);
        match opened.await? {
            Some(user) => self.tokens(&session, 0, user, now),
            None => Err(self.refused(by, Some(user.id), "changed meanwhile")),
        }
    }

    /// The refusal of a login, noted. It says the same whatever the reason, which only the trail has.
    fn refused(&self, by: &Actor, subject_id: Option<Uuid>, why: &str) -> Error {
        self.events.note(EventKind::LoginFailed, by, subject_id, why);
        Error::InvalidCredentials
    }

    /// The refusal of a login with the right password and no good code, noted: whoever gets as far knows the password.
    /// Only that a code is missing is told.
    fn unproved(&self, by: &Actor, user_id: Uuid, error: Error) -> Error {
        let why = match error {
            Error::Factor(FactorError::Required) => "second factor missing",
            Error::Factor(FactorError::WrongCode) => "code refused",
            _ => "code not looked at",
        };
        let refused = self.refused(by, Some(user_id), why);
        match error {
            Error::Factor(FactorError::Required) => error,
            Error::Factor(_) => refused,
            other => other,
        }
    }

    /// The refusal of a login that was not counted because too many had failed, noted. It says what any other says.
    fn throttled(&self, by: &Actor, subject_id: Option<Uuid>) -> Error {
        self.events.note(EventKind::LoginThrottled, by, subject_id, "");
        Error::InvalidCredentials
    }

    /// Replaces an outdated stored password now that the password is known; says which form is stored. That
    /// it cannot be replaced must not fail a login that succeeds.
    async fn renew(
        &self,
        user: &User,
        stored: String,
        password: &Secret<String>,
        by: &Actor,
        deadline: Instant,
    ) -> Result<String, Error> {
        let renew = async {
            let any = PasswordPolicy {
                min_length: 0,
                strong: false,
            };
            // Longer than what is allowed today: it stays as it is.
            let password = any
                .check(password.expose(), &[])
                .map_err(|message| Error::field("password", message))?;
            let renewed = self.passwords.hash(password, deadline).await?;
            let replaced = self.store.renew_password_hash(user.id, &stored, &renewed).await?;
            Ok::<_, Error>(replaced.then_some(renewed))
        };
        match renew.await {
            Ok(Some(renewed)) => Ok(renewed),
            Ok(None) => self.replaced_meanwhile(user.id, password, by, deadline).await,
            Err(error) => {
                tracing::warn!(user_id = %user.id, %error, "an outdated password hash was not replaced");
                Ok(stored)
            }
        }
    }

    /// The form that is stored since another login, or a change of the password, was faster: the password may
    /// still be the one.
    async fn replaced_meanwhile(
        &self,
        user_id: Uuid,
        password: &Secret<String>,
        by: &Actor,
        deadline: Instant,
    ) -> Result<String, Error> {
        let stored = self.store.password_hash(user_id).await?;
        let compared = self.passwords.verify(password, stored.clone(), deadline).await?;
        stored
            .filter(|_| compared.matches)
            .ok_or_else(|| self.refused(by, Some(user_id), "changed meanwhile"))
    }
}
