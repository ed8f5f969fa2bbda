//! Sessions: opened, refreshed and ended by conditional updates, so that no two callers can both win.

use chrono::{DateTime, Utc};
use service_runtime::{database::BeginWrite, on};
use sqlx::{FromRow, PgConnection, SqliteConnection};
use uuid::Uuid;

use crate::{
    model::{
        event::SecurityEvent,
        security_change::SecurityChange,
        session::{EndReason, SECOND_FACTOR, Session},
        user::User,
    },
    store::{
        END_OF_TIME, Error, Store,
        event::Trail,
        security_change::CommitChanges,
        user::{UserRow, user_columns},
    },
};

macro_rules! session_columns {
    () => {
        "id, user_id, salt, refresh_counter, user_agent, ip_address, factors, auth_time, created_at, \
         last_used_at, expires_at, ended_at"
    };
}

#[derive(FromRow)]
struct SessionRow {
    id: Uuid,
    user_id: Uuid,
    salt: Vec<u8>,
    refresh_counter: i64,
    user_agent: String,
    ip_address: String,
    factors: String,
    auth_time: DateTime<Utc>,
    created_at: DateTime<Utc>,
    last_used_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
    ended_at: Option<DateTime<Utc>>,
}

impl From<SessionRow> for Session {
    fn from(row: SessionRow) -> Self {
        Self {
            id: row.id,
            user_id: row.user_id,
            salt: row.salt,
            refresh_counter: row.refresh_counter,
            user_agent: row.user_agent,
            ip_address: row.ip_address,
            factors: row.factors.split(' ').map(str::to_owned).collect(),
            auth_time: row.auth_time,
            created_at: row.created_at,
            last_used_at: row.last_used_at,
            expires_at: row.expires_at,
            ended_at: row.ended_at,
        }
    }
}

#[derive(FromRow)]
struct ActiveRow {
    #[sqlx(flatten)]
    user: UserRow,
    security_revision: i64,
}

/// Where a page of sessions begins.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct SessionCursor {
    /// When the last session was opened.
    pub created_at: DateTime<Utc>,
    /// The last session's id.
    pub id: Uuid,
}

impl Store {
    /// Opens a session, if the account is still active, still has the password that was checked, and has no second
    /// factor that was not; keeps the networks that the account is known on if there is a new one, and tells the trail.
    /// Says who is logged in.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn open_session(
        &self,
        session: &Session,
        password_hash: &str,
        networks: Option<&[u8]>,
        event: &SecurityEvent,
    ) -> Result<Option<User>, Error> {
        on!(&self.writes, |pool| {
            let mut tx = pool.begin_write().await?;
            let user: Option<UserRow> = sqlx::query_as(concat!(
                "UPDATE users SET last_login = $3, known_networks = COALESCE($5, known_networks), \
                 revision = revision + 1 \
                 WHERE id = $1 AND password_hash = $2 AND is_active \
                 AND (factor_since IS NULL OR ($4 AND factor_since <= $3)) RETURNING ",
                user_columns!()
            ))
            .bind(session.user_id)
            .bind(password_hash)
            .bind(session.created_at)
            .bind(session.factors.iter().any(|factor| factor == SECOND_FACTOR))
            .bind(networks)
            .fetch_optional(&mut *tx)
            .await?;
            let Some(UserRow(user)) = user else {
                return Ok(None);
            };
            sqlx::query(
                "INSERT INTO sessions (id, user_id, salt, refresh_counter, user_agent, ip_address, factors, \
                 auth_time, created_at, last_used_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
            )
            .bind(session.id)
            .bind(session.user_id)
            .bind(&session.salt)
            .bind(session.refresh_counter)
            .bind(&session.user_agent)
            .bind(&session.ip_address)
            .bind(session.factors.join(" "))
            .bind(session.auth_time)
            .bind(session.created_at)
            .bind(session.last_used_at)
            .bind(session.expires_at)
            .execute(&mut *tx)
            .await?;
            tx.tell(event).await?;
            tx.commit().await?;
            Ok(Some(user))
        })
    }

    /// A session, open or not.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn session(&self, id: Uuid) -> Result<Option<Session>, Error> {
        let row: Result<Option<SessionRow>, _> = on!(&self.reads, |pool| {
            sqlx::query_as(concat!(
                "SELECT ",
                session_columns!(),
                " FROM sessions WHERE id = $1"
            ))
            .bind(id)
            .fetch_optional(pool)
            .await
        });
        Ok(row?.map(Session::from))
    }

    /// Refreshes a session from this counter to the next, if it is open and nobody did so before; says
    /// whether it did.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn refresh_session(
        &self,
        id: Uuid,
        counter: i64,
        ip_address: &str,
        now: DateTime<Utc>,
        expires_at: DateTime<Utc>,
    ) -> Result<bool, Error> {
        let done = on!(&self.writes, |pool| {
            sqlx::query(
                "UPDATE sessions SET refresh_counter = refresh_counter + 1, last_used_at = $3, expires_at = $4, \
                 ip_address = $5 WHERE id = $1 AND refresh_counter = $2 AND ended_at IS NULL AND expires_at > $3",
            )
            .bind(id)
            .bind(counter)
            .bind(now)
            .bind(expires_at)
            .bind(ip_address)
            .execute(pool)
            .await
            .map(|done| done.rows_affected() == 1)
        });
        Ok(done?)
    }

    /// Ends an open session and tells the trail; says whether it was open.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn end_session(
        &self,
        id: Uuid,
        reason: EndReason,
        now: DateTime<Utc>,
        event: &SecurityEvent,
    ) -> Result<bool, Error> {
        on!(&self.writes, |pool| {
            let mut tx = pool.begin_write().await?;
            let done = sqlx::query(
                "UPDATE sessions SET ended_at = $2, end_reason = $3 WHERE id = $1 AND ended_at IS NULL",
            )
            .bind(id)
            .bind(now)
            .bind(reason.as_str())
            .execute(&mut *tx)
            .await?;
            let ended = done.rows_affected() == 1;
            if ended {
                tx.tell(event).await?;
            }
            let change = ended.then_some(SecurityChange::SessionEnded(id));
            tx.commit_with(change.as_slice(), now, &self.news).await?;
            Ok(ended)
        })
    }

    /// Ends one open session of this user and tells the trail; says whether there was one.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn revoke_session(
        &self,
        id: Uuid,
        user_id: Uuid,
        now: DateTime<Utc>,
        event: &SecurityEvent,
    ) -> Result<bool, Error> {
        on!(&self.writes, |pool| {
            let mut tx = pool.begin_write().await?;
            let done = sqlx::query(
                "UPDATE sessions SET ended_at = $3, end_reason = $4 \
                 WHERE id = $1 AND user_id = $2 AND ended_at IS NULL AND expires_at > $3",
            )
            .bind(id)
            .bind(user_id)
            .bind(now)
            .bind(EndReason::Revoked.as_str())
            .execute(&mut *tx)
            .await?;
            let ended = done.rows_affected() == 1;
            if ended {
                tx.tell(event).await?;
            }
            let change = ended.then_some(SecurityChange::SessionEnded(id));
            tx.commit_with(change.as_slice(), now, &self.news).await?;
            Ok(ended)
        })
    }

    /// Ends every open session of this user and tells the trail.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn end_all_sessions(
        &self,
        user_id: Uuid,
        reason: EndReason,
        now: DateTime<Utc>,
        event: &SecurityEvent,
    ) -> Result<(), Error> {
        on!(&self.writes, |pool| {
            let mut tx = pool.begin_write().await?;
            let ended = tx.end_sessions(user_id, None, reason, now).await?;
            tx.tell(event).await?;
            tx.commit_with(&ended, now, &self.news).await?;
            Ok(())
        })
    }

    /// Ends up to `limit` open sessions of anybody, in the order of their ids from after `after`, and tells the trail;
    /// says which.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn end_anybodys_sessions(
        &self,
        after: Uuid,
        reason: EndReason,
        now: DateTime<Utc>,
        limit: i64,
        event: Option<&SecurityEvent>,
    ) -> Result<Vec<Uuid>, Error> {
        on!(&self.writes, |pool| {
            let mut tx = pool.begin_write().await?;
            let ended: Vec<Uuid> = sqlx::query_scalar(
                "UPDATE sessions SET ended_at = $2, end_reason = $3 WHERE ended_at IS NULL AND id IN \
                 (SELECT id FROM sessions WHERE id > $1 AND ended_at IS NULL AND expires_at > $2 \
                 ORDER BY id LIMIT $4) RETURNING id",
            )
            .bind(after)
            .bind(now)
            .bind(reason.as_str())
            .bind(limit)
            .fetch_all(&mut *tx)
            .await?;
            if let Some(event) = event {
                tx.tell(event).await?;
            }
            let changes: Vec<_> = ended.iter().copied().map(SecurityChange::SessionEnded).collect();
            tx.commit_with(&changes, now, &self.news).await?;
            Ok(ended)
        })
    }

    /// Who may act with this session now, if the user is active and the session open; and the revision of the state
    /// of security at which that is so.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn active_user(
        &self,
        user_id: Uuid,
        session_id: Uuid,
        now: DateTime<Utc>,
    ) -> Result<Option<(User, i64)>, Error> {
        let row: Result<Option<ActiveRow>, _> = on!(&self.reads, |pool| {
            // One statement, so that the revision is of the same moment.
            sqlx::query_as(concat!(
                "SELECT ",
                user_columns!(),
                ", (SELECT revision FROM guards WHERE name = 'security') AS security_revision \
                 FROM sessions JOIN users ON users.id = sessions.user_id \
                 WHERE sessions.id = $2 AND users.id = $1 AND sessions.ended_at IS NULL \
                 AND sessions.expires_at > $3 AND users.is_active"
            ))
            .bind(user_id)
            .bind(session_id)
            .bind(now)
            .fetch_optional(pool)
            .await
        });
        Ok(row?.map(|row| (row.user.0, row.security_revision)))
    }

    /// Up to `limit` open sessions of a user, the newest first, from after `after`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn list_sessions(
        &self,
        user_id: Uuid,
        now: DateTime<Utc>,
        after: Option<&SessionCursor>,
        limit: i64,
    ) -> Result<Vec<Session>, Error> {
        // The first page comes after what no session is newer than.
        let (created_at, id) = after.map_or((END_OF_TIME, Uuid::max()), |after| (after.created_at, after.id));
        let rows: Result<Vec<SessionRow>, _> = on!(&self.reads, |pool| {
            sqlx::query_as(concat!(
                "SELECT ",
                session_columns!(),
                " FROM sessions \
                 WHERE user_id = $1 AND ended_at IS NULL AND expires_at > $2 \
                 AND (created_at, id) < ($3, $4) ORDER BY created_at DESC, id DESC LIMIT $5"
            ))
            .bind(user_id)
            .bind(now)
            .bind(created_at)
            .bind(id)
            .bind(limit)
            .fetch_all(pool)
            .await
        });
        Ok(rows?.into_iter().map(Session::from).collect())
    }
}

/// What a transaction offers for sessions.
pub trait SessionTable {
    /// Ends the open sessions of a user, but one; says what to record of it.
    fn end_sessions(
        &mut self,
        user_id: Uuid,
        but: Option<Uuid>,
        reason: EndReason,
        now: DateTime<Utc>,
    ) -> impl Future<Output = Result<Vec<SecurityChange>, sqlx::Error>> + Send;
}

macro_rules! session_table_for {
    ($connection:ty) => {
        impl SessionTable for $connection {
            async fn end_sessions(
                &mut self,
                user_id: Uuid,
                but: Option<Uuid>,
                reason: EndReason,
                now: DateTime<Utc>,
            ) -> Result<Vec<SecurityChange>, sqlx::Error> {
                let ended: Vec<Uuid> = sqlx::query_scalar(
                    "UPDATE sessions SET ended_at = $3, end_reason = $4 \
                     WHERE user_id = $1 AND ended_at IS NULL AND ($2 IS NULL OR id <> $2) RETURNING id",
                )
                .bind(user_id)
                .bind(but)
                .bind(now)
                .bind(reason.as_str())
                .fetch_all(self)
                .await?;
                Ok(ended.into_iter().map(SecurityChange::SessionEnded).collect())
            }
        }
    };
}

session_table_for!(PgConnection);
session_table_for!(SqliteConnection);
