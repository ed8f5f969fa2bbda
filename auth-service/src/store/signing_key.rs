//! Signing keys. The database keeps at most one that signs and at most one that comes next; what moves a key from state
//! to state holds the lock of all of them, and the statement that moves it says under which condition. Those whose time
//! is over go without it: nothing moves them any more.

use chrono::{DateTime, Utc};
use service_runtime::{database::BeginWrite, on};
use sqlx::{PgConnection, SqliteConnection};

use crate::{
    model::{
        event::SecurityEvent,
        security_change::SecurityChange,
        signing_key::{KeyState, NewKey, StoredKey},
    },
    store::{Error, Store, event::Trail, security_change::CommitChanges},
};

/// A key as its row has it. Keys of the release before sign as soon as they are made.
#[derive(sqlx::FromRow)]
struct Row {
    kid: String,
    public_key: Vec<u8>,
    sealed_private_key: Vec<u8>,
    created_at: DateTime<Utc>,
    may_sign_from: Option<DateTime<Utc>>,
    active_from: Option<DateTime<Utc>>,
    is_next: bool,
    retired_at: Option<DateTime<Utc>>,
}

impl From<Row> for StoredKey {
    fn from(row: Row) -> Self {
        let (state, since) = match row.retired_at {
            _ if row.is_next => (KeyState::Next, row.created_at),
            Some(retired_at) => (KeyState::Retiring, retired_at),
            None => (KeyState::Active, row.active_from.unwrap_or(row.created_at)),
        };
        Self {
            kid: row.kid,
            public_key: row.public_key,
            sealed_private_key: row.sealed_private_key,
            state,
            since,
            may_sign_from: row.may_sign_from.unwrap_or(row.created_at),
        }
    }
}

/// Which keys are revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Revoked<'a> {
    /// This one.
    One(&'a str),
    /// All there are.
    All,
}

impl Store {
    /// Every key: the one that signs, the next one, then those that retire, the latest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn signing_keys(&self) -> Result<Vec<StoredKey>, Error> {
        let rows: Result<Vec<Row>, _> = on!(&self.reads, |pool| {
            sqlx::query_as(
                "SELECT kid, public_key, sealed_private_key, created_at, may_sign_from, active_from, is_next, \
                 retired_at FROM signing_keys \
                 ORDER BY retired_at IS NULL DESC, is_next DESC, retired_at DESC, kid DESC",
            )
            .fetch_all(pool)
            .await
        });
        Ok(rows?.into_iter().map(StoredKey::from).collect())
    }

    /// Adds a key that signs and one that comes next, each unless there is one.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn complete_signing_keys(&self, active: &NewKey, next: &NewKey) -> Result<(), Error> {
        on!(&self.writes, |pool| {
            let mut tx = pool.begin_write().await?;
            tx.hold_keys().await?;
            let added = [tx.add_active_key(active).await?, tx.add_next_key(next).await?];
            let change = added.contains(&true).then_some(SecurityChange::KeysChanged);
            tx.commit_with(change.as_slice(), next.created_at, &self.news)
                .await?;
            Ok(())
        })
    }

    /// Lets the next key sign and the one that signs retire, and adds the one that comes next then; says whether it
    /// was so. It is not when the next key may not sign yet at `now`, or the one that signs has done so since later
    /// than `active_by`: of two rotations at the same time one is.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn rotate_signing_keys(
        &self,
        next: &NewKey,
        active_by: Option<DateTime<Utc>>,
        now: DateTime<Utc>,
    ) -> Result<bool, Error> {
        on!(&self.writes, |pool| {
            let mut tx = pool.begin_write().await?;
            tx.hold_keys().await?;
            let retired = sqlx::query(
                "UPDATE signing_keys SET retired_at = $1 WHERE retired_at IS NULL \
                 AND ($2 IS NULL OR COALESCE(active_from, created_at) <= $2)",
            )
            .bind(now)
            .bind(active_by)
            .execute(&mut *tx)
            .await?;
            let activated = sqlx::query(
                "UPDATE signing_keys SET is_next = FALSE, retired_at = NULL, active_from = $1 \
                 WHERE is_next AND may_sign_from <= $1",
            )
            .bind(now);
            if retired.rows_affected() == 0 || activated.execute(&mut *tx).await?.rows_affected() == 0 {
                return Ok(false);
            }
            tx.add_next_key(next).await?;
            tx.commit_with(&[SecurityChange::KeysChanged], now, &self.news)
                .await?;
            Ok(true)
        })
    }

    /// Removes keys at once, whatever their state, and tells the trail. If none signs then, the next one does, however
    /// new it is; what is missing then is made of the two. `false`: there are no such keys, and nothing was done.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn revoke_signing_keys(
        &self,
        which: Revoked<'_>,
        new: &[NewKey; 2],
        event: &SecurityEvent,
    ) -> Result<bool, Error> {
        let kid = match which {
            Revoked::One(kid) => Some(kid),
            Revoked::All => None,
        };
        let [active, next] = new;
        on!(&self.writes, |pool| {
            let mut tx = pool.begin_write().await?;
            tx.hold_keys().await?;
            let removed = sqlx::query("DELETE FROM signing_keys WHERE kid = COALESCE($1, kid)")
                .bind(kid)
                .execute(&mut *tx)
                .await?;
            if removed.rows_affected() == 0 {
                return Ok(false);
            }
            sqlx::query(
                "UPDATE signing_keys SET is_next = FALSE, retired_at = NULL, active_from = $1, \
                 may_sign_from = CASE WHEN may_sign_from > $1 THEN $1 ELSE may_sign_from END \
                 WHERE is_next AND NOT EXISTS (SELECT 1 FROM signing_keys WHERE retired_at IS NULL)",
            )
            .bind(event.time)
            .execute(&mut *tx)
            .await?;
            tx.add_active_key(active).await?;
            tx.add_next_key(next).await?;
            tx.tell(event).await?;
            tx.commit_with(&[SecurityChange::KeysChanged], event.time, &self.news)
                .await?;
            Ok(true)
        })
    }

    /// Replaces the sealed form of a private key, unless somebody else has.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn reseal_signing_key(&self, kid: &str, former: &[u8], sealed: &[u8]) -> Result<(), Error> {
        let done = on!(&self.writes, |pool| {
            sqlx::query(
                "UPDATE signing_keys SET sealed_private_key = $1 WHERE kid = $2 AND sealed_private_key = $3",
            )
            .bind(sealed)
            .bind(kid)
            .bind(former)
            .execute(pool)
            .await
            .map(drop)
        });
        Ok(done?)
    }

    /// Removes keys that were retired before `before`; says how many.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn remove_signing_keys(&self, before: DateTime<Utc>, now: DateTime<Utc>) -> Result<u64, Error> {
        on!(&self.writes, |pool| {
            let mut tx = pool.begin_write().await?;
            let done = sqlx::query("DELETE FROM signing_keys WHERE retired_at < $1 AND NOT is_next")
                .bind(before)
                .execute(&mut *tx)
                .await?;
            let change = (done.rows_affected() > 0).then_some(SecurityChange::KeysChanged);
            tx.commit_with(change.as_slice(), now, &self.news).await?;
            Ok(done.rows_affected())
        })
    }
}

/// What a transaction offers for signing keys.
trait KeyTable {
    /// Waits until no other transaction changes the state of a key.
    fn hold_keys(&mut self) -> impl Future<Output = Result<(), sqlx::Error>> + Send;

    /// Adds a key that signs, unless there is one, and tells the trail; says whether it did.
    fn add_active_key(&mut self, key: &NewKey) -> impl Future<Output = Result<bool, sqlx::Error>> + Send;

    /// Adds a key that comes next, unless there is one, and tells the trail; says whether it did.
    fn add_next_key(&mut self, key: &NewKey) -> impl Future<Output = Result<bool, sqlx::Error>> + Send;
}

macro_rules! key_table_for {
    ($connection:ty) => {
        impl KeyTable for $connection {
            async fn hold_keys(&mut self) -> Result<(), sqlx::Error> {
                sqlx::query("UPDATE guards SET revision = revision + 1 WHERE name = 'signing_keys'")
                    .execute(self)
                    .await
                    .map(drop)
            }

            async fn add_active_key(&mut self, key: &NewKey) -> Result<bool, sqlx::Error> {
                let added = sqlx::query(
                    "INSERT INTO signing_keys \
                     (kid, public_key, sealed_private_key, created_at, may_sign_from, active_from) \
                     VALUES ($1, $2, $3, $4, $4, $4) ON CONFLICT DO NOTHING",
                )
                .bind(&key.kid)
                .bind(&key.public_key)
                .bind(&key.sealed_private_key)
                .bind(key.created_at)
                .execute(&mut *self)
                .await?;
                let is_added = added.rows_affected() == 1;
                if is_added {
                    self.tell(&key.event).await?;
                }
                Ok(is_added)
            }

            async fn add_next_key(&mut self, key: &NewKey) -> Result<bool, sqlx::Error> {
                let added = sqlx::query(
                    "INSERT INTO signing_keys \
                     (kid, public_key, sealed_private_key, created_at, may_sign_from, is_next, retired_at) \
                     VALUES ($1, $2, $3, $4, $5, TRUE, '9999-12-31T00:00:00+00:00') ON CONFLICT DO NOTHING",
                )
                .bind(&key.kid)
                .bind(&key.public_key)
                .bind(&key.sealed_private_key)
                .bind(key.created_at)
                .bind(key.may_sign_from)
                .execute(&mut *self)
                .await?;
                let is_added = added.rows_affected() == 1;
                if is_added {
                    self.tell(&key.event).await?;
                }
                Ok(is_added)
            }
        }
    };
}

key_table_for!(PgConnection);
key_table_for!(SqliteConnection);
