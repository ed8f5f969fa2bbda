//! The log of security changes: written in the transaction of what it tells, in the order of commits, and read by
//! whoever must hear of it at once.

use chrono::{DateTime, Utc};
use futures_util::Stream;
use service_runtime::on;
use sqlx::{Postgres, QueryBuilder, Sqlite, Transaction};
use tokio::sync::Notify;
use uuid::Uuid;

use crate::{
    model::security_change::{RecordedChange, SecurityChange},
    store::{Error, Store},
};

/// The name by which PostgreSQL tells other processes that there is something new.
const NEWS: &str = "auth_security_changes";
/// How many rows one statement writes: each takes four parameters, and SQLite allows 32,766.
const ROWS: usize = 1000;

/// How a change stands in its row.
const fn columns(change: SecurityChange) -> (&'static str, Uuid) {
    match change {
        SecurityChange::SessionEnded(id) => ("session_ended", id),
        SecurityChange::UserChanged(id) => ("user_changed", id),
        SecurityChange::KeysChanged => ("keys_changed", Uuid::nil()),
    }
}

/// A change as its row has it.
fn recorded((revision, kind, subject): (i64, String, Uuid)) -> RecordedChange {
    let change = match kind.as_str() {
        "session_ended" => SecurityChange::SessionEnded(subject),
        "user_changed" => SecurityChange::UserChanged(subject),
        // The table knows no other.
        _ => SecurityChange::KeysChanged,
    };
    RecordedChange { revision, change }
}

/// What a transaction offers for what changes the state of security.
pub trait CommitChanges {
    /// Records changes under the next revision, commits, and rings for whoever waits for news in this process. The
    /// record comes last, because it takes the one lock that all of those transactions need and holds it until the end.
    fn commit_with(
        self,
        changes: &[SecurityChange],
        now: DateTime<Utc>,
        news: &Notify,
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send;
}

macro_rules! commit_changes_for {
    ($database:ty, $and_tell:literal) => {
        impl CommitChanges for Transaction<'_, $database> {
            async fn commit_with(
                mut self,
                changes: &[SecurityChange],
                now: DateTime<Utc>,
                news: &Notify,
            ) -> Result<(), sqlx::Error> {
                if changes.is_empty() {
                    return self.commit().await;
                }
                let revision: i64 = sqlx::query_scalar(concat!(
                    "UPDATE guards SET revision = revision + 1 WHERE name = 'security' RETURNING revision",
                    $and_tell
                ))
                .fetch_one(&mut *self)
                .await?;
                for some in changes.chunks(ROWS) {
                    let mut insert = QueryBuilder::<$database>::new(
                        "INSERT INTO security_changes (revision, kind, subject_id, time) ",
                    );
                    insert.push_values(some, |mut row, change| {
                        let (kind, subject) = columns(*change);
                        row.push_bind(revision)
                            .push_bind(kind)
                            .push_bind(subject)
                            .push_bind(now);
                    });
                    insert.build().execute(&mut *self).await?;
                }
                self.commit().await?;
                news.notify_one();
                Ok(())
            }
        }
    };
}

commit_changes_for!(Postgres, ", pg_notify('auth_security_changes', '')");
commit_changes_for!(Sqlite, "");

impl Store {
    /// Comes when another process may have recorded changes, where the database can tell.
    pub fn hints_of_security_changes(&self) -> impl Stream<Item = ()> + Send + use<> {
        self.reads.hints(NEWS)
    }

    /// Waits until this process has recorded changes.
    pub async fn records_security_changes(&self) {
        self.news.notified().await;
    }

    /// The latest revision.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn security_revision(&self) -> Result<i64, Error> {
        let revision = on!(&self.reads, |pool| {
            sqlx::query_scalar("SELECT revision FROM guards WHERE name = 'security'")
                .fetch_one(pool)
                .await
        });
        Ok(revision?)
    }

    /// The oldest revision of which changes are still kept, if any is.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn oldest_security_revision(&self) -> Result<Option<i64>, Error> {
        let oldest = on!(&self.reads, |pool| {
            sqlx::query_scalar("SELECT min(revision) FROM security_changes")
                .fetch_one(pool)
                .await
        });
        Ok(oldest?)
    }

    /// The changes of the revisions after `after` up to `until`, in their order.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn security_changes(&self, after: i64, until: i64) -> Result<Vec<RecordedChange>, Error> {
        let rows: Result<Vec<_>, _> = on!(&self.reads, |pool| {
            sqlx::query_as(
                "SELECT revision, kind, subject_id FROM security_changes \
                 WHERE revision > $1 AND revision <= $2 ORDER BY revision, kind, subject_id",
            )
            .bind(after)
            .bind(until)
            .fetch_all(pool)
            .await
        });
        Ok(rows?.into_iter().map(recorded).collect())
    }
}
