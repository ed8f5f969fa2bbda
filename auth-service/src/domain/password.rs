//! Passwords of accounts: setting a new one by mail or by the present one. Either ends sessions.

use std::time::Instant;

use service_runtime::{field::FieldError, secret::Secret};
use uuid::Uuid;

use crate::{
    domain::{account::Accounts, error::Error, session::Caller},
    model::{
        client::Client, event::Actor, event_kind::EventKind, mail::MailKind, mail_token::Purpose,
        password::NewPassword, user::User, username::Username,
    },
    store::password::Forgiven,
};

const WRONG: &str = "The current password is wrong.";

impl Accounts {
    /// Queues a mail that sets a new password for an active account.
    ///
    /// # Errors
    /// [`Error::Invalid`], [`Error::Throttled`].
    pub async fn request_password_reset(
        &self,
        username: &str,
        client: &Client,
        by: &Actor,
    ) -> Result<(), Error> {
        // Whose account it is about is known where the mail is queued.
        let event = self
            .events
            .event(EventKind::PasswordResetRequested, by, None, "")?;
        let (purpose, kind) = (Purpose::ResetPassword, MailKind::ResetPassword);
        self.mail_link(username, client, purpose, kind, Some(&event))
            .await
    }

    /// Sets a new password by the token of a reset mail and ends every session.
    ///
    /// # Errors
    /// [`Error::Invalid`], [`Error::MailTokenInvalid`], [`Error::Busy`].
    pub async fn reset_password(
        &self,
        token: &str,
        password: &Secret<String>,
        confirm: &Secret<String>,
        (client, by): (&Client, &Actor),
        deadline: Instant,
    ) -> Result<(), Error> {
        let (id, stored, address) = match self.mail_token(token, Purpose::ResetPassword, by).await {
            // A used token of a known account and one of an account that is gone are the same to a stranger.
            Err(Error::AccountGone) => return Err(Error::MailTokenInvalid),
            found => found?,
        };
        let user = self.store.user(stored.user_id).await?.filter(|user| {
            user.is_active
                && Username::parse(&user.username).is_ok_and(|current| current.key() == address.key())
        });
        let Some(user) = user.filter(|_| stored.used_at.is_none()) else {
            return Err(self.link_refused(by, Purpose::ResetPassword));
        };
        let mut faults = Vec::new();
        let new = self.new_password((password, confirm), own_data(&user), &mut faults, deadline);
        let Some(new) = new.await? else {
            return Err(Error::Invalid(faults));
        };
        let password_hash = self.passwords.hash(new, deadline).await?;
        let now = self.clock.now();
        let notice = self.notice(MailKind::PasswordChanged, &user.username, now)?;
        let event = self
            .events
            .event(EventKind::PasswordReset, by, Some(user.id), "")?;
        let told = (&notice, &event);
        let forgiven = Forgiven {
            accounts: self.throttle.names_of(&address),
            networks: self.throttle.networks_with(client, &[]),
        };
        if !self
            .store
            .reset_password(id, user.id, &password_hash, told, &forgiven, now)
            .await?
        {
            return Err(self.link_refused(by, Purpose::ResetPassword));
        }
        self.bell.ring();
        Ok(())
    }

    /// Replaces the caller's password and ends their other sessions.
    ///
    /// # Errors
    /// [`Error::Invalid`], [`Error::Throttled`], [`Error::Busy`].
    pub async fn change_password(
        &self,
        Caller { user, session_id, .. }: &Caller,
        by: &Actor,
        current: &Secret<String>,
        (password, confirm): (&Secret<String>, &Secret<String>),
        deadline: Instant,
    ) -> Result<(), Error> {
        let mut faults = Vec::new();
        if current.expose().is_empty() {
            faults.push(FieldError::new(
                "current_password",
                "The current password field is required",
            ));
        }
        let new = self.new_password((password, confirm), own_data(user), &mut faults, deadline);
        let (Some(new), true) = (new.await?, faults.is_empty()) else {
            return Err(Error::Invalid(faults));
        };
        let mut stored = self.stored_form_of(user.id, current, by, deadline).await?;
        self.throttle.credential_change(user.id).await?.or_refuse()?;
        let password_hash = self.passwords.hash(new, deadline).await?;
        let now = self.clock.now();
        let notice = self.notice(MailKind::PasswordChanged, &user.username, now)?;
        let event = self
            .events
            .event(EventKind::PasswordChanged, by, Some(user.id), "")?;
        let told = (&notice, &event);
        let change = async |stored: String| {
            let store = &self.store;
            store
                .change_password(user.id, *session_id, &stored, &password_hash, told, now)
                .await
        };
        if !change(stored).await? {
            // Another change was faster, or a login that renewed the stored form of the same password.
            stored = self.stored_form_of(user.id, current, by, deadline).await?;
            if !change(stored).await? {
                return Err(Error::field("current_password", WRONG));
            }
        }
        self.bell.ring();
        Ok(())
    }

    /// The stored form of the password that a user says is theirs.
    async fn stored_form_of(
        &self,
        user_id: Uuid,
        current: &Secret<String>,
        by: &Actor,
        deadline: Instant,
    ) -> Result<String, Error> {
        let stored = self
            .store
            .password_hash(user_id)
            .await?
            .ok_or(Error::TokenInvalid)?;
        let verdict = self
            .passwords
            .verify(current, Some(stored.clone()), deadline)
            .await?;
        let counted = self.throttle.password(user_id, verdict.matches).await?;
        if !(verdict.matches && counted.is_let_in()) {
            let kind = EventKind::PasswordRefused;
            self.events
                .note(kind, by, Some(user_id), "change of the password");
        }
        counted.or_refuse()?;
        match verdict.matches {
            true => Ok(stored),
            false => Err(Error::field("current_password", WRONG)),
        }
    }

    /// Reads a new password and its repetition, and notes what is wrong with them.
    ///
    /// # Errors
    /// [`Error::Busy`].
    pub(super) async fn new_password(
        &self,
        (password, confirm): (&Secret<String>, &Secret<String>),
        own: Vec<String>,
        faults: &mut Vec<FieldError>,
        deadline: Instant,
    ) -> Result<Option<NewPassword>, Error> {
        let before = faults.len();
        if password.expose().trim().is_empty() {
            faults.push(FieldError::new("password", "The password field is required"));
        }
        if confirm.expose().trim().is_empty() {
            faults.push(FieldError::new(
                "confirm_password",
                "The confirm password field is required",
            ));
        }
        if faults.len() == before && password != confirm {
            faults.push(FieldError::new("confirm_password", "Passwords are not matching."));
        }
        if password.expose().trim().is_empty() {
            return Ok(None);
        }
        let checked = self.passwords.check(self.policy, password.clone(), own, deadline);
        let checked = checked.await?;
        let checked = checked.map_err(|message| faults.push(FieldError::new("password", message)));
        Ok(checked.ok().filter(|_| faults.len() == before))
    }
}

fn own_data(user: &User) -> Vec<String> {
    let profile = &user.profile;
    vec![
        user.username.clone(),
        profile.first_name.clone(),
        profile.last_name.clone(),
    ]
}
