//! Removing what has had its time, in small batches so that nobody waits long for a lock.

use chrono::{DateTime, Utc};
use service_runtime::{
    database::{BeginWrite, idempotency::Idempotency},
    on,
};

use crate::store::{Error, Store};

impl Store {
    /// Removes up to `limit` accounts that were registered before `before` and never verified; says how many.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn remove_unverified_users(&self, before: DateTime<Utc>, limit: i64) -> Result<u64, Error> {
        // The condition stands twice: an address may be verified while this waits for its row.
        let sql = "DELETE FROM users WHERE verified_at IS NULL AND id IN \
                   (SELECT id FROM users WHERE verified_at IS NULL AND date_joined < $1 LIMIT $2)";
        self.remove(sql, before, limit).await
    }

    /// Removes up to `limit` sessions that ran out before `before`; says how many.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn remove_old_sessions(&self, before: DateTime<Utc>, limit: i64) -> Result<u64, Error> {
        let sql = "DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE expires_at < $1 LIMIT $2)";
        self.remove(sql, before, limit).await
    }

    /// Removes up to `limit` mail tokens that ran out before `before`; says how many.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn remove_old_mail_tokens(&self, before: DateTime<Utc>, limit: i64) -> Result<u64, Error> {
        let sql =
            "DELETE FROM mail_tokens WHERE id IN (SELECT id FROM mail_tokens WHERE expires_at < $1 LIMIT $2)";
        self.remove(sql, before, limit).await
    }

    /// Removes up to `limit` security changes that were recorded before `before`; says how many.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn remove_old_security_changes(&self, before: DateTime<Utc>, limit: i64) -> Result<u64, Error> {
        let sql = "DELETE FROM security_changes WHERE (revision, kind, subject_id) IN \
                   (SELECT revision, kind, subject_id FROM security_changes WHERE time < $1 ORDER BY revision LIMIT $2)";
        self.remove(sql, before, limit).await
    }

    /// Removes up to `limit` security events from before `before`, which from then on is the moment since which all
    /// are kept; says how many.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn remove_old_events(&self, before: DateTime<Utc>, limit: i64) -> Result<u64, Error> {
        on!(&self.writes, |pool| {
            let mut tx = pool.begin_write().await?;
            sqlx::query("UPDATE security_event_marks SET time = $1 WHERE name = 'kept_since' AND time < $1")
                .bind(before)
                .execute(&mut *tx)
                .await?;
            let done = sqlx::query(
                "DELETE FROM security_events WHERE id IN \
                 (SELECT id FROM security_events WHERE time < $1 ORDER BY time LIMIT $2)",
            )
            .bind(before)
            .bind(limit)
            .execute(&mut *tx)
            .await?;
            tx.commit().await?;
            Ok(done.rows_affected())
        })
    }

    /// Removes up to `limit` answers kept for retries that have had their day; says how many.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn forget_answers(&self, now: DateTime<Utc>, limit: i64) -> Result<u64, Error> {
        on!(&self.writes, |pool| {
            let mut tx = pool.begin_write().await?;
            let forgotten = tx.forget_old(now, limit).await?;
            tx.commit().await?;
            Ok(forgotten)
        })
    }

    async fn remove(&self, sql: &'static str, before: DateTime<Utc>, limit: i64) -> Result<u64, Error> {
        let done = on!(&self.writes, |pool| {
            let query = sqlx::query(sql).bind(before).bind(limit);
            query.execute(pool).await.map(|done| done.rows_affected())
        });
        Ok(done?)
    }
}
