//! Mail that waits to be sent. It is queued in the transaction that causes it, at most one worker at a time
//! holds it, and only the holder of the latest lease says what became of it.

use chrono::{DateTime, TimeDelta, Utc};
use service_runtime::{database::Database, on};
use sqlx::{PgConnection, SqliteConnection};
use uuid::Uuid;

use super::{Error, Store};
use crate::model::{
    mail::{ClaimedMail, MailKind, NewMail, Outcome},
    username::folded,
};

/// What a transaction offers for queueing mail.
pub trait Outbox {
    /// Queues a mail within the running transaction: it will be sent if, and only if, that commits. One with a link
    /// goes to the address of its token, if that was added. One that tells somebody what another did is queued only
    /// while they have an account.
    fn enqueue(&mut self, mail: &NewMail) -> impl Future<Output = Result<(), sqlx::Error>> + Send;
}

macro_rules! outbox_for {
    ($connection:ty) => {
        impl Outbox for $connection {
            async fn enqueue(&mut self, mail: &NewMail) -> Result<(), sqlx::Error> {
                if mail.kind.is_caused_by_others() {
                    // Changes nothing and locks the row: nobody's address is written down after they have gone.
                    let owner = sqlx::query("UPDATE users SET revision = revision WHERE username_key = $1")
                        .bind(folded(&mail.recipient))
                        .execute(&mut *self)
                        .await?;
                    if owner.rows_affected() == 0 {
                        return Ok(());
                    }
                }
                // Whose it is: it goes with their account, and so does the address in it.
                let insert = match mail.token_id {
                    Some(token_id) => sqlx::query(
                        "INSERT INTO mail_outbox (id, kind, created_at, expires_at, attempts, next_attempt_at, state, \
                         recipient, token_id, user_id) SELECT $1, $2, $3, $4, 0, $3, 'queued', username, id, user_id \
                         FROM mail_tokens WHERE id = $5",
                    )
                    .bind(mail.id)
                    .bind(mail.kind.as_str())
                    .bind(mail.created_at)
                    .bind(mail.expires_at)
                    .bind(token_id),
                    None => sqlx::query(
                        "INSERT INTO mail_outbox (id, kind, created_at, expires_at, attempts, next_attempt_at, state, \
                         recipient, user_id) VALUES ($1, $2, $3, $4, 0, $3, 'queued', $5, \
                         (SELECT id FROM users WHERE username_key = $6))",
                    )
                    .bind(mail.id)
                    .bind(mail.kind.as_str())
                    .bind(mail.created_at)
                    .bind(mail.expires_at)
                    .bind(&mail.recipient)
                    // An alarm is the site's: it does not go with an account, whoever has registered its address.
                    .bind((mail.kind != MailKind::SecurityAlarm).then(|| folded(&mail.recipient))),
                };
                insert.execute(self).await.map(drop)
            }
        }
    };
}

outbox_for!(PgConnection);
outbox_for!(SqliteConnection);

/// Holds for a mail that is worth nothing at `$1`: its link ran out, or was used while the mail was on its way.
macro_rules! worthless {
    () => {
        "(expires_at IS NOT NULL AND expires_at <= $1 OR EXISTS (SELECT 1 FROM mail_tokens \
         WHERE mail_tokens.id = mail_outbox.token_id AND mail_tokens.used_at IS NOT NULL))"
    };
}

/// Claims what is due; `$lock` keeps workers that claim at the same moment apart.
macro_rules! claim {
    ($lock:literal) => {
        concat!(
            "WITH due AS MATERIALIZED (SELECT id FROM mail_outbox WHERE state = 'queued' \
             AND next_attempt_at <= $1 AND NOT ",
            worthless!(),
            " ORDER BY next_attempt_at, id LIMIT $2 ",
            $lock,
            ") UPDATE mail_outbox SET attempts = attempts + 1, next_attempt_at = $3, lease_id = $4 \
             WHERE id IN (SELECT id FROM due) \
             RETURNING id, kind, recipient, token_id, created_at, expires_at, attempts"
        )
    };
}

/// Rows that another worker is claiming are passed over instead of waited for.
const CLAIM_ON_POSTGRES: &str = claim!("FOR UPDATE SKIP LOCKED");
/// One writer at a time is all that SQLite has.
const CLAIM_ON_SQLITE: &str = claim!("");

type Row = (
    Uuid,
    String,
    String,
    Option<Uuid>,
    DateTime<Utc>,
    Option<DateTime<Utc>>,
    i64,
);

fn claimed((id, kind, recipient, token_id, created_at, expires_at, attempt): Row) -> Option<ClaimedMail> {
    let Some(kind) = MailKind::parse(&kind) else {
        // While replicas are replaced one by one, a newer one may queue what this one cannot write. Its lease
        // runs out, and a replica that knows the kind takes it.
        tracing::warn!(mail = %id, kind, "mail of an unknown kind is left to others");
        return None;
    };
    Some(ClaimedMail {
        mail: NewMail {
            id,
            kind,
            recipient,
            token_id,
            created_at,
            expires_at,
        },
        attempt,
    })
}

impl Store {
    /// Claims up to `limit` mails that are due, under the lease `lease_id`. Nobody else gets them for
    /// `lease_for`; then they are due again.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn claim_mail(
        &self,
        now: DateTime<Utc>,
        lease_for: TimeDelta,
        limit: i64,
        lease_id: Uuid,
    ) -> Result<Vec<ClaimedMail>, Error> {
        let claim = match self.writes {
            Database::Postgres(_) => CLAIM_ON_POSTGRES,
            Database::Sqlite(_) => CLAIM_ON_SQLITE,
        };
        let rows: Vec<Row> = on!(&self.writes, |pool| {
            sqlx::query_as(claim)
                .bind(now)
                .bind(limit)
                .bind(now + lease_for)
                .bind(lease_id)
                .fetch_all(pool)
                .await
        })?;
        Ok(rows.into_iter().filter_map(claimed).collect())
    }

    /// Records what became of a claimed mail. `false`: nothing was recorded, because the lease has gone to
    /// somebody else or the mail was removed with its account.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn settle_mail(
        &self,
        id: Uuid,
        lease_id: Uuid,
        now: DateTime<Utc>,
        outcome: &Outcome,
    ) -> Result<bool, Error> {
        let (state, until, reason) = match outcome {
            Outcome::Sent => ("sent", None, None),
            Outcome::PutOff { until, reason } => ("queued", Some(*until), Some(reason)),
            Outcome::Dead { reason } => ("dead", None, Some(reason)),
        };
        let finished_at = until.is_none().then_some(now);
        let settled = on!(&self.writes, |pool| {
            sqlx::query(
                "UPDATE mail_outbox SET state = $3, next_attempt_at = coalesce($4, next_attempt_at), \
                 last_error = $5, finished_at = $6, lease_id = NULL \
                 WHERE id = $1 AND lease_id = $2 AND state = 'queued'",
            )
            .bind(id)
            .bind(lease_id)
            .bind(state)
            .bind(until)
            .bind(reason)
            .bind(finished_at)
            .execute(pool)
            .await
            .map(|done| done.rows_affected())
        })?;
        Ok(settled == 1)
    }

    /// How many mails wait to be sent, and since when the oldest of them does.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn waiting_mail(&self) -> Result<(i64, Option<DateTime<Utc>>), Error> {
        Ok(on!(&self.reads, |pool| {
            sqlx::query_as("SELECT COUNT(*), MIN(created_at) FROM mail_outbox WHERE state = 'queued'")
                .fetch_one(pool)
                .await
        })?)
    }

    /// Gives up mail that waits and is worth nothing any more; says how much.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn expire_mail(&self, now: DateTime<Utc>) -> Result<u64, Error> {
        Ok(on!(&self.writes, |pool| {
            sqlx::query(concat!(
                "UPDATE mail_outbox SET state = 'expired', finished_at = $1, lease_id = NULL \
                 WHERE state = 'queued' AND next_attempt_at <= $1 AND ",
                worthless!(),
            ))
            .bind(now)
            .execute(pool)
            .await
            .map(|done| done.rows_affected())
        })?)
    }

    /// Removes up to `limit` mails that were finished, well or badly, before `before`; says how many.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn purge_finished_mail(&self, before: DateTime<Utc>, limit: i64) -> Result<u64, Error> {
        Ok(on!(&self.writes, |pool| {
            sqlx::query(
                "DELETE FROM mail_outbox WHERE id IN \
                 (SELECT id FROM mail_outbox WHERE finished_at < $1 LIMIT $2)",
            )
            .bind(before)
            .bind(limit)
            .execute(pool)
            .await
            .map(|done| done.rows_affected())
        })?)
    }
}
