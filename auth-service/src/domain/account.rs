//! A person's own account, and how it begins. What its address proves is in [`address`](super::address), what
//! happens to its password in [`password`](super::password).

use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use service_runtime::{
    clock::Clock, database::idempotency::Once, entropy::Entropy, field::FieldError, secret::Secret,
};

use crate::{
    domain::{
        error::Error,
        event::Events,
        mail_token::MailTokens,
        outbox::Bell,
        password_pool::PasswordPool,
        throttle::{Throttle, refuse},
    },
    model::{
        client::Client, event::Actor, event_kind::EventKind, mail::MailKind, mail_token::Purpose,
        password::PasswordPolicy, profile::Profile, user::User, username::Username,
    },
    store::{
        Store,
        account::{IfTaken, Letters, Registered},
    },
};

/// How long an operator waits for a password to be hashed.
const OPERATORS_PATIENCE: Duration = Duration::from_secs(30);

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
    /// Who counts what is asked for.
    pub throttle: Throttle,
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
    /// Who tells the trail.
    pub events: Events,
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
    /// Where it is asked from.
    pub client: Client,
}

impl Accounts {
    /// Registers an account that cannot log in until its address is verified.
    ///
    /// # Errors
    /// [`Error::Invalid`], [`Error::UsernameTaken`], [`Error::IdempotencyKeyReused`], [`Error::Throttled`],
    /// [`Error::Busy`].
    pub async fn register(&self, asked: Registration, by: &Actor, deadline: Instant) -> Result<User, Error> {
        let mut faults = Vec::new();
        let username = required_username(&asked.username, &mut faults);
        // Only what was found sound is short enough to be looked for in the password.
        let mut own: Vec<String> = username
            .iter()
            .map(|username| username.as_str().to_owned())
            .collect();
        if let Ok(profile) = &asked.profile {
            own.extend([profile.first_name.clone(), profile.last_name.clone()]);
        }
        let passwords = (&asked.password, &asked.confirm_password);
        let password = self.new_password(passwords, own, &mut faults, deadline).await?;
        let profile = asked.profile.map_err(|bad| faults.extend(bad));
        let (Some(username), Some(password), Ok(profile)) = (username, password, profile) else {
            return Err(Error::Invalid(faults));
        };

        self.throttle.registration(&asked.client).await?.or_refuse()?;
        // Hashed before anything is looked up: a taken address costs what a free one costs.
        let password_hash = self.passwords.hash(password, deadline).await?;
        let now = self.clock.now();
        let user = self.new_user(&username, profile, now)?;
        let letters = self.letters(&username, now)?;
        let once = asked.once.as_ref();
        let event = self
            .events
            .event(EventKind::AccountRegistered, by, Some(user.id), "")?;
        let registered = self
            .store
            .register(&user, &username, &password_hash, &[event], Some(&letters), once)
            .await?;
        self.bell.ring();
        match registered {
            Registered::Yes(user) => Ok(*user),
            Registered::Hidden { user, untold } => {
                // Who asks does not learn of it; the numbers do.
                let _silently = untold.map(refuse);
                Ok(*user)
            }
            Registered::Taken => Err(Error::UsernameTaken),
            Registered::KeyReused => Err(Error::IdempotencyKeyReused),
        }
    }

    /// What goes to the mailbox that somebody registers, whoever has it.
    fn letters(&self, username: &Username, now: DateTime<Utc>) -> Result<Letters, Error> {
        let link_kind = MailKind::VerifyEmail;
        let (token, link) = self.link(username, Purpose::VerifyEmail, link_kind, now)?;
        let if_taken = match self.disclose_existing {
            true => None,
            false => {
                let notice_kind = MailKind::AlreadyRegistered;
                Some(IfTaken {
                    link_lane: self.throttle.mail_lane(link_kind, username),
                    notice: self.notice(notice_kind, username.as_str(), now)?,
                    notice_lane: self.throttle.mail_lane(notice_kind, username),
                })
            }
        };
        Ok(Letters {
            token,
            link,
            if_taken,
        })
    }

    /// Makes an account for an operator, who vouches for the address: it can log in at once.
    ///
    /// # Errors
    /// [`Error::Invalid`], [`Error::UsernameTaken`].
    pub async fn create(
        &self,
        username: &str,
        password: &Secret<String>,
        is_staff: bool,
    ) -> Result<User, Error> {
        let mut faults = Vec::new();
        let username = required_username(username, &mut faults);
        let own = username
            .iter()
            .map(|username| username.as_str().to_owned())
            .collect();
        let deadline = Instant::now() + OPERATORS_PATIENCE;
        let new = self.new_password((password, password), own, &mut faults, deadline);
        let (Some(username), Some(new)) = (username, new.await?) else {
            return Err(Error::Invalid(faults));
        };
        let password_hash = self.passwords.hash(new, deadline).await?;
        let now = self.clock.now();
        let user = User {
            is_active: true,
            is_staff,
            verified_at: Some(now),
            ..self.new_user(&username, Profile::default(), now)?
        };
        let mut events = Vec::new();
        for (is_so, kind) in [
            (true, EventKind::AccountRegistered),
            (true, EventKind::UserActivated),
            (is_staff, EventKind::StaffGranted),
        ] {
            if is_so {
                events.push(self.events.event(kind, &Actor::default(), Some(user.id), "")?);
            }
        }
        let made = self
            .store
            .register(&user, &username, &password_hash, &events, None, None);
        match made.await? {
            Registered::Yes(user) => Ok(*user),
            Registered::Hidden { .. } | Registered::Taken | Registered::KeyReused => {
                Err(Error::UsernameTaken)
            }
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
        match self.create(username.as_str(), password, true).await {
            Ok(_) => Ok(true),
            // Another process that starts at this moment was first.
            Err(Error::UsernameTaken) if self.store.has_staff().await? => Ok(false),
            Err(error) => Err(error),
        }
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
            factor_since: None,
            revision: 1,
        })
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
