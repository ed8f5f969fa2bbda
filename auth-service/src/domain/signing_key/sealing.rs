//! Private keys are kept sealed, each bound to its id.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use chrono::{DateTime, TimeDelta, Utc};
use service_runtime::{entropy::Entropy, secret::Secret};

use crate::{
    domain::{error::Error, sealing::Sealing},
    model::{
        event::SecurityEvent,
        event_kind::EventKind,
        signing_key::{NewKey, StoredKey},
    },
};

/// Makes, opens and seals private keys.
pub(super) struct SealedKeys {
    sealing: Sealing,
    entropy: Entropy,
}

impl SealedKeys {
    pub(super) fn new(secrets: &[Secret<Vec<u8>>], entropy: Entropy) -> Self {
        Self {
            sealing: Sealing::new(secrets, "signing-key", entropy.clone()),
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
            sealed_private_key: self.sealing.seal(kid.as_bytes(), private.as_ref())?,
            created_at: now,
            may_sign_from: now + lead,
            event: self.event(
                now,
                EventKind::SigningKeyAdded,
                format!("The signing key {kid} was added."),
            )?,
            kid,
        })
    }

    /// An event about keys: nobody in particular, and no account.
    pub(super) fn event(
        &self,
        time: DateTime<Utc>,
        kind: EventKind,
        detail: String,
    ) -> Result<SecurityEvent, Error> {
        Ok(SecurityEvent {
            id: self.entropy.new_id(time)?,
            time,
            kind,
            actor_id: None,
            subject_id: None,
            session_id: None,
            ip_address: String::new(),
            request_id: String::new(),
            detail,
        })
    }

    /// The private key in PKCS#8.
    pub(super) fn open(&self, stored: &StoredKey) -> Result<Secret<Vec<u8>>, Error> {
        let opened = self
            .sealing
            .open(stored.kid.as_bytes(), &stored.sealed_private_key);
        opened.map(|opened| opened.secret)
    }

    /// The key sealed anew, if it is sealed with a secret that is being given up.
    pub(super) fn renewed(&self, stored: &StoredKey) -> Result<Option<Vec<u8>>, Error> {
        let owner = stored.kid.as_bytes();
        let opened = self.sealing.open(owner, &stored.sealed_private_key)?;
        match opened.is_current {
            true => Ok(None),
            false => self.sealing.seal(owner, opened.secret.expose()).map(Some),
        }
    }
}
