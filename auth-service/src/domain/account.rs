//! A person's own account: registering, proving addresses, passwords.

use std::time::Instant;

use chrono::{DateTime, TimeDelta, Utc};
use service_runtime::{
    clock::Clock, database::idempotency::Once, entropy::Entropy, field::FieldError, secret::Secret,
};
use uuid::Uuid;

use crate::{
    domain::{
        error::Error,
        mail_token::{MailTokens, hash},
        outbox::Bell,
        password_pool::PasswordPool,
    },
    model::{
        mail::{MailKind, NewMail},
        mail_token::{NewMailToken, Purpose},
        password::{NewPassword, PasswordPolicy},
        profile::Profile,
        user::User,
        username::Username,
    },
    store::{
        Store,
        account::{Proved, Registered},
        mail_token::StoredMailToken,
    },
};

/// The rules about accounts.
#[derive(Clone)]
pub struct Accounts {
    /// Where accounts are kept.
    pub store: Store,
    /// When it is.
    pub clock: Clock,
    /// Where ids come from.
    pub entropy: Entropy,
    /// Who hashes.
    pub passwords: PasswordPool,
    /// What new passwords are measured by.
    pub policy: PasswordPolicy,
    /// Who makes mail tokens.
    pub mail_tokens: MailTokens,
    /// How long a mail link is valid.
    pub link_lifetime: TimeDelta,
    /// Whether a registration may tell that an address has an account.
    pub disclose_existing: bool,
    /// Rung when mail was queued.
    pub bell: Bell,
}

/// A new account, as asked for.
#[derive(Debug)]
pub struct Registration {
    /// The address.
    pub username: String,
    /// The password.
    pub password: Secret<String>,
    /// The password again.
    pub confirm_password: Secret<String>,
    /// What the person says about themself; bad fields are told with the others.
    pub profile: Result<Profile, Vec<FieldError>>,
    /// The wish that this act once.
    pub once: Option<Once>,
}

impl Accounts {
    /// Registers an account that cannot log in until its address is verified.
    ///
    /// # Errors
    /// [`Error::Invalid`], [`Error::UsernameTaken`], [`Error::IdempotencyKeyReused`], [`Error::Busy`].
    pub async fn register(&self, asked: Registration, deadline: Instant) -> Result<User, Error> {
        let mut faults = Vec::new();
        let username = required_username(&asked.username, &mut faults);
        let own = match &asked.profile {
            Ok(profile) => vec![asked.username.as_str(), &profile.first_name, &profile.last_name],
            Err(_) => vec![asked.username.as_str()],
        };
        let password = self.new_password(&asked.password, &asked.confirm_password, &own, &mut faults);
        let profile = asked.profile.map_err(|bad| faults.extend(bad));
        let (Some(username), Some(password), Ok(profile)) = (username, password, profile) else {
            return Err(Error::Invalid(faults));
        };

        // Hashed before anything is looked up: a taken address costs what a free one costs.
        let password_hash = self.passwords.hash(password, deadline).await?;
        let now = self.clock.now();
        let user = self.new_user(&username, profile, now)?;
        let (token, mail) = self.link(&user, &username, Purpose::VerifyEmail, MailKind::VerifyEmail, now)?;
        let once = asked.once.as_ref();
        let registered = self
            .store
            .register(&user, &username, &password_hash, Some((&token, &mail)), once)
            .await?;
        let registered = match registered {
            Registered::Taken if !self.disclose_existing => {
                let mail = self.notice(MailKind::AlreadyRegistered, username.as_str(), now)?;
                self.store.hide_registration(&user, &mail, once).await?
            }
            other => other,
        };
        self.bell.ring();
        match registered {
            Registered::Yes(user) => Ok(*user),
            Registered::Taken => Err(Error::UsernameTaken),
            Registered::KeyReused => Err(Error::IdempotencyKeyReused),
        }
    }

    /// Makes the account of a token's owner active.
    ///
    /// # Errors
    /// [`Error::MailTokenInvalid`], [`Error::AccountGone`].
    pub async fn verify_email(&self, token: &str) -> Result<User, Error> {
        let (id, stored, address) = self.mail_token(token, Purpose::VerifyEmail).await?;
        match self
            .store
            .verify_address(id, stored.user_id, &address, self.clock.now())
            .await?
        {
            Proved::Yes(user) => Ok(*user),
            Proved::Invalid | Proved::Taken => Err(Error::MailTokenInvalid),
        }
    }

    /// Puts the new address of a token's owner into effect.
    ///
    /// # Errors
    /// [`Error::MailTokenInvalid`], [`Error::AccountGone`], [`Error::UsernameTaken`].
    pub async fn confirm_username(&self, token: &str) -> Result<User, Error> {
        let (id, stored, address) = self.mail_token(token, Purpose::ConfirmUsername).await?;
        match self
            .store
            .confirm_username(id, stored.user_id, &address, self.clock.now())
            .await?
        {
            Proved::Yes(user) => Ok(*user),
            Proved::Invalid => Err(Error::MailTokenInvalid),
            Proved::Taken => Err(Error::UsernameTaken),
        }
    }

    /// Queues another verification mail for an account that still needs one.
    ///
    /// # Errors
    /// [`Error::Invalid`].
    pub async fn resend_verification(&self, username: &str) -> Result<(), Error> {
        let wants = |user: &User| user.verified_at.is_none();
        self.mail_link(username, Purpose::VerifyEmail, MailKind::VerifyEmail, wants)
            .await
    }

    /// Queues a mail that sets a new password for an active account.
    ///
    /// # Errors
    /// [`Error::Invalid`].
    pub async fn request_password_reset(&self, username: &str) -> Result<(), Error> {
        let wants = |user: &User| user.is_active;
        self.mail_link(username, Purpose::ResetPassword, MailKind::ResetPassword, wants)
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
        deadline: Instant,
    ) -> Result<(), Error> {
        let (id, stored, address) = match self.mail_token(token, Purpose::ResetPassword).await {
            // A used token of a known account and one of an account that is gone are the same to a stranger.
            Err(Error::AccountGone) => return Err(Error::MailTokenInvalid),
            found => found?,
        };
        let user = self.store.user(stored.user_id).await?.filter(|user| {
            user.is_active
                && Username::parse(&user.username).is_ok_and(|current| current.key() == address.key())
        });
        let Some(user) = user.filter(|_| stored.used_at.is_none()) else {
            return Err(Error::MailTokenInvalid);
        };
        let mut faults = Vec::new();
        let Some(new) = self.new_password(password, confirm, &own_data(&user), &mut faults) else {
            return Err(Error::Invalid(faults));
        };
        let password_hash = self.passwords.hash(new, deadline).await?;
        let now = self.clock.now();
        let notice = self.notice(MailKind::PasswordChanged, &user.username, now)?;
        if !self
            .store
            .reset_password(id, user.id, &password_hash, &notice, now)
            .await?
        {
            return Err(Error::MailTokenInvalid);
        }
        self.bell.ring();
        Ok(())
    }

    /// Replaces the caller's password and ends their other sessions.
    ///
    /// # Errors
    /// [`Error::Invalid`], [`Error::Busy`].
    pub async fn change_password(
        &self,
        user: &User,
        session_id: Uuid,
        current: &Secret<String>,
        (password, confirm): (&Secret<String>, &Secret<String>),
        deadline: Instant,
    ) -> Result<(), Error> {
        const WRONG: &str = "The current password is wrong.";
        let mut faults = Vec::new();
        if current.expose().is_empty() {
            faults.push(FieldError::new(
                "current_password",
                "The current password field is required",
            ));
        }
        let new = self.new_password(password, confirm, &own_data(user), &mut faults);
        let (Some(new), true) = (new, faults.is_empty()) else {
            return Err(Error::Invalid(faults));
        };
        let stored = self
            .store
            .password_hash(user.id)
            .await?
            .ok_or(Error::TokenInvalid)?;
        let verdict = self
            .passwords
            .verify(bounded(current), Some(stored.clone()), deadline)
            .await?;
        if !verdict.matches {
            return Err(Error::field("current_password", WRONG));
        }
        let password_hash = self.passwords.hash(new, deadline).await?;
        let now = self.clock.now();
        let notice = self.notice(MailKind::PasswordChanged, &user.username, now)?;
        let changed = self
            .store
            .change_password(user.id, session_id, &stored, &password_hash, &notice, now)
            .await?;
        self.bell.ring();
        // Somebody else changed it in between: what was given is no longer the current password.
        if changed {
            Ok(())
        } else {
            Err(Error::field("current_password", WRONG))
        }
    }

    /// Makes the first staff account, if there is no staff yet; says whether it did.
    ///
    /// # Errors
    /// [`Error::Invalid`], [`Error::UsernameTaken`].
    pub async fn ensure_staff(&self, username: &Username, password: &Secret<String>) -> Result<bool, Error> {
        if self.store.has_staff().await? {
            return Ok(false);
        }
        let mut faults = Vec::new();
        let new = self.new_password(password, password, &[username.as_str()], &mut faults);
        let Some(new) = new else {
            return Err(Error::Invalid(faults));
        };
        let deadline = Instant::now() + std::time::Duration::from_secs(30);
        let password_hash = self.passwords.hash(new, deadline).await?;
        let now = self.clock.now();
        let user = User {
            is_active: true,
            is_staff: true,
            verified_at: Some(now),
            ..self.new_user(username, Profile::default(), now)?
        };
        let made = self.store.register(&user, username, &password_hash, None, None);
        match made.await? {
            Registered::Yes(_) => Ok(true),
            // Another process that starts at this moment was first.
            _ if self.store.has_staff().await? => Ok(false),
            Registered::Taken | Registered::KeyReused => Err(Error::UsernameTaken),
        }
    }

    /// A token that its mailbox may use: genuine, of this purpose, known and not expired.
    async fn mail_token(
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
        if stored.token_hash != hash(text) || stored.expires_at <= self.clock.now() {
            return Err(Error::MailTokenInvalid);
        }
        Ok((id, stored, address))
    }

    async fn mail_link(
        &self,
        username: &str,
        purpose: Purpose,
        kind: MailKind,
        wants: impl FnOnce(&User) -> bool,
    ) -> Result<(), Error> {
        let mut faults = Vec::new();
        let Some(asked) = required_username(username, &mut faults) else {
            return Err(Error::Invalid(faults));
        };
        let user = self.store.user_by_username(asked.key()).await?.filter(wants);
        if let Some(user) = user {
            let address = Username::parse(&user.username).map_err(Error::internal)?;
            let (token, mail) = self.link(&user, &address, purpose, kind, self.clock.now())?;
            self.store.queue_link(&token, &mail).await?;
            self.bell.ring();
        }
        Ok(())
    }

    /// A mail with a link, and the token of that link.
    pub(crate) fn link(
        &self,
        user: &User,
        address: &Username,
        purpose: Purpose,
        kind: MailKind,
        now: DateTime<Utc>,
    ) -> Result<(NewMailToken, NewMail), Error> {
        let id = self.entropy.new_id(now)?;
        let expires_at = now + self.link_lifetime;
        let token = NewMailToken {
            id,
            user_id: user.id,
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

    fn new_user(&self, username: &Username, profile: Profile, now: DateTime<Utc>) -> Result<User, Error> {
        Ok(User {
            id: self.entropy.new_id(now)?,
            username: username.as_str().to_owned(),
            profile,
            is_active: false,
            is_staff: false,
            verified_at: None,
            pending_username: None,
            date_joined: now,
            last_login: None,
            revision: 1,
        })
    }

    fn new_password(
        &self,
        password: &Secret<String>,
        confirm: &Secret<String>,
        own: &[&str],
        faults: &mut Vec<FieldError>,
    ) -> Option<NewPassword> {
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
            return None;
        }
        let checked = self.policy.check(password.expose(), own);
        let checked = checked.map_err(|message| faults.push(FieldError::new("password", message)));
        checked.ok().filter(|_| faults.len() == before)
    }
}

/// Reads a required address and notes what is wrong with it.
pub(crate) fn required_username(text: &str, faults: &mut Vec<FieldError>) -> Option<Username> {
    if text.trim().is_empty() {
        faults.push(FieldError::new("username", "The username field is required"));
        return None;
    }
    let parsed = Username::parse(text);
    parsed
        .map_err(|not| faults.push(FieldError::new("username", not.to_string())))
        .ok()
}

/// A password to compare, cut to what could ever match: nobody makes the server hash a megabyte.
pub(crate) fn bounded(password: &Secret<String>) -> Secret<String> {
    // Django had no upper bound; imported passwords may be longer than new ones.
    const MOST: usize = 4096;
    let text = password.expose();
    Secret::new(text[..text.floor_char_boundary(MOST)].to_owned())
}

fn own_data(user: &User) -> Vec<&str> {
    vec![&user.username, &user.profile.first_name, &user.profile.last_name]
}

fn made_at(id: Uuid) -> Option<DateTime<Utc>> {
    let (seconds, nanos) = id.get_timestamp()?.to_unix();
    DateTime::from_timestamp(i64::try_from(seconds).ok()?, nanos)
}
