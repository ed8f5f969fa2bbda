//! Logging in, staying logged in, ending it, and knowing who calls.

use std::time::{Duration, Instant};

use auth_client::access_token::AccessToken;
use chrono::{DateTime, TimeDelta, Utc};
use service_runtime::{
    clock::Clock, entropy::Entropy, field::FieldError, page_token::PageTokens, secret::Secret,
};
use uuid::Uuid;

use crate::{
    domain::{
        error::Error,
        password_pool::PasswordPool,
        refresh_token::{Claimed, RefreshTokens},
        signing_key::KeyRing,
    },
    model::{
        client::Client,
        event::{SecurityEvent, Severity},
        id,
        password::PasswordPolicy,
        session::{EndReason, FRESH, LONGEST_SESSION, SECOND_FACTOR, Session},
        user::User,
        username::Username,
    },
    store::{Store, session::SessionCursor},
};

/// How many sessions are ended by one statement when all are.
const ENDED_AT_ONCE: i64 = 1000;

/// The rules about sessions.
#[derive(Clone)]
pub struct Sessions {
    /// Where sessions are kept.
    pub store: Store,
    /// When it is.
    pub clock: Clock,
    /// Where ids and salts come from.
    pub entropy: Entropy,
    /// Who compares passwords.
    pub passwords: PasswordPool,
    /// Who makes refresh tokens.
    pub refresh_tokens: RefreshTokens,
    /// Who signs access tokens.
    pub keys: KeyRing,
    /// Who makes page tokens.
    pub pages: PageTokens,
    /// How long an access token lives.
    pub access_lifetime: Duration,
    /// How long a refresh token lives.
    pub refresh_lifetime: TimeDelta,
}

/// What an open session is used with.
#[derive(Debug)]
pub struct Tokens {
    /// The access token.
    pub access: Secret<String>,
    /// The refresh token.
    pub refresh: Secret<String>,
    /// How long the access token lives.
    pub expires_in: Duration,
    /// Who is logged in.
    pub user: User,
}

/// Who calls, as the database has it now.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The account.
    pub user: User,
    /// The session.
    pub session_id: Uuid,
    /// When the person proved who they are.
    pub auth_time: DateTime<Utc>,
    /// How they proved it.
    pub factors: Vec<String>,
    /// The revision of the state of security at which all this is so.
    pub revision: i64,
}

impl Caller {
    /// Whether the person proved a second factor a moment ago.
    pub fn has_fresh_factor(&self, now: DateTime<Utc>) -> bool {
        self.factors.iter().any(|factor| factor == SECOND_FACTOR) && now - self.auth_time <= FRESH
    }
}

impl Sessions {
    /// Opens a session.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a missing field, [`Error::InvalidCredentials`] for all that is wrong with the
    /// rest, [`Error::Busy`].
    pub async fn login(
        &self,
        username: &str,
        password: &Secret<String>,
        client: &Client,
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
        let (user, stored) = credentials.unzip();
        let verdict = self.passwords.verify(password, stored.clone(), deadline).await?;
        let (Some(user), Some(mut stored)) = (user, stored) else {
            return Err(Error::InvalidCredentials);
        };
        if !verdict.matches || !user.is_active {
            return Err(Error::InvalidCredentials);
        }
        if verdict.outdated {
            stored = self.renew(&user, stored, password, deadline).await?;
        }

        let now = self.clock.now();
        let session = Session {
            id: self.entropy.new_id(now)?,
            user_id: user.id,
            salt: self.entropy.bytes::<16>()?.to_vec(),
            refresh_counter: 0,
            user_agent: client.user_agent.clone(),
            ip_address: client.ip_address.clone(),
            factors: vec!["pwd".to_owned()],
            auth_time: now,
            created_at: now,
            last_used_at: now,
            expires_at: self.expiry(now, now),
            ended_at: None,
        };
        match self.store.open_session(&session, &stored).await? {
            Some(user) => self.tokens(&session, 0, user, now),
            None => Err(Error::InvalidCredentials),
        }
    }

    /// Goes on with a session.
    ///
    /// # Errors
    /// [`Error::RefreshFailed`], whatever is wrong with the token.
    pub async fn refresh(&self, token: &str, client: &Client, request_id: &str) -> Result<Tokens, Error> {
        let (claimed, session) = self.claimed(token).await?;
        let (now, next) = (self.clock.now(), claimed.counter.saturating_add(1));
        let expires_at = self.expiry(session.created_at, now);
        let refreshed = self
            .store
            .refresh_session(session.id, claimed.counter, &client.ip_address, now, expires_at)
            .await?;
        if !refreshed {
            // Somebody was first, or the session is over: the row says which.
            let current = self
                .store
                .session(session.id)
                .await?
                .ok_or(Error::RefreshFailed)?;
            if current.ended_at.is_some() || current.expires_at <= now {
                return Err(Error::RefreshFailed);
            }
            if current.refresh_counter != next {
                return self.replayed(&current, client, request_id, now).await;
            }
        }
        let user = self.store.active_user(session.user_id, session.id, now).await?;
        let (user, _) = user.ok_or(Error::RefreshFailed)?;
        self.tokens(&session, next, user, now)
    }

    /// Ends the session of a refresh token. It may have ended before.
    ///
    /// # Errors
    /// [`Error::RefreshFailed`] for what is not a refresh token of ours.
    pub async fn logout(&self, token: &str) -> Result<(), Error> {
        let (_, session) = self.claimed(token).await?;
        self.store
            .end_session(session.id, EndReason::Logout, self.clock.now(), None)
            .await?;
        Ok(())
    }

    /// Ends every session of the caller.
    ///
    /// # Errors
    /// When the database cannot serve.
    pub async fn logout_all(&self, caller: &Caller) -> Result<(), Error> {
        Ok(self
            .store
            .end_all_sessions(caller.user.id, EndReason::Logout, self.clock.now())
            .await?)
    }

    /// Ends every session of everybody, a few at a time, so that nobody waits long for a lock; says how many.
    ///
    /// # Errors
    /// When the database cannot serve. Doing it again goes on.
    pub async fn end_everybodys(&self) -> Result<usize, Error> {
        let (mut ended, mut after) = (0, Uuid::nil());
        loop {
            let now = self.clock.now();
            let batch = self
                .store
                .end_anybodys_sessions(after, EndReason::Operator, now, ENDED_AT_ONCE)
                .await?;
            let Some(last) = batch.iter().max() else {
                return Ok(ended);
            };
            after = *last;
            ended += batch.len();
        }
    }

    /// A page of the caller's open sessions, and the token of the next page.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a bad page size or token.
    pub async fn list(
        &self,
        caller: &Caller,
        page_size: i32,
        page_token: &str,
    ) -> Result<(Vec<Session>, String), Error> {
        let scope = ("sessions", caller.user.id);
        let (size, after) = page(&self.pages, &scope, page_size, page_token)?;
        let now = self.clock.now();
        let mut sessions = self
            .store
            .list_sessions(caller.user.id, now, after.as_ref(), size + 1)
            .await?;
        let next = next_page(&self.pages, &scope, &mut sessions, size, |last| SessionCursor {
            created_at: last.created_at,
            id: last.id,
        });
        Ok((sessions, next))
    }

    /// Ends one open session of the caller.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn revoke(&self, caller: &Caller, id: &str) -> Result<(), Error> {
        let id = id::parse(id).ok_or(Error::NotFound("session"))?;
        let ended = self
            .store
            .revoke_session(id, caller.user.id, self.clock.now())
            .await?;
        if ended {
            Ok(())
        } else {
            Err(Error::NotFound("session"))
        }
    }

    /// Whose an access token is, if its session is open and its account active now.
    ///
    /// # Errors
    /// [`Error::TokenInvalid`].
    pub async fn authenticate(&self, access_token: &str) -> Result<Caller, Error> {
        let token = self.keys.verify(access_token).await?;
        let user = self
            .store
            .active_user(token.user_id, token.session_id, self.clock.now())
            .await?;
        let (user, revision) = user.ok_or(Error::TokenInvalid)?;
        Ok(Caller {
            user,
            revision,
            session_id: token.session_id,
            auth_time: token.auth_time,
            factors: token.factors,
        })
    }

    /// A genuine refresh token and its session.
    async fn claimed(&self, token: &str) -> Result<(Claimed, Session), Error> {
        let claimed = RefreshTokens::read(token).ok_or(Error::RefreshFailed)?;
        let session = self
            .store
            .session(claimed.session_id)
            .await?
            .ok_or(Error::RefreshFailed)?;
        if !self.refresh_tokens.is_genuine(&claimed, &session.salt) {
            return Err(Error::RefreshFailed);
        }
        Ok((claimed, session))
    }

    /// A token came back after its successor had been used: two parties hold it, so the session ends.
    async fn replayed(
        &self,
        session: &Session,
        client: &Client,
        request_id: &str,
        now: DateTime<Utc>,
    ) -> Result<Tokens, Error> {
        let event = SecurityEvent {
            id: self.entropy.new_id(now)?,
            time: now,
            severity: Severity::Critical,
            kind: "refresh_replayed",
            actor_id: None,
            subject_id: Some(session.user_id),
            session_id: Some(session.id),
            ip_address: client.ip_address.clone(),
            request_id: request_id.to_owned(),
            detail: "A refresh token was used again after its successor; the session was ended.".to_owned(),
        };
        if self
            .store
            .end_session(session.id, EndReason::RefreshReplayed, now, Some(&event))
            .await?
        {
            tracing::warn!(request_id, session_id = %session.id, user_id = %session.user_id, "refresh token replayed");
        }
        Err(Error::RefreshFailed)
    }

    fn tokens(
        &self,
        session: &Session,
        counter: i64,
        user: User,
        now: DateTime<Utc>,
    ) -> Result<Tokens, Error> {
        // A token does not outlive its session, so that whoever remembers it need not know when that ends.
        let expires_at = (now + self.access_lifetime).min(self.expiry(session.created_at, now));
        let access = AccessToken {
            id: self.entropy.new_id(now)?,
            user_id: user.id,
            session_id: session.id,
            issued_at: now,
            expires_at,
            auth_time: session.auth_time,
            factors: session.factors.clone(),
        };
        Ok(Tokens {
            access: self.keys.sign(&access)?,
            refresh: self.refresh_tokens.token(session.id, counter, &session.salt),
            expires_in: (expires_at - now).to_std().unwrap_or_default(),
            user,
        })
    }

    fn expiry(&self, created_at: DateTime<Utc>, now: DateTime<Utc>) -> DateTime<Utc> {
        (now + self.refresh_lifetime).min(created_at + LONGEST_SESSION)
    }

    /// Replaces an outdated stored password now that the password is known; says which form is stored. That
    /// it cannot be replaced must not fail a login that succeeds.
    async fn renew(
        &self,
        user: &User,
        stored: String,
        password: &Secret<String>,
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
            Ok(None) => self.replaced_meanwhile(user.id, password, deadline).await,
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
        deadline: Instant,
    ) -> Result<String, Error> {
        let stored = self.store.password_hash(user_id).await?;
        let compared = self.passwords.verify(password, stored.clone(), deadline).await?;
        stored
            .filter(|_| compared.matches)
            .ok_or(Error::InvalidCredentials)
    }
}

/// Reads the paging part of a list request.
pub(crate) fn page<C: serde::de::DeserializeOwned>(
    pages: &PageTokens,
    scope: &impl serde::Serialize,
    page_size: i32,
    page_token: &str,
) -> Result<(i64, Option<C>), Error> {
    let bad = |bad: service_runtime::page_token::BadPage| Error::field(bad.field(), bad.to_string());
    let size = service_runtime::page_token::page_size(page_size).map_err(bad)?;
    Ok((size, pages.decode(scope, page_token).map_err(bad)?))
}

/// Cuts a list that was read one item too far, and makes the token of the next page if there is one.
pub(crate) fn next_page<T, C: serde::Serialize>(
    pages: &PageTokens,
    scope: &impl serde::Serialize,
    items: &mut Vec<T>,
    size: i64,
    cursor: impl FnOnce(&T) -> C,
) -> String {
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    if items.len() <= size {
        return String::new();
    }
    items.truncate(size);
    items
        .last()
        .map(|last| pages.encode(scope, &cursor(last)))
        .unwrap_or_default()
}
