//! Signing keys. The database keeps at most one that signs.

use chrono::{DateTime, Utc};
use service_runtime::{database::BeginWrite, on};

use crate::{
    model::{event::SecurityEvent, security_change::SecurityChange},
    store::{Error, Store, event::Trail, security_change::CommitChanges},
};

/// A key as it is kept: the private part sealed.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct StoredKey {
    /// The id that tokens name it by.
    pub kid: String,
    /// The public part, 32 bytes.
    pub public_key: Vec<u8>,
    /// The private part in PKCS#8, sealed.
    pub sealed_private_key: Vec<u8>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// Since when it only verifies; `None` while it signs.
    pub retired_at: Option<DateTime<Utc>>,
}

const INSERT: &str = "INSERT INTO signing_keys (kid, public_key, sealed_private_key, created_at) \
                      VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING";

impl Store {
    /// Every key, signing or retired.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn signing_keys(&self) -> Result<Vec<StoredKey>, Error> {
        let keys = on!(&self.reads, |pool| {
            sqlx::query_as(
                "SELECT kid, public_key, sealed_private_key, created_at, retired_at FROM signing_keys \
                 ORDER BY created_at DESC",
            )
            .fetch_all(pool)
            .await
        });
        Ok(keys?)
    }

    /// Adds a key that signs, unless there is one.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn add_signing_key(&self, key: &StoredKey) -> Result<(), Error> {
        on!(&self.writes, |pool| {
            let mut tx = pool.begin_write().await?;
            let added = sqlx::query(INSERT)
                .bind(&key.kid)
                .bind(&key.public_key)
                .bind(&key.sealed_private_key)
                .bind(key.created_at)
                .execute(&mut *tx)
                .await?;
            let change = (added.rows_affected() == 1).then_some(SecurityChange::KeysChanged);
            tx.commit_with(change.as_slice(), key.created_at, &self.news)
                .await?;
            Ok(())
        })
    }

    /// Retires the key that signs and adds the one that signs from now on. Of two rotations at the same time
    /// one does both and the other nothing.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn rotate_signing_key(&self, key: &StoredKey, now: DateTime<Utc>) -> Result<(), Error> {
        on!(&self.writes, |pool| {
            let mut tx = pool.begin_write().await?;
            sqlx::query("UPDATE signing_keys SET retired_at = $1 WHERE retired_at IS NULL")
                .bind(now)
                .execute(&mut *tx)
                .await?;
            sqlx::query(INSERT)
                .bind(&key.kid)
                .bind(&key.public_key)
                .bind(&key.sealed_private_key)
                .bind(key.created_at)
                .execute(&mut *tx)
                .await?;
            tx.commit_with(&[SecurityChange::KeysChanged], now, &self.news)
                .await?;
            Ok(())
        })
    }

    /// Removes a key at once, whatever it did, and adds the one that signs from now on if no other does; tells the
    /// trail. `false`: there is no such key, and nothing was done.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn revoke_signing_key(
        &self,
        kid: &str,
        next: &StoredKey,
        event: &SecurityEvent,
    ) -> Result<bool, Error> {
        on!(&self.writes, |pool| {
            let mut tx = pool.begin_write().await?;
            let removed = sqlx::query("DELETE FROM signing_keys WHERE kid = $1")
                .bind(kid)
                .execute(&mut *tx)
                .await?;
            if removed.rows_affected() == 0 {
                return Ok(false);
            }
            sqlx::query(INSERT)
                .bind(&next.kid)
                .bind(&next.public_key)
                .bind(&next.sealed_private_key)
                .bind(next.created_at)
                .execute(&mut *tx)
                .await?;
            tx.tell(event).await?;
            tx.commit_with(&[SecurityChange::KeysChanged], event.time, &self.news)
                .await?;
            Ok(true)
        })
    }

    /// Removes keys that were retired before `before`; says how many.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn remove_signing_keys(&self, before: DateTime<Utc>, now: DateTime<Utc>) -> Result<u64, Error> {
        on!(&self.writes, |pool| {
            let mut tx = pool.begin_write().await?;
            let done = sqlx::query("DELETE FROM signing_keys WHERE retired_at < $1")
                .bind(before)
                .execute(&mut *tx)
                .await?;
            let change = (done.rows_affected() > 0).then_some(SecurityChange::KeysChanged);
            tx.commit_with(change.as_slice(), now, &self.news).await?;
            Ok(done.rows_affected())
        })
    }
}
