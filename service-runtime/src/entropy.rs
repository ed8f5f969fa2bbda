//! Chance as a parameter: ids, salts and keys come from an [`Entropy`].

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use chrono::{DateTime, Utc};
use uuid::Uuid;

/// The operating system's generator of unpredictable bytes.
#[derive(Debug, Clone, Default)]
pub struct Entropy(SystemRandom);

/// The operating system gave no random bytes.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the operating system gave no random bytes")]
pub struct NoEntropy;

impl Entropy {
    /// `N` unpredictable bytes.
    ///
    /// # Errors
    /// [`NoEntropy`], which on a working machine does not happen.
    pub fn bytes<const N: usize>(&self) -> Result<[u8; N], NoEntropy> {
        let mut bytes = [0; N];
        self.0.fill(&mut bytes).map_err(|_| NoEntropy)?;
        Ok(bytes)
    }

    /// A UUIDv7 (RFC 9562): ids made later sort later, to the millisecond.
    ///
    /// # Errors
    /// [`NoEntropy`].
    pub fn new_id(&self, now: DateTime<Utc>) -> Result<Uuid, NoEntropy> {
        let millis = u64::try_from(now.timestamp_millis()).unwrap_or(0);
        Ok(uuid::Builder::from_unix_timestamp_millis(millis, &self.bytes::<10>()?).into_uuid())
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    #[test]
    fn ids_are_version_7_and_sort_by_time() {
        let entropy = Entropy::default();
        let earlier = entropy.new_id(DateTime::UNIX_EPOCH).unwrap();
        let later = entropy
            .new_id(DateTime::UNIX_EPOCH + TimeDelta::milliseconds(1))
            .unwrap();
        assert_eq!(earlier.get_version_num(), 7);
        assert!(earlier < later);
    }
}
