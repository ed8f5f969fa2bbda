//! The trail: security events are only ever added, in the transaction of what they tell where there is one, and read
//! page by page.

use chrono::{DateTime, Utc};
use service_runtime::{database::BeginWrite, on};
use sqlx::{AssertSqlSafe, FromRow, PgConnection, SqliteConnection};
use uuid::Uuid;

use crate::{
    model::event::{EventFilter, RecordedEvent, SecurityEvent, Severity},
    store::{END_OF_TIME, Error, Store},
};

/// What a transaction offers for telling what happened.
pub trait Trail {
    /// Adds an event, unless it is there already. A critical one waits for an alarm from then on. What is worth a look is
    /// a line in the log at once, not after the commit: a log that is shipped elsewhere then has all that the trail has,
    /// and at worst what was not done after all.
    fn tell(&mut self, event: &SecurityEvent) -> impl Future<Output = Result<(), sqlx::Error>> + Send;

    /// Adds an event about whoever a mail's token acts on, if that was added. It takes as long where it was not.
    fn tell_of_owner(
        &mut self,
        token_id: Uuid,
        event: &SecurityEvent,
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send;
}

/// Adds an event within a running transaction, with these values; `$6` says whom it is about.
macro_rules! add_event {
    ($connection:expr, $event:ident, $values:literal, $about:expr) => {{
        let severity = $event.kind.severity();
        let added = sqlx::query(concat!(
            "INSERT INTO security_events (id, time, severity, kind, actor_id, subject_id, session_id, ip_address, \
             request_id, detail) ",
            $values,
            " ON CONFLICT (id) DO NOTHING"
        ))
        .bind($event.id)
        .bind($event.time)
        .bind(severity.as_str())
        .bind($event.kind.as_str())
        .bind($event.actor_id)
        .bind($about)
        .bind($event.session_id)
        .bind(&$event.ip_address)
        .bind(&$event.request_id)
        .bind(&$event.detail)
        .execute(&mut *$connection)
        .await?;
        if added.rows_affected() == 0 {
            return Ok(());
        }
        if severity == Severity::Critical {
            sqlx::query("INSERT INTO security_alarms (event_id) VALUES ($1)")
                .bind($event.id)
                .execute($connection)
                .await?;
        }
        log($event);
        Ok(())
    }};
}

macro_rules! trail_for {
    ($connection:ty) => {
        impl Trail for $connection {
            async fn tell(&mut self, event: &SecurityEvent) -> Result<(), sqlx::Error> {
                add_event!(
                    self,
                    event,
                    "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
                    event.subject_id
                )
            }

            async fn tell_of_owner(
                &mut self,
                token_id: Uuid,
                event: &SecurityEvent,
            ) -> Result<(), sqlx::Error> {
                add_event!(
                    self,
                    event,
                    "SELECT $1, $2, $3, $4, $5, user_id, $7, $8, $9, $10 FROM mail_tokens WHERE id = $6",
                    token_id
                )
            }
        }
    };
}

trail_for!(PgConnection);
trail_for!(SqliteConnection);

/// One line for what is worth a look, without the network: the trail has it.
fn log(event: &SecurityEvent) {
    macro_rules! line {
        ($level:ident) => {
            tracing::$level!(
                request_id = event.request_id,
                event_id = %event.id,
                kind = event.kind.as_str(),
                actor_id = event.actor_id.map(tracing::field::display),
                subject_id = event.subject_id.map(tracing::field::display),
                session_id = event.session_id.map(tracing::field::display),
                "security event"
            )
        };
    }
    match event.kind.severity() {
        Severity::Info => {}
        Severity::Warning => line!(warn),
        Severity::Critical => line!(error),
    }
}

macro_rules! event_columns {
    () => {
        "security_events.id, security_events.time, security_events.severity, security_events.kind, \
         security_events.actor_id, security_events.subject_id, security_events.session_id, \
         security_events.ip_address, security_events.request_id, security_events.detail"
    };
}
pub(crate) use event_columns;

#[derive(FromRow)]
pub(crate) struct EventRow {
    id: Uuid,
    time: DateTime<Utc>,
    severity: String,
    kind: String,
    actor_id: Option<Uuid>,
    subject_id: Option<Uuid>,
    session_id: Option<Uuid>,
    ip_address: String,
    request_id: String,
    detail: String,
}

impl From<EventRow> for RecordedEvent {
    fn from(row: EventRow) -> Self {
        Self {
            id: row.id,
            time: row.time,
            severity: Severity::from_word(&row.severity),
            kind: row.kind,
            actor_id: row.actor_id,
            subject_id: row.subject_id,
            session_id: row.session_id,
            ip_address: row.ip_address,
            request_id: row.request_id,
            detail: row.detail,
        }
    }
}

/// Where a page of events begins.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct EventCursor {
    /// The last event's time.
    pub time: DateTime<Utc>,
    /// The last event's id.
    pub id: Uuid,
}

/// The statement that reads a page: only what is asked for stands in it, so that the databases find the index that
/// has exactly that.
fn page_of(filter: &EventFilter) -> String {
    let mut text = String::from(concat!(
        "SELECT ",
        event_columns!(),
        " FROM security_events WHERE (time, id) < ($1, $2)"
    ));
    // As the indexes say it, or SQLite would not see that they have it.
    text += match filter.severity {
        None | Some(Severity::Info) => "",
        Some(Severity::Warning) => " AND severity <> 'info'",
        Some(Severity::Critical) => " AND severity = 'critical'",
    };
    let conditions = [
        (filter.kind.is_some(), "kind = "),
        (filter.actor_id.is_some(), "actor_id = "),
        (filter.subject_id.is_some(), "subject_id = "),
        (filter.since.is_some(), "time >= "),
    ];
    let asked = conditions.into_iter().filter(|(is_asked, _)| *is_asked);
    for ((_, condition), place) in asked.zip(4..) {
        text += &format!(" AND {condition}${place}");
    }
    text + " ORDER BY time DESC, id DESC LIMIT $3"
}

impl Store {
    /// Adds events that are about no other change; those that are there already stay as they are.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn record_events(&self, events: &[SecurityEvent]) -> Result<(), Error> {
        on!(&self.writes, |pool| {
            let mut tx = pool.begin_write().await?;
            for event in events {
                tx.tell(event).await?;
            }
            tx.commit().await?;
            Ok(())
        })
    }

    /// Up to `limit` events, the newest first, from after `after`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn list_events(
        &self,
        filter: &EventFilter,
        after: Option<&EventCursor>,
        limit: i64,
    ) -> Result<Vec<RecordedEvent>, Error> {
        let (time, id) = match (after, filter.until) {
            (Some(after), _) => (after.time, after.id),
            (None, Some(until)) => (until, Uuid::nil()),
            (None, None) => (END_OF_TIME, Uuid::max()),
        };
        let text = page_of(filter);
        let rows: Result<Vec<EventRow>, _> = on!(&self.reads, |pool| {
            let mut query = sqlx::query_as(AssertSqlSafe(text))
                .bind(time)
                .bind(id)
                .bind(limit);
            if let Some(kind) = filter.kind {
                query = query.bind(kind);
            }
            for user in filter.actor_id.iter().chain(&filter.subject_id) {
                query = query.bind(*user);
            }
            if let Some(since) = filter.since {
                query = query.bind(since);
            }
            query.fetch_all(pool).await
        });
        Ok(rows?.into_iter().map(RecordedEvent::from).collect())
    }
}
