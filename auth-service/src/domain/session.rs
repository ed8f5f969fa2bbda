//! Staying logged in, ending it, and knowing who calls. How one logs in is in [`login`](super::login).

use std::time::Duration;

use auth_client::{access::has_second_factor, access_token::AccessToken};
use chrono::{DateTime, TimeDelta, Utc};
use service_runtime::{clock::Clock, entropy::Entropy, page_token::PageTokens, secret::Secret};
use uuid::Uuid;

use crate::{
    domain::{
        error::Error,
        event::Events,
        factor::{FactorError, Factors, RECENT_LOGIN},
        page::{next_page, page},
        password_pool::PasswordPool,
        refresh_token::{Claimed, RefreshTokens},
        signing_key::KeyRing,
        throttle::Throttle,
    },
    model::{
        event::Actor,
        event_kind::EventKind,
        id,
        session::{EndReason, FRESH, LONGEST_SESSION, SECOND_FACTOR, Session},
        user::User,
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

    /// Refuses who has not shown lately who they are: by the second factor of the account, by a login where it has
    /// none. An access token alone, or a session left open, is not enough to take an account from its owner.
    ///
    /// # Errors
    /// [`FactorError::NotFresh`], [`FactorError::NotRecent`].
    pub fn shown_lately(&self, now: DateTime<Utc>) -> Result<(), FactorError> {
        if self.lacks_fresh_factor(now) {
            Err(FactorError::NotFresh)
        } else if self.user.factor_since.is_none() && now - self.auth_time > RECENT_LOGIN {
            Err(FactorError::NotRecent)
        } else {
            Ok(())
        }
    }
}

impl Sessions {
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

    pub(super) fn tokens(
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

    pub(super) fn expiry(&self, created_at: DateTime<Utc>, now: DateTime<Utc>) -> DateTime<Utc> {
        (now + self.refresh_lifetime).min(created_at + LONGEST_SESSION)
    }
}
