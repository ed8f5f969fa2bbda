//! Logging in, staying logged in, ending it, and knowing who calls.

use std::time::{Duration, Instant};

use auth_client::{access::has_second_factor, access_token::AccessToken};
use chrono::{DateTime, TimeDelta, Utc};
use service_runtime::{
    clock::Clock, entropy::Entropy, field::FieldError, page_token::PageTokens, secret::Secret,
};
use uuid::Uuid;

use crate::{
    domain::{
        error::Error,
        event::Events,
        factor::Factors,
        password_pool::PasswordPool,
        refresh_token::{Claimed, RefreshTokens},
        signing_key::KeyRing,
        throttle::Throttle,
    },
    model::{
        client::Client,
        event::Actor,
        event_kind::EventKind,
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
    /// Who knows second factors.
    pub factors: Factors,
    /// Who makes refresh tokens.
    pub refresh_tokens: RefreshTokens,
    /// Who signs access tokens.
    pub keys: KeyRing,
    /// Who counts failures.
    pub throttle: Throttle,
    /// Who makes page tokens.
    pub pages: PageTokens,
    /// Who tells the trail.
    pub events: Events,
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
        has_second_factor(
            &self.factors,
            self.auth_time,
            FRESH.to_std().unwrap_or_default(),
            now,
        )
    }

    /// Whether the account has a second factor that was not proved a moment ago.
    pub fn lacks_fresh_factor(&self, now: DateTime<Utc>) -> bool {
        self.user.factor_since.is_some() && !self.has_fresh_factor(now)
    }
}

impl Sessions {
    /// Opens a session.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a missing field, [`Error::InvalidCredentials`] for all that is wrong with the
    /// rest, [`FactorError::Required`](super::factor::FactorError) when only a code is missing, [`Error::Busy`].
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
        let factors = self.factors.at_login(&user, code, by).await?;

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

    /// The refusal of a login that was not counted because too many had failed, noted. It says what any other says.
    fn throttled(&self, by: &Actor, subject_id: Option<Uuid>) -> Error {
        self.events.note(EventKind::LoginThrottled, by, subject_id, "");
        Error::InvalidCredentials
    }

    /// Goes on with a session.
    ///
    /// # Errors
    /// [`Error::RefreshFailed`], whatever is wrong with the token.
    pub async fn refresh(&self, token: &str, by: &Actor) -> Result<Tokens, Error> {
        let (claimed, session) = self.claimed(token, by).await?;
        let (now, next) = (self.clock.now(), claimed.counter.saturating_add(1));
        let expires_at = self.expiry(session.created_at, now);
        let refreshed = self
            .store
            .refresh_session(session.id, claimed.counter, &by.ip_address, now, expires_at)
            .await?;
        if !refreshed {
            // Somebody was first, or the session is over: the row says which.
            let current = self
                .store
                .session(session.id)
                .await?
                .filter(|current| current.ended_at.is_none() && current.expires_at > now);
            let Some(current) = current else {
                return Err(self.not_refreshed(by, Some(&session), "the session is over"));
            };
            if current.refresh_counter != next {
                return self.replayed(&current, by, now).await;
            }
        }
        let user = self.store.active_user(session.user_id, session.id, now).await?;
        let Some((user, _)) = user else {
            return Err(self.not_refreshed(by, Some(&session), "the session is over"));
        };
        self.tokens(&session, next, user, now)
    }

    /// Ends the session of a refresh token. It may have ended before.
    ///
    /// # Errors
    /// [`Error::RefreshFailed`] for what is not a refresh token of ours.
    pub async fn logout(&self, token: &str, by: &Actor) -> Result<(), Error> {
        let (_, session) = self.claimed(token, by).await?;
        let by = by.known_as(session.user_id, session.id);
        let event = self
            .events
            .event(EventKind::LoggedOut, &by, Some(session.user_id), "")?;
        self.store
            .end_session(session.id, EndReason::Logout, self.clock.now(), &event)
            .await?;
        Ok(())
    }

    /// Ends every session of the caller.
    ///
    /// # Errors
    /// When the database cannot serve.
    pub async fn logout_all(&self, caller: &Caller, by: &Actor) -> Result<(), Error> {
        let user_id = caller.user.id;
        let event = self
            .events
            .event(EventKind::LoggedOutEverywhere, by, Some(user_id), "")?;
        Ok(self
            .store
            .end_all_sessions(user_id, EndReason::Logout, self.clock.now(), &event)
            .await?)
    }

    /// Ends every session of everybody, a few at a time, so that nobody waits long for a lock; says how many.
    ///
    /// # Errors
    /// When the database cannot serve. Doing it again goes on.
    pub async fn end_everybodys(&self) -> Result<usize, Error> {
        let (mut ended, mut after) = (0, Uuid::nil());
        let nobody = Actor::default();
        let mut event = Some(
            self.events
                .event(EventKind::SessionsEndedByOperator, &nobody, None, "")?,
        );
        loop {
            let now = self.clock.now();
            let batch = self
                .store
                .end_anybodys_sessions(after, EndReason::Operator, now, ENDED_AT_ONCE, event.as_ref())
                .await?;
            event = None;
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
    pub async fn revoke(&self, caller: &Caller, by: &Actor, id: &str) -> Result<(), Error> {
        let id = id::parse(id).ok_or(Error::NotFound("session"))?;
        let user_id = caller.user.id;
        let event = self
            .events
            .event(EventKind::SessionRevoked, by, Some(user_id), id.to_string())?;
        let ended = self
            .store
            .revoke_session(id, user_id, self.clock.now(), &event)
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
        let mut factors = token.factors;
        // A factor that is gone, or another one now, proves nothing. Tokens tell their times in seconds.
        if user
            .factor_since
            .is_none_or(|since| since.timestamp() > token.auth_time.timestamp())
        {
            factors.retain(|factor| factor != SECOND_FACTOR);
        }
        Ok(Caller {
            user,
            revision,
            session_id: token.session_id,
            auth_time: token.auth_time,
            factors,
        })
    }

    /// A genuine refresh token and its session.
    async fn claimed(&self, token: &str, by: &Actor) -> Result<(Claimed, Session), Error> {
        let Some(claimed) = RefreshTokens::read(token) else {
            return Err(self.not_refreshed(by, None, "not a refresh token"));
        };
        let Some(session) = self.store.session(claimed.session_id).await? else {
            return Err(self.not_refreshed(by, None, "unknown session"));
        };
        if !self.refresh_tokens.is_genuine(&claimed, &session.salt) {
            return Err(self.not_refreshed(by, None, "not genuine"));
        }
        Ok((claimed, session))
    }

    /// The refusal of a refresh token, noted.
    fn not_refreshed(&self, by: &Actor, session: Option<&Session>, why: &str) -> Error {
        let about = Actor {
            session_id: session.map(|session| session.id),
            ..by.clone()
        };
        let subject_id = session.map(|session| session.user_id);
        self.events
            .note(EventKind::RefreshFailed, &about, subject_id, why);
        Error::RefreshFailed
    }

    /// A token came back after its successor had been used: two parties hold it, so the session ends.
    async fn replayed(&self, session: &Session, by: &Actor, now: DateTime<Utc>) -> Result<Tokens, Error> {
        let about = Actor {
            session_id: Some(session.id),
            ..by.clone()
        };
        let subject_id = Some(session.user_id);
        let event = self
            .events
            .event(EventKind::RefreshReplayed, &about, subject_id, "")?;
        self.store
            .end_session(session.id, EndReason::RefreshReplayed, now, &event)
            .await?;
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
