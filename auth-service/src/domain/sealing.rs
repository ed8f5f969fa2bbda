//! Secrets that have to be read again are kept sealed (AES-256-GCM) under a key that is not in the database. What a
//! secret belongs to is bound to it: moved to another row it does not open.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use service_runtime::{entropy::Entropy, mac::derive_key, secret::Secret};

use crate::domain::error::Error;

/// Seals and opens secrets of one purpose.
///
/// Made from one secret or, while it is being changed, from two: the first one seals, either one opens.
pub struct Sealing {
    keys: Vec<LessSafeKey>,
    entropy: Entropy,
}

/// What was sealed.
pub struct Opened {
    /// The secret.
    pub secret: Secret<Vec<u8>>,
    /// Whether it is sealed under the current key; otherwise it should be sealed anew.
    pub is_current: bool,
}

impl Sealing {
    /// With the keys of a purpose.
    pub fn new(secrets: &[Secret<Vec<u8>>], purpose: &str, entropy: Entropy) -> Self {
        let keys = secrets.iter().filter_map(|secret| {
            let key = derive_key(secret.expose(), purpose);
            UnboundKey::new(&AES_256_GCM, &key).ok().map(LessSafeKey::new)
        });
        Self {
            keys: keys.collect(),
            entropy,
        }
    }

    /// Whether there is a key that opens and does not seal any more.
    pub fn has_former(&self) -> bool {
        self.keys.len() > 1
    }

    /// Seals a secret that belongs to `owner`.
    ///
    /// # Errors
    /// Only for a bug.
    pub fn seal(&self, owner: &[u8], secret: &[u8]) -> Result<Vec<u8>, Error> {
        let nonce: [u8; NONCE_LEN] = self.entropy.bytes()?;
        let mut sealed = secret.to_vec();
        let key = self
            .keys
            .first()
            .ok_or_else(|| Error::internal("there is no sealing key"))?;
        key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(owner), &mut sealed)
            .map_err(Error::internal)?;
        Ok([&nonce[..], &sealed].concat())
    }

    /// Opens what was sealed for `owner`.
    ///
    /// # Errors
    /// [`Error::WrongSecretKey`] when no key of ours sealed this for them.
    pub fn open(&self, owner: &[u8], sealed: &[u8]) -> Result<Opened, Error> {
        let (nonce, sealed) = sealed
            .split_first_chunk::<NONCE_LEN>()
            .ok_or_else(|| Error::internal("what is sealed is too short"))?;
        let opened = self.keys.iter().enumerate().find_map(|(place, key)| {
            let mut bytes = sealed.to_vec();
            let nonce = Nonce::assume_unique_for_key(*nonce);
            let length = key.open_in_place(nonce, Aad::from(owner), &mut bytes).ok()?.len();
            bytes.truncate(length);
            Some(Opened {
                secret: Secret::new(bytes),
                is_current: place == 0,
            })
        });
        opened.ok_or(Error::WrongSecretKey)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealing(secrets: &[&str], purpose: &str) -> Sealing {
        let secrets: Vec<_> = secrets
            .iter()
            .map(|text| Secret::new(text.as_bytes().to_vec()))
            .collect();
        Sealing::new(&secrets, purpose, Entropy::default())
    }

    #[test]
    fn what_is_sealed_opens_for_its_owner_and_purpose_only() {
        let own = sealing(&["a"], "factor");
        let sealed = own.seal(b"ada", b"secret").unwrap();
        let opened = own.open(b"ada", &sealed).unwrap();
        assert_eq!(
            (opened.secret.expose().as_slice(), opened.is_current),
            (&b"secret"[..], true)
        );
        assert!(!sealed.windows(6).any(|part| part == b"secret"));
        for (sealing, owner) in [
            (&own, "bob"),
            (&sealing(&["a"], "signing-key"), "ada"),
            (&sealing(&["b"], "factor"), "ada"),
            (&sealing(&[], "factor"), "ada"),
        ] {
            let refused = sealing.open(owner.as_bytes(), &sealed);
            assert!(matches!(refused, Err(Error::WrongSecretKey)));
        }
    }

    #[test]
    fn no_bit_of_it_can_be_changed() {
        let own = sealing(&["a"], "factor");
        let sealed = own.seal(b"ada", &[7; 20]).unwrap();
        for bit in 0..sealed.len() * 8 {
            let mut changed = sealed.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(own.open(b"ada", &changed).is_err(), "bit {bit}");
        }
        for length in 0..sealed.len() {
            assert!(own.open(b"ada", &sealed[..length]).is_err(), "{length} bytes");
        }
    }

    #[test]
    fn a_former_key_opens_and_does_not_seal() {
        let (old, both) = (sealing(&["old"], "factor"), sealing(&["new", "old"], "factor"));
        assert!(both.has_former() && !old.has_former());
        let opened = both.open(b"ada", &old.seal(b"ada", b"secret").unwrap()).unwrap();
        assert!(!opened.is_current);
        let renewed = both.seal(b"ada", opened.secret.expose()).unwrap();
        assert!(old.open(b"ada", &renewed).is_err());
        assert!(both.open(b"ada", &renewed).unwrap().is_current);
    }

    #[test]
    fn the_same_secret_is_never_sealed_alike() {
        let own = sealing(&["a"], "factor");
        let nonces: std::collections::HashSet<_> = (0..10_000)
            .map(|_| own.seal(b"ada", b"secret").unwrap()[..NONCE_LEN].to_vec())
            .collect();
        assert_eq!(nonces.len(), 10_000);
    }
}
