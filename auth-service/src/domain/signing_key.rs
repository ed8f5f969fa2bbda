//! The keys that access tokens are signed with: Ed25519, kept in the database sealed under a key that is not
//! in it, published as a JWK set. One signs; a retired one verifies until no token of it can live.

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, Instant},
};

use auth_client::access_token::{AccessToken, BadToken, Signer, Verifier};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use service_runtime::{clock::Clock, entropy::Entropy, lifecycle::Tasks, secret::Secret};
use tokio::sync::Mutex;

use crate::{
    domain::{error::Error, sealing::Sealing},
    model::event::{SecurityEvent, Severity},
    store::{Store, signing_key::StoredKey},
};

/// How often a process looks for keys that no token needs.
const TIDY: Duration = Duration::from_secs(60);
/// How much longer than the last token a retired key is kept, for clocks that disagree.
const MARGIN: TimeDelta = TimeDelta::minutes(5);

/// A public key, as others see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    /// The id that tokens name it by.
    pub kid: String,
    /// Its 32 bytes.
    pub key: Vec<u8>,
}

/// The current keys. Cheap to clone; clones see the same keys.
#[derive(Clone)]
pub struct KeyRing {
    store: Store,
    clock: Clock,
    entropy: Entropy,
    sealing: Arc<Sealing>,
    issuer: Arc<str>,
    token_lifetime: Duration,
    current: Arc<RwLock<Arc<Keys>>>,
    /// When the last search for an unknown key began.
    last_search: Arc<Mutex<Instant>>,
}

/// What was read from the database last.
struct Keys {
    signer: Signer,
    verifier: Verifier,
    public: Vec<PublicKey>,
}

impl KeyRing {
    /// Reads the keys, and makes the first one if there is none.
    ///
    /// # Errors
    /// When the database cannot serve, or holds a key that `secrets` do not open.
    pub async fn open(
        store: Store,
        clock: Clock,
        entropy: &Entropy,
        secrets: &[Secret<Vec<u8>>],
        issuer: &str,
        token_lifetime: Duration,
    ) -> Result<Self, Error> {
        let sealing = Arc::new(Sealing::new(secrets, "signing-key", entropy.clone()));
        if store
            .signing_keys()
            .await?
            .iter()
            .all(|key| key.retired_at.is_some())
        {
            // Another process may do the same: the database keeps one.
            let first = new_key(&sealing, entropy, clock.now())?;
            store.add_signing_key(&first).await?;
        }
        let issuer: Arc<str> = issuer.into();
        let keys = read(&store, &sealing, &issuer, token_lifetime).await?;
        let current = Arc::new(RwLock::new(Arc::new(keys)));
        Ok(Self {
            store,
            clock,
            entropy: entropy.clone(),
            sealing,
            issuer,
            token_lifetime,
            current,
            last_search: Arc::new(Mutex::new(Instant::now())),
        })
    }

    /// Makes a new key that signs from now on; the former one goes on verifying. Of two rotations at the same
    /// time one counts.
    ///
    /// # Errors
    /// When the database cannot serve.
    pub async fn rotate(&self) -> Result<(), Error> {
        let key = new_key(&self.sealing, &self.entropy, self.clock.now())?;
        self.store.rotate_signing_key(&key, self.clock.now()).await?;
        self.look().await
    }

    /// Removes a key that others may know: from now on no token of it is good, and if it was the signing one, a
    /// new key signs. Sessions go on, since refresh tokens are made without it.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no such key (any more).
    pub async fn revoke(&self, kid: &str) -> Result<(), Error> {
        let now = self.clock.now();
        let event = SecurityEvent {
            id: self.entropy.new_id(now)?,
            time: now,
            severity: Severity::Critical,
            kind: "signing_key_revoked",
            actor_id: None,
            subject_id: None,
            session_id: None,
            ip_address: String::new(),
            request_id: String::new(),
            detail: format!("The signing key {kid} was revoked."),
        };
        let next = new_key(&self.sealing, &self.entropy, now)?;
        if !self.store.revoke_signing_key(kid, &next, &event).await? {
            return Err(Error::NotFound("signing key"));
        }
        self.look().await
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
        &self.issuer
    }

    /// How long an access token lives.
    pub const fn token_lifetime(&self) -> Duration {
        self.token_lifetime
    }

    /// The public keys, the signing one first.
    pub fn public_keys(&self) -> Vec<PublicKey> {
        self.keys().public.clone()
    }

    /// Removes keys that no token needs, now and then, until asked to stop.
    pub async fn tidy(self, tasks: Tasks) {
        let life = TimeDelta::from_std(self.token_lifetime).unwrap_or(TimeDelta::days(1));
        while tasks.sleep(TIDY).await {
            let now = self.clock.now();
            if let Err(error) = self.store.remove_signing_keys(now - life - MARGIN, now).await {
                tracing::warn!(%error, "old signing keys could not be removed; it is tried again");
            }
        }
    }

    /// Reads the keys again.
    ///
    /// # Errors
    /// When the database cannot serve: those known stay.
    pub(crate) async fn look(&self) -> Result<(), Error> {
        let keys = read(&self.store, &self.sealing, &self.issuer, self.token_lifetime).await?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
        Ok(())
    }

    fn keys(&self) -> Arc<Keys> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }
}

async fn read(store: &Store, sealing: &Sealing, issuer: &str, life: Duration) -> Result<Keys, Error> {
    let mut stored = store.signing_keys().await?;
    stored.sort_by_key(|key| (key.retired_at.is_some(), std::cmp::Reverse(key.created_at)));
    let signing = stored
        .first()
        .ok_or_else(|| Error::internal("there is no signing key"))?;
    let private = sealing
        .open(signing.kid.as_bytes(), &signing.sealed_private_key)?
        .secret;
    let public: Vec<PublicKey> = stored
        .iter()
        .map(|key| PublicKey {
            kid: key.kid.clone(),
            key: key.public_key.clone(),
        })
        .collect();
    let known = public.iter().map(|key| (key.kid.as_str(), key.key.as_slice()));
    Ok(Keys {
        signer: Signer::new(issuer, &signing.kid, private.expose()),
        verifier: Verifier::new(issuer, life, known),
        public,
    })
}

/// A new key, sealed.
fn new_key(sealing: &Sealing, entropy: &Entropy, now: DateTime<Utc>) -> Result<StoredKey, Error> {
    let kid = entropy.new_id(now)?.to_string();
    let pair = Ed25519KeyPair::generate().map_err(Error::internal)?;
    let private = pair.to_pkcs8().map_err(Error::internal)?;
    Ok(StoredKey {
        public_key: pair.public_key().as_ref().to_vec(),
        sealed_private_key: sealing.seal(kid.as_bytes(), private.as_ref())?,
        created_at: now,
        retired_at: None,
        kid,
    })
}

impl PublicKey {
    /// The key as JSON Web Keys write it.
    pub fn x(&self) -> String {
        URL_SAFE_NO_PAD.encode(&self.key)
    }
}
