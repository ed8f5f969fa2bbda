//! The keys that access tokens are signed with: Ed25519, kept in the database sealed under a key that is not in it,
//! published as a JWK set. One signs; the next one is published for a while before it does; the former ones verify until
//! no token of theirs can live.

mod schedule;
mod sealing;

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, Instant},
};

use auth_client::access_token::{AccessToken, BadToken, Signer, Verifier};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use service_runtime::{clock::Clock, entropy::Entropy, secret::Secret};
use tokio::sync::Mutex;

pub use self::schedule::{LEAD, Timing};
use self::sealing::SealedKeys;
use crate::{
    domain::error::Error,
    model::{
        event_kind::EventKind,
        signing_key::{KeyState, NewKey, StoredKey},
    },
    store::{Store, signing_key::Revoked},
};

/// A public key, as others see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    /// The id that tokens name it by.
    pub kid: String,
    /// Its 32 bytes.
    pub key: Vec<u8>,
    /// Where it is in its life.
    pub state: KeyState,
    /// Since when it is there.
    pub since: DateTime<Utc>,
    /// From when on it may go on to the next state.
    pub until: DateTime<Utc>,
}

/// Why the next key does not sign yet.
#[derive(Debug, thiserror::Error)]
pub enum NotRotated {
    /// Some who verify may not know it yet.
    #[error("the next key has not been published for long enough: it may sign from {from}", from = .0.to_rfc3339())]
    TooEarly(DateTime<Utc>),
    /// Something went wrong.
    #[error(transparent)]
    Failed(#[from] Error),
}

/// The current keys. Cheap to clone; clones see the same keys.
#[derive(Clone)]
pub struct KeyRing {
    source: Arc<Source>,
    clock: Clock,
    current: Arc<RwLock<Arc<Keys>>>,
    /// Held from reading keys until they are the current ones, so that older ones never replace newer ones.
    looks: Arc<Mutex<()>>,
    /// When the last search for an unknown key began.
    last_search: Arc<Mutex<Instant>>,
}

/// Where keys come from.
struct Source {
    store: Store,
    sealing: SealedKeys,
    issuer: String,
    timing: Timing,
}

/// What was read from the database last.
struct Keys {
    signer: Signer,
    verifier: Verifier,
    public: Vec<PublicKey>,
}

impl KeyRing {
    /// Reads the keys, makes what is missing of the one that signs and the next one, and seals both with the first of
    /// `secrets`.
    ///
    /// # Errors
    /// When the database cannot serve, or holds a key that `secrets` do not open.
    pub async fn open(
        store: Store,
        clock: Clock,
        entropy: &Entropy,
        secrets: &[Secret<Vec<u8>>],
        issuer: &str,
        timing: Timing,
    ) -> Result<Self, Error> {
        let source = Source {
            store,
            sealing: SealedKeys::new(secrets, entropy.clone()),
            issuer: issuer.to_owned(),
            timing,
        };
        source.complete(clock.now()).await?;
        source.reseal().await?;
        Ok(Self {
            current: Arc::new(RwLock::new(Arc::new(source.read().await?))),
            source: Arc::new(source),
            clock,
            looks: Arc::default(),
            last_search: Arc::new(Mutex::new(Instant::now())),
        })
    }

    /// Lets the next key sign from now on; the former one goes on verifying. Of two rotations at the same time one
    /// counts.
    ///
    /// # Errors
    /// [`NotRotated::TooEarly`] while some who verify may not know the next key.
    pub async fn rotate(&self) -> Result<(), NotRotated> {
        let now = self.clock.now();
        if self.activate_next(None, now).await? {
            return Ok(());
        }
        let keys = self.public_keys();
        let next = keys.iter().find(|key| key.state == KeyState::Next);
        let from = next.map_or(now + self.source.timing.lead, |next| next.until);
        Err(NotRotated::TooEarly(from))
    }

    /// Removes a key that others may know: from now on no token of it is good. If it was the one that signs, the next
    /// one does, however new it is. Sessions go on, since refresh tokens are made without it.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no such key (any more).
    pub async fn revoke(&self, kid: &str) -> Result<(), Error> {
        let detail = format!("The signing key {kid} was revoked.");
        self.remove(Revoked::One(kid), detail).await
    }

    /// Removes every key: what is sealed under a secret that others know, they know too.
    ///
    /// # Errors
    /// When the database cannot serve.
    pub async fn revoke_all(&self) -> Result<(), Error> {
        let detail = "Every signing key was revoked.".to_owned();
        self.remove(Revoked::All, detail).await
    }

    async fn remove(&self, which: Revoked<'_>, detail: String) -> Result<(), Error> {
        let (source, now) = (&self.source, self.clock.now());
        let kind = EventKind::SigningKeyRevoked;
        let event = source.sealing.event(now, kind, detail)?;
        let new = [source.new_key(now)?, source.new_key(now)?];
        if !source.store.revoke_signing_keys(which, &new, &event).await? {
            return Err(Error::NotFound("signing key"));
        }
        self.look().await
    }

    /// Lets the next key sign if it may and the one that signs has done so since `active_by`; says whether it was so.
    async fn activate_next(
        &self,
        active_by: Option<DateTime<Utc>>,
        now: DateTime<Utc>,
    ) -> Result<bool, Error> {
        let source = &self.source;
        let following = source.new_key(now)?;
        let is_done = source
            .store
            .rotate_signing_keys(&following, active_by, now)
            .await?;
        source.complete(now).await?;
        self.look().await?;
        Ok(is_done)
    }

    /// Signs an access token.
    ///
    /// # Errors
    /// Only for a bug.
    pub fn sign(&self, token: &AccessToken) -> Result<Secret<String>, Error> {
        self.keys()
            .signer
            .sign(token)
            .map(Secret::new)
            .map_err(Error::internal)
    }

    /// Reads an access token. A key that is not known and could be of the last minute is looked for; of those who
    /// ask at the same time one searches for all.
    ///
    /// # Errors
    /// [`Error::TokenInvalid`]; [`Error::Unavailable`] when a new key had to be looked for in vain.
    pub async fn verify(&self, token: &str) -> Result<AccessToken, Error> {
        let verified = self.keys().verifier.verify(token, self.clock.now());
        match verified {
            Ok(token) => Ok(token),
            Err(BadToken) if self.keys().verifier.may_be_of_a_new_key(token, self.clock.now()) => {
                let asked = Instant::now();
                let mut begun = self.last_search.lock().await;
                if *begun < asked {
                    *begun = Instant::now();
                    self.look().await?;
                }
                drop(begun);
                self.keys()
                    .verifier
                    .verify(token, self.clock.now())
                    .map_err(|BadToken| Error::TokenInvalid)
            }
            Err(BadToken) => Err(Error::TokenInvalid),
        }
    }

    /// Whose tokens these keys sign.
    pub fn issuer(&self) -> &str {
        &self.source.issuer
    }

    /// How long an access token lives.
    pub fn token_lifetime(&self) -> Duration {
        self.source.timing.token_lifetime
    }

    /// The public keys: the one that signs, the next one, then those that retire, the latest first.
    pub fn public_keys(&self) -> Vec<PublicKey> {
        self.keys().public.clone()
    }

    /// Reads the keys again.
    ///
    /// # Errors
    /// When the database cannot serve: those known stay.
    pub(crate) async fn look(&self) -> Result<(), Error> {
        let _turn = self.looks.lock().await;
        let keys = self.source.read().await?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
        Ok(())
    }

    fn keys(&self) -> Arc<Keys> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Source {
    fn new_key(&self, now: DateTime<Utc>) -> Result<NewKey, Error> {
        self.sealing.new_key(now, self.timing.lead)
    }

    /// Makes what is missing of the key that signs and the next one.
    async fn complete(&self, now: DateTime<Utc>) -> Result<(), Error> {
        let stored = self.store.signing_keys().await?;
        let has = |state| stored.iter().any(|key| key.state == state);
        if !(has(KeyState::Active) && has(KeyState::Next)) {
            // Another process may do the same: the database keeps one of each.
            let (active, next) = (self.new_key(now)?, self.new_key(now)?);
            self.store.complete_signing_keys(&active, &next).await?;
        }
        Ok(())
    }

    /// Seals what signs or will sign with the secret that counts.
    async fn reseal(&self) -> Result<(), Error> {
        for key in self.store.signing_keys().await? {
            if key.state != KeyState::Retiring
                && let Some(sealed) = self.sealing.renewed(&key)?
            {
                let former = &key.sealed_private_key;
                self.store.reseal_signing_key(&key.kid, former, &sealed).await?;
            }
        }
        Ok(())
    }

    async fn read(&self) -> Result<Keys, Error> {
        let stored = self.store.signing_keys().await?;
        let signing = stored
            .iter()
            .find(|key| key.state == KeyState::Active)
            .ok_or_else(|| Error::internal("there is no signing key"))?;
        let private = self.sealing.open(signing)?;
        let known = stored
            .iter()
            .map(|key| (key.kid.as_str(), key.public_key.as_slice()));
        Ok(Keys {
            signer: Signer::new(&self.issuer, &signing.kid, private.expose()),
            verifier: Verifier::new(&self.issuer, self.timing.token_lifetime, known),
            public: stored.iter().map(|key| self.public(key)).collect(),
        })
    }

    fn public(&self, key: &StoredKey) -> PublicKey {
        PublicKey {
            kid: key.kid.clone(),
            key: key.public_key.clone(),
            state: key.state,
            since: key.since,
            until: self.timing.end_of(key),
        }
    }
}

impl PublicKey {
    /// The key as JSON Web Keys write it.
    pub fn x(&self) -> String {
        URL_SAFE_NO_PAD.encode(&self.key)
    }
}
