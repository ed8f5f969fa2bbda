//! Changing one's own profile. A new address waits until it is confirmed from that mailbox; the old mailbox is
//! told.

use chrono::NaiveDate;

use crate::{
    domain::{account::Accounts, error::Error, session::Caller},
    model::{
        event::Actor,
        event_kind::EventKind,
        mail::MailKind,
        mail_token::Purpose,
        profile::{ColorMode, Profile},
        user::User,
        username::Username,
    },
    store::user::{Effects, NotChanged},
};

/// The fields of a profile to change: `None` leaves a field as it is.
#[derive(Debug, Default)]
pub struct ProfileChange {
    /// Given name.
    pub first_name: Option<String>,
    /// Family name.
    pub last_name: Option<String>,
    /// A text about the person.
    pub bio: Option<String>,
    /// How the dashboard greets the person.
    pub user_greeting: Option<String>,
    /// The look of the user interface.
    pub color_mode: Option<ColorMode>,
    /// The first date on the dashboard; `Some(None)` clears it.
    pub dashboard_first_date: Option<Option<NaiveDate>>,
    /// The second date on the dashboard; `Some(None)` clears it.
    pub dashboard_second_date: Option<Option<NaiveDate>>,
}

impl ProfileChange {
    /// Changes a profile.
    pub fn apply(self, profile: &mut Profile) {
        fn set<T>(field: &mut T, value: Option<T>) {
            if let Some(value) = value {
                *field = value;
            }
        }
        set(&mut profile.first_name, self.first_name);
        set(&mut profile.last_name, self.last_name);
        set(&mut profile.bio, self.bio);
        set(&mut profile.user_greeting, self.user_greeting);
        set(&mut profile.color_mode, self.color_mode);
        set(&mut profile.dashboard_first_date, self.dashboard_first_date);
        set(&mut profile.dashboard_second_date, self.dashboard_second_date);
    }
}

impl Accounts {
    /// Changes the caller's profile, and asks a new address to confirm itself.
    ///
    /// # Errors
    /// [`Error::UsernameTaken`], [`Error::EtagMismatch`], [`Error::Throttled`]; for a new address
    /// [`FactorError::NotFresh`](super::factor::FactorError), [`FactorError::NotRecent`](super::factor::FactorError).
    pub async fn update_profile(
        &self,
        caller: &Caller,
        by: &Actor,
        change: ProfileChange,
        username: Option<Username>,
        revision: Option<i64>,
    ) -> Result<User, Error> {
        let now = self.clock.now();
        let mut effects = Effects::default();
        let current = Username::parse(&caller.user.username).map_err(Error::internal)?;
        if let Some(new) = username.as_ref().filter(|new| new.key() != current.key()) {
            // Whoever reads the mail of the new address can set the password.
            caller.shown_lately(now)?;
            self.throttle.username_change(caller.user.id).await?.or_refuse()?;
            let taken = self.store.user_by_username(new.key()).await?.is_some();
            if taken && self.disclose_existing {
                return Err(Error::UsernameTaken);
            }
            let kind = if taken {
                MailKind::AlreadyRegistered
            } else {
                MailKind::ConfirmUsername
            };
            // Both are counted alike: what is refused does not tell which it is.
            self.throttle
                .mail(MailKind::ConfirmUsername, new)
                .await?
                .or_refuse()?;
            if taken {
                // Nothing tells the caller; the owner of the address learns of it.
                effects.mails.push(self.notice(kind, new.as_str(), now)?);
            } else {
                let purpose = Purpose::ConfirmUsername;
                let (token, mail) = self.link(new, purpose, kind, now)?;
                effects.tokens.push(token);
                effects.mails.push(mail);
            }
            effects
                .mails
                .push(self.notice(MailKind::UsernameChangeRequested, current.as_str(), now)?);
            let (kind, user_id) = (EventKind::UsernameChangeRequested, caller.user.id);
            effects
                .events
                .push(self.events.event(kind, by, Some(user_id), "")?);
        }
        let queued = !effects.mails.is_empty();
        let changed = self
            .store
            .change_user(caller.user.id, revision, now, move |user| {
                change.apply(&mut user.profile);
                if let Some(new) = username {
                    // One's own address again takes a waiting change back.
                    let other = new.key() != current.key();
                    user.pending_username = other.then(|| new.as_str().to_owned());
                }
                Ok::<_, Error>(effects)
            });
        let user = changed.await.map_err(not_changed)?;
        if queued {
            self.bell.ring();
        }
        Ok(user)
    }
}

/// What a refused change of a user means to the caller.
pub(crate) fn not_changed(error: NotChanged<Error>) -> Error {
    match error {
        NotChanged::NotFound => Error::NotFound("user"),
        NotChanged::OtherRevision => Error::EtagMismatch,
        NotChanged::LastStaffUser => Error::LastStaffUser,
        NotChanged::Refused(error) => error,
        NotChanged::Store(error) => error.into(),
    }
}
