//! Private keys are kept sealed (AES-256-GCM, the key's id bound to it) under a key that is not in the database.

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    signature::{Ed25519KeyPair, KeyPair},
};
use chrono::{DateTime, TimeDelta, Utc};
use service_runtime::{entropy::Entropy, mac::derive_key, secret::Secret};

use crate::{
    domain::error::Error,
    model::signing_key::{NewKey, StoredKey},
};

/// What keys are sealed with.
pub(super) struct Sealing {
    /// The first one seals, every one opens.
    keys: Vec<LessSafeKey>,
    entropy: Entropy,
}

impl Sealing {
    pub(super) fn new(secrets: &[Secret<Vec<u8>>], entropy: Entropy) -> Self {
        let keys = secrets.iter().filter_map(|secret| {
            let key = derive_key(secret.expose(), "signing-key");
            UnboundKey::new(&AES_256_GCM, &key).ok().map(LessSafeKey::new)
        });
        Self {
            keys: keys.collect(),
            entropy,
        }
    }

    /// A key made at `now`, which has to be published for so long before it signs.
    pub(super) fn new_key(&self, now: DateTime<Utc>, lead: TimeDelta) -> Result<NewKey, Error> {
        let kid = self.entropy.new_id(now)?.to_string();
        let pair = Ed25519KeyPair::generate().map_err(Error::internal)?;
        let private = pair.to_pkcs8().map_err(Error::internal)?;
        Ok(NewKey {
            public_key: pair.public_key().as_ref().to_vec(),
            sealed_private_key: self.seal(&kid, private.as_ref())?,
            created_at: now,
            may_sign_from: now + lead,
            kid,
        })
    }

    /// The private key in PKCS#8.
    pub(super) fn open(&self, stored: &StoredKey) -> Result<Secret<Vec<u8>>, Error> {
        self.opened(stored).map(|(_, private)| private)
    }

    /// The key sealed anew, if it is sealed with a secret that is being given up.
    pub(super) fn renewed(&self, stored: &StoredKey) -> Result<Option<Vec<u8>>, Error> {
        match self.opened(stored)? {
            (0, _) => Ok(None),
            (_, private) => self.seal(&stored.kid, private.expose()).map(Some),
        }
    }

    fn seal(&self, kid: &str, private: &[u8]) -> Result<Vec<u8>, Error> {
        let nonce: [u8; NONCE_LEN] = self.entropy.bytes()?;
        let mut sealed = private.to_vec();
        let key = self
            .keys
            .first()
            .ok_or_else(|| Error::internal("there is no sealing key"))?;
        key.seal_in_place_append_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(kid.as_bytes()),
            &mut sealed,
        )
        .map_err(Error::internal)?;
        Ok([&nonce[..], &sealed].concat())
    }

    /// The private key, and the place of what opened it.
    fn opened(&self, stored: &StoredKey) -> Result<(usize, Secret<Vec<u8>>), Error> {
        let sealed = stored.sealed_private_key.split_first_chunk::<NONCE_LEN>();
        let (nonce, sealed) = sealed.ok_or_else(|| Error::internal("a sealed key is too short"))?;
        let opened = self.keys.iter().enumerate().find_map(|(place, key)| {
            let mut bytes = sealed.to_vec();
            let nonce = Nonce::assume_unique_for_key(*nonce);
            let length = key
                .open_in_place(nonce, Aad::from(stored.kid.as_bytes()), &mut bytes)
                .ok()?
                .len();
            bytes.truncate(length);
            Some((place, Secret::new(bytes)))
        });
        opened.ok_or(Error::WrongSecretKey)
    }
}
