//! Alarms: critical events wait until a mail takes all of them with it. Each event goes into one mail, whoever dies
//! when, because it waits from the transaction that wrote it and leaves in the transaction that queues the mail.

use chrono::TimeDelta;
use service_runtime::{database::BeginWrite, on};
use uuid::Uuid;

use crate::{
    model::{alarm::Alarm, event::RecordedEvent, mail::NewMail},
    store::{
        Error, Store,
        event::{EventRow, event_columns},
        outbox::Outbox,
    },
};

/// How many events one mail takes with it at most.
const MOST_EVENTS: i64 = 10_000;

impl Store {
    /// Queues a mail for the critical events that wait, unless none does or the mail before it is younger than
    /// `pause`; says whether it did. Of several processes one does.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn raise_alarm(&self, mail: &NewMail, pause: TimeDelta) -> Result<bool, Error> {
        // Asked first, so that nobody waits for a lock as long as all is well.
        let waits: Result<Option<Uuid>, _> = on!(&self.reads, |pool| {
            sqlx::query_scalar("SELECT event_id FROM security_alarms WHERE mail_id IS NULL LIMIT 1")
                .fetch_optional(pool)
                .await
        });
        if waits?.is_none() {
            return Ok(false);
        }
        let now = mail.created_at;
        on!(&self.writes, |pool| {
            let mut tx = pool.begin_write().await?;
            // A mark of the future was set by a clock that was wrong.
            let is_ours = sqlx::query(
                "UPDATE security_event_marks SET time = $1 WHERE name = 'alarm' AND (time <= $2 OR time > $3)",
            )
            .bind(now)
            .bind(now - pause)
            .bind(now + pause)
            .execute(&mut *tx)
            .await?;
            if is_ours.rows_affected() == 0 {
                return Ok(false);
            }
            let taken = sqlx::query(
                "UPDATE security_alarms SET mail_id = $1 WHERE event_id IN \
                 (SELECT event_id FROM security_alarms WHERE mail_id IS NULL ORDER BY event_id LIMIT $2)",
            )
            .bind(mail.id)
            .bind(MOST_EVENTS)
            .execute(&mut *tx)
            .await?;
            if taken.rows_affected() == 0 {
                return Ok(false);
            }
            tx.enqueue(mail).await?;
            tx.commit().await?;
            Ok(true)
        })
    }

    /// What the alarm of this mail is about: how often each kind, and the first `most` events.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn alarm(&self, mail_id: Uuid, most: i64) -> Result<Alarm, Error> {
        on!(&self.reads, |pool| {
            let counts = sqlx::query_as(
                "SELECT kind, count(*) FROM security_events JOIN security_alarms ON event_id = id \
                 WHERE mail_id = $1 GROUP BY kind ORDER BY kind",
            )
            .bind(mail_id)
            .fetch_all(pool)
            .await?;
            let first: Vec<EventRow> = sqlx::query_as(concat!(
                "SELECT ",
                event_columns!(),
                " FROM security_events JOIN security_alarms ON event_id = id \
                 WHERE mail_id = $1 ORDER BY time, id LIMIT $2"
            ))
            .bind(mail_id)
            .bind(most)
            .fetch_all(pool)
            .await?;
            Ok(Alarm {
                counts,
                first: first.into_iter().map(RecordedEvent::from).collect(),
            })
        })
    }
}
