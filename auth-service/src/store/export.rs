//! What is held about a person, for that person.

use chrono::{DateTime, Utc};
use service_runtime::on;
use sqlx::FromRow;
use uuid::Uuid;

use crate::{
    model::event::SecurityEvent,
    store::{Error, Store, event::Trail},
};

/// Everything about a person beside their account; each list the newest first.
#[derive(Debug, Default)]
pub struct Held {
    /// The second factor, confirmed or not.
    pub factor: Option<HeldFactor>,
    /// When recovery codes of it were used; `None` for one that was not.
    pub recovery_codes: Vec<Option<DateTime<Utc>>>,
    /// Sessions, open or not.
    pub sessions: Vec<HeldSession>,
    /// Links that were mailed.
    pub links: Vec<HeldLink>,
    /// Mails.
    pub mails: Vec<HeldMail>,
    /// What the trail has.
    pub events: Vec<HeldEvent>,
}

/// A second factor, without its secret.
#[derive(Debug, FromRow)]
pub struct HeldFactor {
    /// When setting it up began.
    pub created_at: DateTime<Utc>,
    /// How many wrong codes there were since the last right one.
    pub failures: i64,
    /// Until when no code is looked at.
    pub blocked_until: Option<DateTime<Utc>>,
}

/// A session.
#[derive(Debug, FromRow)]
pub struct HeldSession {
    /// Its id.
    pub id: Uuid,
    /// What the device called itself.
    pub user_agent: String,
    /// The address that it was last used from.
    pub ip_address: String,
    /// How the person proved who they are.
    pub factors: String,
    /// When they did.
    pub auth_time: DateTime<Utc>,
    /// When they logged in.
    pub created_at: DateTime<Utc>,
    /// When it was last used.
    pub last_used_at: DateTime<Utc>,
    /// Until when it is good.
    pub expires_at: DateTime<Utc>,
    /// When it was ended before that.
    pub ended_at: Option<DateTime<Utc>>,
    /// Why.
    pub end_reason: Option<String>,
}

/// A link that was mailed.
#[derive(Debug, FromRow)]
pub struct HeldLink {
    /// What it is for.
    pub purpose: String,
    /// The address that it went to.
    pub username: String,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// Until when it is good.
    pub expires_at: DateTime<Utc>,
    /// When it was used.
    pub used_at: Option<DateTime<Utc>>,
}

/// A mail.
#[derive(Debug, FromRow)]
pub struct HeldMail {
    /// What it says.
    pub kind: String,
    /// What became of it.
    pub state: String,
    /// The address that it goes to.
    pub recipient: String,
    /// When it was caused.
    pub created_at: DateTime<Utc>,
    /// When it was sent or given up.
    pub finished_at: Option<DateTime<Utc>>,
}

/// A security event, without what is others' in it.
#[derive(Debug, FromRow)]
pub struct HeldEvent {
    /// When it happened.
    pub time: DateTime<Utc>,
    /// How much it matters.
    pub severity: String,
    /// What it is.
    pub kind: String,
    /// Whether the person did it.
    pub by_them: bool,
    /// Whether it is about their account.
    pub about_them: bool,
    /// The address of whoever did it, unless that is known to be somebody else.
    pub ip_address: Option<String>,
    /// What else there is to know, unless it is about somebody else.
    pub detail: String,
}

/// The events of one person by the column that names them.
macro_rules! events_by {
    ($column:literal) => {
        concat!(
            "SELECT * FROM (SELECT id, time, severity, kind, COALESCE(actor_id = $1, FALSE) AS by_them, \
             COALESCE(subject_id = $1, FALSE) AS about_them, \
             CASE WHEN actor_id IS NULL OR actor_id = $1 THEN NULLIF(ip_address, '') END AS ip_address, \
             CASE WHEN COALESCE(subject_id, actor_id) = $1 THEN detail ELSE '' END AS detail \
             FROM security_events WHERE ",
            $column,
            " = $1 ORDER BY time DESC, id DESC LIMIT $2) AS ",
            $column
        )
    };
}

impl Store {
    /// What is held about a person beside their account, of each list up to `limit`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn held(&self, user_id: Uuid, limit: i64) -> Result<Held, Error> {
        macro_rules! newest {
            ($pool:ident, $statement:expr) => {
                sqlx::query_as($statement)
                    .bind(user_id)
                    .bind(limit)
                    .fetch_all($pool)
                    .await?
            };
        }
        on!(&self.reads, |pool| {
            Ok(Held {
                factor: sqlx::query_as(
                    "SELECT created_at, failures, blocked_until FROM second_factors WHERE user_id = $1",
                )
                .bind(user_id)
                .fetch_optional(pool)
                .await?,
                recovery_codes: sqlx::query_scalar(
                    "SELECT used_at FROM recovery_codes WHERE user_id = $1 ORDER BY used_at, code_hash",
                )
                .bind(user_id)
                .fetch_all(pool)
                .await?,
                sessions: newest!(
                    pool,
                    "SELECT id, user_agent, ip_address, factors, auth_time, created_at, last_used_at, expires_at, \
                     ended_at, end_reason FROM sessions WHERE user_id = $1 ORDER BY created_at DESC, id DESC LIMIT $2"
                ),
                links: newest!(
                    pool,
                    "SELECT purpose, username, created_at, expires_at, used_at FROM mail_tokens WHERE user_id = $1 \
                     ORDER BY created_at DESC, id DESC LIMIT $2"
                ),
                mails: newest!(
                    pool,
                    "SELECT kind, state, recipient, created_at, finished_at FROM mail_outbox WHERE user_id = $1 \
                     ORDER BY created_at DESC, id DESC LIMIT $2"
                ),
                // Two places in the index rather than one condition that neither serves.
                events: newest!(
                    pool,
                    concat!(
                        events_by!("actor_id"),
                        " UNION ",
                        events_by!("subject_id"),
                        " ORDER BY time DESC, id DESC LIMIT $2"
                    )
                ),
            })
        })
    }

    /// Tells the trail that somebody read what is held about them.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn tell_of_export(&self, event: &SecurityEvent) -> Result<(), Error> {
        on!(&self.writes, |pool| {
            let mut connection = pool.acquire().await?;
            Ok(connection.tell(event).await?)
        })
    }
}
