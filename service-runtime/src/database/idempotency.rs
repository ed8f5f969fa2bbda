//! Retries that act once: a creating call may carry a key, and the record of its answer commits in the same
//! transaction as its effect. The same key and input get the first answer again for [`KEPT`]; the same key
//! with other input is refused.
//!
//! A service that uses this has the table in its migrations:
//!
//! ```sql
//! CREATE TABLE idempotency_keys (
//!     scope TEXT NOT NULL, key TEXT NOT NULL, fingerprint BYTEA NOT NULL,
//!     answer TEXT, created_at TIMESTAMPTZ NOT NULL,
//!     PRIMARY KEY (scope, key)
//! );
//! ```

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::{PgConnection, SqliteConnection};

/// How long an answer is kept.
pub const KEPT: TimeDelta = TimeDelta::hours(24);
/// The longest key a caller may send, in characters.
pub const LONGEST_KEY: usize = 255;

/// A caller's wish that this call act once.
#[derive(Debug, Clone)]
pub struct Once {
    /// Who calls what: keys of different callers and methods never meet.
    pub scope: String,
    /// The caller's key.
    pub key: String,
    /// A hash of the input; keyed where the input holds a password, because a plain hash of that could be
    /// guessed from a stolen database.
    pub fingerprint: Vec<u8>,
    /// The hashes of the same input under keys that were current before.
    pub former: Vec<Vec<u8>>,
}

impl Once {
    fn is_same_input(&self, fingerprint: &[u8]) -> bool {
        self.fingerprint == fingerprint || self.former.iter().any(|former| former == fingerprint)
    }
}

/// What a key turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// New: go on, and [`record`](Idempotency::record) the answer in the same transaction.
    New,
    /// Used with the same input: this is the first answer.
    Answered(String),
    /// Used with other input.
    Reused,
}

/// What a transaction offers for acting once. A second call with the same key waits until the first one's
/// transaction has ended.
pub trait Idempotency {
    /// Claims the key within the running transaction.
    fn claim(
        &mut self,
        once: &Once,
        now: DateTime<Utc>,
    ) -> impl Future<Output = Result<Claim, sqlx::Error>> + Send;

    /// Keeps the answer within the running transaction.
    fn record(&mut self, once: &Once, answer: &str) -> impl Future<Output = Result<(), sqlx::Error>> + Send;

    /// Removes up to `limit` answers that are older than [`KEPT`]; says how many.
    fn forget_old(
        &mut self,
        now: DateTime<Utc>,
        limit: i64,
    ) -> impl Future<Output = Result<u64, sqlx::Error>> + Send;
}

macro_rules! idempotency_for {
    ($connection:ty) => {
        impl Idempotency for $connection {
            async fn claim(&mut self, once: &Once, now: DateTime<Utc>) -> Result<Claim, sqlx::Error> {
                // An answer that is too old is as good as none, also before the clean-up comes by.
                let claimed = sqlx::query(
                    "INSERT INTO idempotency_keys (scope, key, fingerprint, answer, created_at) \
                     VALUES ($1, $2, $3, NULL, $4) \
                     ON CONFLICT (scope, key) DO UPDATE \
                     SET fingerprint = excluded.fingerprint, answer = NULL, created_at = excluded.created_at \
                     WHERE idempotency_keys.created_at <= $5",
                )
                .bind(&once.scope)
                .bind(&once.key)
                .bind(&once.fingerprint)
                .bind(now)
                .bind(now - KEPT)
                .execute(&mut *self)
                .await?;
                if claimed.rows_affected() == 1 {
                    return Ok(Claim::New);
                }
                let (fingerprint, answer): (Vec<u8>, Option<String>) =
                    sqlx::query_as("SELECT fingerprint, answer FROM idempotency_keys WHERE scope = $1 AND key = $2")
                        .bind(&once.scope)
                        .bind(&once.key)
                        .fetch_one(&mut *self)
                        .await?;
                Ok(match answer {
                    Some(answer) if once.is_same_input(&fingerprint) => Claim::Answered(answer),
                    _ => Claim::Reused,
                })
            }

            async fn record(&mut self, once: &Once, answer: &str) -> Result<(), sqlx::Error> {
                sqlx::query("UPDATE idempotency_keys SET answer = $3 WHERE scope = $1 AND key = $2")
                    .bind(&once.scope)
                    .bind(&once.key)
                    .bind(answer)
                    .execute(&mut *self)
                    .await
                    .map(|_| ())
            }

            async fn forget_old(&mut self, now: DateTime<Utc>, limit: i64) -> Result<u64, sqlx::Error> {
                sqlx::query(
                    "DELETE FROM idempotency_keys WHERE (scope, key) IN \
                     (SELECT scope, key FROM idempotency_keys WHERE created_at <= $1 LIMIT $2)",
                )
                .bind(now - KEPT)
                .bind(limit)
                .execute(&mut *self)
                .await
                .map(|done| done.rows_affected())
            }
        }
    };
}

idempotency_for!(PgConnection);
idempotency_for!(SqliteConnection);
