//! The trail: security events are only ever added, in the transaction of what they tell.

use sqlx::{PgConnection, SqliteConnection};

use crate::model::event::SecurityEvent;

/// What a transaction offers for telling what happened.
pub trait Trail {
    /// Adds an event.
    fn tell(&mut self, event: &SecurityEvent) -> impl Future<Output = Result<(), sqlx::Error>> + Send;
}

macro_rules! trail_for {
    ($connection:ty) => {
        impl Trail for $connection {
            async fn tell(&mut self, event: &SecurityEvent) -> Result<(), sqlx::Error> {
                sqlx::query(
                    "INSERT INTO security_events (id, time, severity, kind, actor_id, subject_id, session_id, \
                     ip_address, request_id, detail) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
                )
                .bind(event.id)
                .bind(event.time)
                .bind(event.severity.as_str())
                .bind(event.kind)
                .bind(event.actor_id)
                .bind(event.subject_id)
                .bind(event.session_id)
                .bind(&event.ip_address)
                .bind(&event.request_id)
                .bind(&event.detail)
                .execute(self)
                .await
                .map(|_| ())
            }
        }
    };
}

trail_for!(PgConnection);
trail_for!(SqliteConnection);
