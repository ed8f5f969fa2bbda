//! The records of retries that act once, when they are old.

use chrono::{DateTime, Utc};
use service_runtime::{database::idempotency::Idempotency, on};

use super::{Error, Store};

impl Store {
    /// Removes up to `limit` answers that are kept no longer; says how many.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn forget_old_answers(&self, now: DateTime<Utc>, limit: i64) -> Result<u64, Error> {
        on!(&self.writes, |pool| {
            let mut connection = pool.acquire().await?;
            Ok(connection.forget_old(now, limit).await?)
        })
    }
}
