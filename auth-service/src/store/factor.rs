//! Second factors. Codes are tried under the lock of the factor's row, so that of many attempts with one code one
//! counts and no wrong one is forgotten; whether an account has a factor is decided by its own row.

use chrono::{DateTime, Utc};
use service_runtime::{database::BeginWrite, on};
use sqlx::FromRow;
use uuid::Uuid;

use crate::{
    model::{
        event::SecurityEvent,
        factor::{Attempt, StoredFactor},
        mail::NewMail,
        security_change::SecurityChange,
        session::EndReason,
    },
    store::{
        Error, Store, event::Trail, outbox::Outbox, security_change::CommitChanges, session::SessionTable,
    },
};

#[derive(FromRow)]
struct FactorRow {
    id: Uuid,
    sealed_secret: Vec<u8>,
    last_step: i64,
    failures: i64,
    blocked_until: Option<DateTime<Utc>>,
}

impl From<FactorRow> for StoredFactor {
    fn from(row: FactorRow) -> Self {
        Self {
            id: row.id,
            sealed_secret: row.sealed_secret,
            last_step: row.last_step,
            failures: row.failures,
            blocked_until: row.blocked_until,
        }
    }
}

/// Why a code was not tried.
#[derive(Debug)]
pub enum NotTried<E> {
    /// There is nothing to try it on.
    NoFactor,
    /// The rules say no; nothing is kept of the attempt.
    Refused(E),
    /// The database says no.
    Store(Error),
}

impl<E> From<sqlx::Error> for NotTried<E> {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

/// What comes with a change of a second factor.
#[derive(Debug)]
pub struct FactorChange {
    /// Whose it is.
    pub user_id: Uuid,
    /// The session that goes on while the others end.
    pub session_id: Option<Uuid>,
    /// When.
    pub now: DateTime<Utc>,
    /// What to tell the trail.
    pub event: SecurityEvent,
    /// What to tell the owner.
    pub mail: NewMail,
}

/// Adds recovery codes to those of a user within a running transaction.
macro_rules! add_codes {
    ($tx:ident, $user_id:expr, $hashes:expr) => {
        for hash in $hashes {
            sqlx::query("INSERT INTO recovery_codes (user_id, code_hash) VALUES ($1, $2)")
                .bind($user_id)
                .bind(hash)
                .execute(&mut *$tx)
                .await?;
        }
    };
}

/// Removes all recovery codes of a user within a running transaction.
macro_rules! remove_codes {
    ($tx:ident, $user_id:expr) => {
        sqlx::query("DELETE FROM recovery_codes WHERE user_id = $1")
            .bind($user_id)
            .execute(&mut *$tx)
            .await?
    };
}

/// Ends a change of a factor: the other sessions end, the trail and the owner are told, all is committed.
macro_rules! commit_change {
    ($tx:ident, $change:expr, $news:expr) => {{
        let change: &FactorChange = $change;
        let reason = EndReason::FactorChanged;
        let mut changes = $tx
            .end_sessions(change.user_id, change.session_id, reason, change.now)
            .await?;
        changes.push(SecurityChange::UserChanged(change.user_id));
        $tx.tell(&change.event).await?;
        $tx.enqueue(&change.mail).await?;
        $tx.commit_with(&changes, change.now, $news).await?;
    }};
}

impl Store {
    /// Keeps the secret of an enrolment that begins, in place of one that was not confirmed; says whether it did: not
    /// where the account has a second factor.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn start_factor(
        &self,
        user_id: Uuid,
        id: Uuid,
        sealed_secret: &[u8],
        now: DateTime<Utc>,
    ) -> Result<bool, Error> {
        on!(&self.writes, |pool| {
            let mut tx = pool.begin_write().await?;
            // Takes the account's row: who confirms at this moment is before this or after it.
            let free =
                sqlx::query("UPDATE users SET factor_since = NULL WHERE id = $1 AND factor_since IS NULL")
                    .bind(user_id)
                    .execute(&mut *tx)
                    .await?;
            if free.rows_affected() == 0 {
                return Ok(false);
            }
            sqlx::query(
                "INSERT INTO second_factors (user_id, id, sealed_secret, created_at, last_step, failures) \
                 VALUES ($1, $2, $3, $4, 0, 0) ON CONFLICT (user_id) DO UPDATE SET id = $2, sealed_secret = $3, \
                 created_at = $4, last_step = 0, failures = 0, blocked_until = NULL",
            )
            .bind(user_id)
            .bind(id)
            .bind(sealed_secret)
            .bind(now)
            .execute(&mut *tx)
            .await?;
            tx.commit().await?;
            Ok(true)
        })
    }

    /// Tries a code under the lock of the factor's row: `judge` gets the factor as it is, and whether the recovery code
    /// of this hash was used up just now, and says what the attempt comes to. Says which enrolment it was, and whether
    /// the code was right.
    ///
    /// # Errors
    /// [`NotTried`].
    pub async fn try_code<E>(
        &self,
        user_id: Uuid,
        recovery_hash: Option<&[u8]>,
        now: DateTime<Utc>,
        judge: impl FnOnce(&StoredFactor, bool) -> Result<Attempt, E>,
    ) -> Result<(Uuid, bool), NotTried<E>> {
        on!(&self.writes, |pool| {
            let mut tx = pool.begin_write().await?;
            // The account's row first, as everywhere: what ends the account takes its factor after it.
            sqlx::query("UPDATE users SET revision = revision WHERE id = $1")
                .bind(user_id)
                .execute(&mut *tx)
                .await?;
            // Writing takes the row's lock, so that what is read here stays true until the end.
            let row: Option<FactorRow> = sqlx::query_as(
                "UPDATE second_factors SET failures = failures WHERE user_id = $1 \
                 RETURNING id, sealed_secret, last_step, failures, blocked_until",
            )
            .bind(user_id)
            .fetch_optional(&mut *tx)
            .await?;
            let factor = StoredFactor::from(row.ok_or(NotTried::NoFactor)?);
            let used_up = match recovery_hash {
                Some(hash) => {
                    let used = sqlx::query(
                        "UPDATE recovery_codes SET used_at = $3 \
                         WHERE user_id = $1 AND code_hash = $2 AND used_at IS NULL",
                    )
                    .bind(user_id)
                    .bind(hash)
                    .bind(now)
                    .execute(&mut *tx)
                    .await?;
                    used.rows_affected() == 1
                }
                None => false,
            };
            let attempt = judge(&factor, used_up).map_err(NotTried::Refused)?;
            sqlx::query(
                "UPDATE second_factors SET last_step = $2, failures = $3, blocked_until = $4 WHERE user_id = $1",
            )
            .bind(user_id)
            .bind(attempt.last_step)
            .bind(attempt.failures)
            .bind(attempt.blocked_until)
            .execute(&mut *tx)
            .await?;
            for event in &attempt.events {
                tx.tell(event).await?;
            }
            if let Some(mail) = &attempt.mail {
                tx.enqueue(mail).await?;
            }
            tx.commit().await?;
            Ok((factor.id, attempt.passed))
        })
    }

    /// Lets the factor of this enrolment count from now on, with these recovery codes, and ends the other sessions;
    /// says whether it did: not where it did not begin after `since`, another has begun, or one counts already.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn confirm_factor(
        &self,
        id: Uuid,
        since: DateTime<Utc>,
        code_hashes: &[Vec<u8>],
        change: &FactorChange,
    ) -> Result<bool, Error> {
        on!(&self.writes, |pool| {
            let mut tx = pool.begin_write().await?;
            let counts = sqlx::query(
                "UPDATE users SET factor_since = $2, revision = revision + 1 \
                 WHERE id = $1 AND factor_since IS NULL AND is_active",
            )
            .bind(change.user_id)
            .bind(change.now)
            .execute(&mut *tx)
            .await?;
            // A statement of its own: only this one sees what another enrolment did while the first one waited.
            let enrolment: Option<Uuid> =
                sqlx::query_scalar("SELECT id FROM second_factors WHERE user_id = $1 AND created_at > $2")
                    .bind(change.user_id)
                    .bind(since)
                    .fetch_optional(&mut *tx)
                    .await?;
            if counts.rows_affected() == 0 || enrolment != Some(id) {
                return Ok(false);
            }
            remove_codes!(tx, change.user_id);
            add_codes!(tx, change.user_id, code_hashes);
            commit_change!(tx, change, &self.news);
            Ok(true)
        })
    }

    /// Removes the factor that counts since `since`, with its recovery codes, and ends the other sessions; says whether
    /// it did.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn remove_factor(&self, since: DateTime<Utc>, change: &FactorChange) -> Result<bool, Error> {
        on!(&self.writes, |pool| {
            let mut tx = pool.begin_write().await?;
            let removed = sqlx::query(
                "UPDATE users SET factor_since = NULL, revision = revision + 1 \
                 WHERE id = $1 AND factor_since = $2",
            )
            .bind(change.user_id)
            .bind(since)
            .execute(&mut *tx)
            .await?;
            if removed.rows_affected() == 0 {
                return Ok(false);
            }
            sqlx::query("DELETE FROM second_factors WHERE user_id = $1")
                .bind(change.user_id)
                .execute(&mut *tx)
                .await?;
            remove_codes!(tx, change.user_id);
            commit_change!(tx, change, &self.news);
            Ok(true)
        })
    }

    /// Replaces the recovery codes of the factor that counts since `since`; says whether it did.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn renew_recovery_codes(
        &self,
        since: DateTime<Utc>,
        code_hashes: &[Vec<u8>],
        change: &FactorChange,
    ) -> Result<bool, Error> {
        on!(&self.writes, |pool| {
            let mut tx = pool.begin_write().await?;
            // Takes the account's row: two who renew at once do so one after the other.
            let counts = sqlx::query(
                "UPDATE users SET factor_since = factor_since WHERE id = $1 AND factor_since = $2",
            )
            .bind(change.user_id)
            .bind(since)
            .execute(&mut *tx)
            .await?;
            if counts.rows_affected() == 0 {
                return Ok(false);
            }
            remove_codes!(tx, change.user_id);
            add_codes!(tx, change.user_id, code_hashes);
            tx.tell(&change.event).await?;
            tx.enqueue(&change.mail).await?;
            tx.commit().await?;
            Ok(true)
        })
    }

    /// Up to `limit` sealed secrets and whose they are, in the order of users, from after `after`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn sealed_factors(&self, after: Uuid, limit: i64) -> Result<Vec<(Uuid, Vec<u8>)>, Error> {
        let rows = on!(&self.reads, |pool| {
            sqlx::query_as(
                "SELECT user_id, sealed_secret FROM second_factors WHERE user_id > $1 ORDER BY user_id LIMIT $2",
            )
            .bind(after)
            .bind(limit)
            .fetch_all(pool)
            .await
        });
        Ok(rows?)
    }

    /// Replaces the sealed form of a secret, if it is still the former one; says whether it did.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn reseal_factor(&self, user_id: Uuid, former: &[u8], renewed: &[u8]) -> Result<bool, Error> {
        let done = on!(&self.writes, |pool| {
            sqlx::query(
                "UPDATE second_factors SET sealed_secret = $3 WHERE user_id = $1 AND sealed_secret = $2",
            )
            .bind(user_id)
            .bind(former)
            .bind(renewed)
            .execute(pool)
            .await
            .map(|done| done.rows_affected() == 1)
        });
        Ok(done?)
    }
}
