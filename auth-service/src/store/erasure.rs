//! The end of an account: one transaction in which everything goes that is the person's, and the note that the other
//! services are to be told. Tables of what is theirs refer to `users` with `ON DELETE CASCADE`.

use chrono::{DateTime, Utc};
use service_runtime::{database::BeginWrite, on};
use sqlx::FromRow;
use uuid::Uuid;

use crate::{
    model::{
        erasure::{Erasure, Heir},
        event::SecurityEvent,
        mail::{MailKind, NewMail},
        security_change::SecurityChange,
        user::User,
    },
    store::{
        Error, Store,
        event::Trail,
        outbox::Outbox,
        security_change::CommitChanges,
        staff::Staff,
        user::{UserRow, user_columns},
    },
};

/// What became of the wish to erase somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Erased {
    /// They are gone.
    Yes,
    /// There is no such user.
    NotFound,
    /// The password has another form by now.
    OtherPassword,
    /// No active staff user would be left.
    LastStaffUser,
}

#[derive(FromRow)]
struct ErasureRow {
    user_id: Uuid,
    erased_at: DateTime<Utc>,
    acknowledged_at: Option<DateTime<Utc>>,
}

impl From<ErasureRow> for Erasure {
    fn from(row: ErasureRow) -> Self {
        Self {
            user_id: row.user_id,
            erased_at: row.erased_at,
            acknowledged_at: row.acknowledged_at,
        }
    }
}

impl Store {
    /// Erases a user; with a stored form of a password, only if that is still theirs.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn erase_user(
        &self,
        id: Uuid,
        password_hash: Option<&str>,
        event: &SecurityEvent,
    ) -> Result<Erased, Error> {
        on!(&self.writes, |pool| {
            let mut tx = pool.begin_write().await?;
            // Adding to the revision takes the row's lock: a login that was faster has its session by now, one that is
            // slower finds nobody.
            let row: Option<UserRow> = sqlx::query_as(concat!(
                "UPDATE users SET revision = revision + 1 \
                 WHERE id = $1 AND ($2 IS NULL OR password_hash = $2) RETURNING ",
                user_columns!()
            ))
            .bind(id)
            .bind(password_hash)
            .fetch_optional(&mut *tx)
            .await?;
            let Some(UserRow(user)) = row else {
                let exists: Option<i64> = sqlx::query_scalar("SELECT revision FROM users WHERE id = $1")
                    .bind(id)
                    .fetch_optional(&mut *tx)
                    .await?;
                return Ok(exists.map_or(Erased::NotFound, |_| Erased::OtherPassword));
            };
            if user.is_staff && user.is_active && !tx.has_other_staff(id).await? {
                return Ok(Erased::LastStaffUser);
            }
            let ended: Vec<Uuid> = sqlx::query_scalar(
                "DELETE FROM sessions WHERE user_id = $1 AND ended_at IS NULL RETURNING id",
            )
            .bind(id)
            .fetch_all(&mut *tx)
            .await?;
            // Mail to them that nobody knew to be theirs. An alarm is the site's, whoever has its address.
            sqlx::query(
                "DELETE FROM mail_outbox WHERE user_id IS NULL AND kind <> 'security_alarm' \
                 AND lower(recipient) IN (lower($1), lower($2))",
            )
            .bind(&user.username)
            .bind(user.pending_username.as_deref().unwrap_or_default())
            .execute(&mut *tx)
            .await?;
            sqlx::query("DELETE FROM users WHERE id = $1")
                .bind(id)
                .execute(&mut *tx)
                .await?;
            sqlx::query(
                "INSERT INTO erasures (user_id, erased_at, attempts, next_attempt_at) VALUES ($1, $2, 0, $2) \
                 ON CONFLICT (user_id) DO UPDATE SET erased_at = excluded.erased_at, acknowledged_at = NULL, \
                 attempts = 0, next_attempt_at = excluded.next_attempt_at",
            )
            .bind(id)
            .bind(event.time)
            .execute(&mut *tx)
            .await?;
            tx.tell(event).await?;
            let mut changes: Vec<_> = ended.into_iter().map(SecurityChange::SessionEnded).collect();
            changes.push(SecurityChange::UserChanged(id));
            tx.commit_with(&changes, event.time, &self.news).await?;
            Ok(Erased::Yes)
        })
    }

    /// Claims an erasure that course-service is to be told of, and nobody else gets it before `until`: whom it is
    /// about, and which attempt this is.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn claim_erasure(
        &self,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<Option<(Uuid, i64)>, Error> {
        Ok(on!(&self.writes, |pool| {
            // The condition stands twice: somebody else may claim it while this waits for its row.
            sqlx::query_as(
                "UPDATE erasures SET attempts = attempts + 1, next_attempt_at = $2 \
                 WHERE acknowledged_at IS NULL AND next_attempt_at <= $1 AND user_id = \
                 (SELECT user_id FROM erasures WHERE acknowledged_at IS NULL AND next_attempt_at <= $1 \
                 ORDER BY next_attempt_at, user_id LIMIT 1) RETURNING user_id, attempts",
            )
            .bind(now)
            .bind(until)
            .fetch_optional(pool)
            .await
        })?)
    }

    /// Has an erasure tried again at `until`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn put_off_erasure(&self, user_id: Uuid, until: DateTime<Utc>) -> Result<(), Error> {
        on!(&self.writes, |pool| {
            sqlx::query(
                "UPDATE erasures SET next_attempt_at = $2 WHERE user_id = $1 AND acknowledged_at IS NULL",
            )
            .bind(user_id)
            .bind(until)
            .execute(pool)
            .await
            .map(drop)
        })?;
        Ok(())
    }

    /// Notes that course-service has erased its part, and queues the mails that tell those heirs who still have an
    /// account and were not told of this erasure before; says whether that was news. The heirs come in the order of
    /// their ids, so that two erasures do not wait for each other.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn acknowledge_erasure(
        &self,
        user_id: Uuid,
        heirs: &[Heir],
        now: DateTime<Utc>,
    ) -> Result<bool, Error> {
        on!(&self.writes, |pool| {
            let mut tx = pool.begin_write().await?;
            let noted = sqlx::query(
                "UPDATE erasures SET acknowledged_at = $2 WHERE user_id = $1 AND acknowledged_at IS NULL",
            )
            .bind(user_id)
            .bind(now)
            .execute(&mut *tx)
            .await?;
            let is_news = noted.rows_affected() == 1;
            for heir in heirs.iter().filter(|_| is_news) {
                // Changes nothing and locks the row: the address is theirs, and nobody's is written down after they have
                // gone.
                let address: Option<String> = sqlx::query_scalar(
                    "UPDATE users SET revision = revision WHERE id = $1 RETURNING username",
                )
                .bind(heir.user_id)
                .fetch_optional(&mut *tx)
                .await?;
                let Some(recipient) = address else {
                    continue;
                };
                let told = sqlx::query(
                    "INSERT INTO erasure_heirs (heir_id, erased_id) VALUES ($1, $2) \
                     ON CONFLICT (heir_id, erased_id) DO NOTHING",
                )
                .bind(heir.user_id)
                .bind(user_id)
                .execute(&mut *tx)
                .await?;
                if told.rows_affected() == 1 {
                    let mail = NewMail {
                        id: heir.mail_id,
                        kind: MailKind::CoursesInherited,
                        recipient,
                        token_id: None,
                        created_at: now,
                        expires_at: None,
                    };
                    tx.enqueue(&mail).await?;
                }
            }
            tx.commit().await?;
            Ok(is_news)
        })
    }

    /// How many erasures course-service has not acknowledged, and since when the oldest of them waits.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn waiting_erasures(&self) -> Result<(i64, Option<DateTime<Utc>>), Error> {
        Ok(on!(&self.reads, |pool| {
            sqlx::query_as("SELECT COUNT(*), MIN(erased_at) FROM erasures WHERE acknowledged_at IS NULL")
                .fetch_one(pool)
                .await
        })?)
    }

    /// Up to `limit` erasures, the oldest first, from after `after`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn list_erasures(&self, after: Option<&Erasure>, limit: i64) -> Result<Vec<Erasure>, Error> {
        // The first page comes after what no erasure is older than.
        let (time, id) = after.map_or((DateTime::UNIX_EPOCH, Uuid::nil()), |last| {
            (last.erased_at, last.user_id)
        });
        let rows: Vec<ErasureRow> = on!(&self.reads, |pool| {
            sqlx::query_as(
                "SELECT user_id, erased_at, acknowledged_at FROM erasures WHERE (erased_at, user_id) > ($1, $2) \
                 ORDER BY erased_at, user_id LIMIT $3",
            )
            .bind(time)
            .bind(id)
            .bind(limit)
            .fetch_all(pool)
            .await
        })?;
        Ok(rows.into_iter().map(Erasure::from).collect())
    }

    /// Has course-service told once more of up to `limit` erasures, in the order of users, from after `after`; says
    /// of whom.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn repeat_erasures(
        &self,
        after: Uuid,
        now: DateTime<Utc>,
        limit: i64,
    ) -> Result<Vec<Uuid>, Error> {
        Ok(on!(&self.writes, |pool| {
            sqlx::query_scalar(
                "UPDATE erasures SET acknowledged_at = NULL, attempts = 0, next_attempt_at = $2 WHERE user_id IN \
                 (SELECT user_id FROM erasures WHERE user_id > $1 ORDER BY user_id LIMIT $3) RETURNING user_id",
            )
            .bind(after)
            .bind(now)
            .bind(limit)
            .fetch_all(pool)
            .await
        })?)
    }

    /// The active staff user who has been here for longest: who takes over what would be left to nobody.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn heir(&self) -> Result<Option<User>, Error> {
        let row: Option<UserRow> = on!(&self.reads, |pool| {
            sqlx::query_as(concat!(
                "SELECT ",
                user_columns!(),
                " FROM users WHERE is_staff AND is_active ORDER BY date_joined, id LIMIT 1"
            ))
            .fetch_optional(pool)
            .await
        })?;
        Ok(row.map(|UserRow(user)| user))
    }
}
