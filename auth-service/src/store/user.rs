//! Accounts: reading them, and changing one from the row as it is, under its lock.

use chrono::{DateTime, NaiveDate, Utc};
use service_runtime::{
    database::{BeginWrite, Database},
    on,
};
use sqlx::{FromRow, Row};
use uuid::Uuid;

use crate::{
    model::{
        event::SecurityEvent,
        mail::NewMail,
        mail_token::NewMailToken,
        profile::{ColorMode, Profile},
        security_change::SecurityChange,
        session::EndReason,
        user::{User, UserOrder},
    },
    store::{
        Error, Store, event::Trail, mail_token::MailTokenTable, outbox::Outbox,
        security_change::CommitChanges, session::SessionTable, staff::Staff,
    },
};

/// The columns of a [`User`], in a statement that names the table `users`.
macro_rules! user_columns {
    () => {
        "users.id, users.username, users.first_name, users.last_name, users.bio, users.user_greeting, \
         users.color_mode, users.dashboard_first_date, users.dashboard_second_date, users.is_active, \
         users.is_staff, users.verified_at, users.pending_username, users.date_joined, users.last_login, \
         users.factor_since, users.revision"
    };
}
pub(crate) use user_columns;

/// A row with the columns of a user.
pub(crate) struct UserRow(pub(crate) User);

impl<'r, R: Row> FromRow<'r, R> for UserRow
where
    &'static str: sqlx::ColumnIndex<R>,
    String: sqlx::Decode<'r, R::Database> + sqlx::Type<R::Database>,
    bool: sqlx::Decode<'r, R::Database> + sqlx::Type<R::Database>,
    i64: sqlx::Decode<'r, R::Database> + sqlx::Type<R::Database>,
    Uuid: sqlx::Decode<'r, R::Database> + sqlx::Type<R::Database>,
    DateTime<Utc>: sqlx::Decode<'r, R::Database> + sqlx::Type<R::Database>,
{
    fn from_row(row: &'r R) -> Result<Self, sqlx::Error> {
        let date = |column: &'static str| -> Result<Option<NaiveDate>, sqlx::Error> {
            Ok(row
                .try_get::<Option<String>, _>(column)?
                .and_then(|text| text.parse().ok()))
        };
        Ok(Self(User {
            id: row.try_get("id")?,
            username: row.try_get("username")?,
            profile: Profile {
                first_name: row.try_get("first_name")?,
                last_name: row.try_get("last_name")?,
                bio: row.try_get("bio")?,
                user_greeting: row.try_get("user_greeting")?,
                color_mode: ColorMode::from_word(&row.try_get::<String, _>("color_mode")?),
                dashboard_first_date: date("dashboard_first_date")?,
                dashboard_second_date: date("dashboard_second_date")?,
            },
            is_active: row.try_get("is_active")?,
            is_staff: row.try_get("is_staff")?,
            verified_at: row.try_get("verified_at")?,
            pending_username: row.try_get("pending_username")?,
            date_joined: row.try_get("date_joined")?,
            last_login: row.try_get("last_login")?,
            factor_since: row.try_get("factor_since")?,
            revision: row.try_get("revision")?,
        }))
    }
}

/// What changing a user does besides.
#[derive(Debug, Default)]
pub struct Effects {
    /// Tokens whose links are in the mails.
    pub tokens: Vec<NewMailToken>,
    /// Mails to queue.
    pub mails: Vec<NewMail>,
    /// Whether to end the sessions, and why.
    pub end_sessions: Option<EndReason>,
    /// What to tell the trail.
    pub events: Vec<SecurityEvent>,
}

/// Why a user was not changed.
#[derive(Debug)]
pub enum NotChanged<E> {
    /// There is no such user.
    NotFound,
    /// The version named is not the current one.
    OtherRevision,
    /// No active staff user would be left.
    LastStaffUser,
    /// The rules say no.
    Refused(E),
    /// The database says no.
    Store(Error),
}

impl<E> From<sqlx::Error> for NotChanged<E> {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

/// What a login is compared with.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// The account.
    pub user: User,
    /// The stored form of its password.
    pub password_hash: String,
    /// The networks that it logged in from.
    pub known_networks: Vec<u8>,
}

/// Where a page of users begins.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct UserCursor {
    /// The last user's date of registration.
    pub date_joined: DateTime<Utc>,
    /// The last user's folded address.
    pub username_key: String,
    /// The last user's id.
    pub id: Uuid,
}

impl Store {
    /// The user with this id.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn user(&self, id: Uuid) -> Result<Option<User>, Error> {
        let row: Result<Option<UserRow>, _> = on!(&self.reads, |pool| {
            sqlx::query_as(concat!("SELECT ", user_columns!(), " FROM users WHERE id = $1"))
                .bind(id)
                .fetch_optional(pool)
                .await
        });
        Ok(row?.map(|UserRow(user)| user))
    }

    /// The user with this folded address.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn user_by_username(&self, username_key: &str) -> Result<Option<User>, Error> {
        let row: Result<Option<UserRow>, _> = on!(&self.reads, |pool| {
            sqlx::query_as(concat!(
                "SELECT ",
                user_columns!(),
                " FROM users WHERE username_key = $1"
            ))
            .bind(username_key)
            .fetch_optional(pool)
            .await
        });
        Ok(row?.map(|UserRow(user)| user))
    }

    /// The user with this folded address, and what a login is compared with.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn credentials(&self, username_key: &str) -> Result<Option<Credentials>, Error> {
        on!(&self.reads, |pool| {
            let row = sqlx::query(concat!(
                "SELECT ",
                user_columns!(),
                ", users.password_hash, users.known_networks FROM users WHERE username_key = $1"
            ))
            .bind(username_key)
            .fetch_optional(pool)
            .await?;
            let Some(row) = row else { return Ok(None) };
            let UserRow(user) = UserRow::from_row(&row)?;
            let networks: Option<Vec<u8>> = row.try_get("known_networks")?;
            Ok(Some(Credentials {
                user,
                password_hash: row.try_get("password_hash")?,
                known_networks: networks.unwrap_or_default(),
            }))
        })
    }

    /// The stored form of a user's password.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn password_hash(&self, id: Uuid) -> Result<Option<String>, Error> {
        let hash = on!(&self.reads, |pool| {
            sqlx::query_scalar("SELECT password_hash FROM users WHERE id = $1")
                .bind(id)
                .fetch_optional(pool)
                .await
        });
        Ok(hash?)
    }

    /// Up to 500 users, in the order of their ids.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn users_by_id(&self, ids: &[Uuid]) -> Result<Vec<User>, Error> {
        let rows: Result<Vec<UserRow>, _> = match &self.reads {
            Database::Postgres(pool) => {
                sqlx::query_as(concat!(
                    "SELECT ",
                    user_columns!(),
                    " FROM users WHERE id = ANY($1) ORDER BY id"
                ))
                .bind(ids.to_vec())
                .fetch_all(pool)
                .await
            }
            Database::Sqlite(pool) => {
                // SQLite has no arrays; its JSON functions unpack one, of hex because ids are bytes there.
                let hex: Vec<String> = ids.iter().map(|id| id.simple().to_string()).collect();
                sqlx::query_as(concat!(
                    "SELECT ",
                    user_columns!(),
                    " FROM users \
                     WHERE id IN (SELECT unhex(value) FROM json_each($1)) ORDER BY id"
                ))
                .bind(serde_json::to_string(&hex).unwrap_or_default())
                .fetch_all(pool)
                .await
            }
        };
        Ok(rows?.into_iter().map(|UserRow(user)| user).collect())
    }

    /// Up to `limit` users whose address or names contain every word of `search`, from after `after`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn list_users(
        &self,
        search: &str,
        order: UserOrder,
        after: Option<&UserCursor>,
        limit: i64,
    ) -> Result<Vec<User>, Error> {
        let words = &serde_json::to_string(&patterns(search)).unwrap_or_default();
        // Two texts: a condition that may or may not hold keeps both databases from going straight to the place.
        macro_rules! list_from {
            ($pool:ident, $words:literal, $key:literal, $comparison:literal, $direction:literal, $cursor:expr) => {{
                macro_rules! page {
                    ($place:expr) => {
                        concat!(
                            "SELECT ",
                            user_columns!(),
                            " FROM users WHERE NOT EXISTS (SELECT 1 FROM ",
                            $words,
                            " WHERE search_text NOT LIKE word.value ESCAPE '\\')",
                            $place,
                            " ORDER BY ",
                            $key,
                            $direction,
                            ", id",
                            $direction,
                            " LIMIT $2"
                        )
                    };
                }
                let query = match after {
                    None => sqlx::query_as(page!("")).bind(words).bind(limit),
                    Some(after) => sqlx::query_as(page!(concat!(
                        " AND (",
                        $key,
                        ", id) ",
                        $comparison,
                        " ($3, $4)"
                    )))
                    .bind(words)
                    .bind(limit)
                    .bind($cursor(after))
                    .bind(after.id),
                };
                query.fetch_all($pool).await
            }};
        }
        // The one thing the two databases call by different names: a list of texts in one parameter.
        macro_rules! list {
            ($database:ident, $($how:tt)*) => {
                match &$database {
                    Database::Postgres(pool) => {
                        list_from!(pool, "json_array_elements_text($1::json) AS word (value)", $($how)*)
                    }
                    Database::Sqlite(pool) => list_from!(pool, "json_each($1) AS word", $($how)*),
                }
            };
        }
        let joined = |after: &UserCursor| after.date_joined;
        let name = |after: &UserCursor| after.username_key.clone();
        let read = |database: Database| async move {
            match order {
                UserOrder::Joined => list!(database, "date_joined", ">", "", joined),
                UserOrder::JoinedDescending => list!(database, "date_joined", "<", " DESC", joined),
                UserOrder::Username => list!(database, "username_key", ">", "", name),
                UserOrder::UsernameDescending => list!(database, "username_key", "<", " DESC", name),
            }
        };
        let rows: Vec<UserRow> = self.lists.read(read).await?;
        Ok(rows.into_iter().map(|UserRow(user)| user).collect())
    }

    /// Changes a user under the lock of its row: `change` gets the user as it is and says what it becomes.
    /// Either all of the change and its effects happen, or nothing.
    ///
    /// # Errors
    /// [`NotChanged`].
    pub async fn change_user<E>(
        &self,
        id: Uuid,
        revision: Option<i64>,
        now: DateTime<Utc>,
        change: impl FnOnce(&mut User) -> Result<Effects, E>,
    ) -> Result<User, NotChanged<E>> {
        on!(&self.writes, |pool| {
            let mut tx = pool.begin_write().await?;
            // Adding to the revision takes the row's lock, so that what is read here stays true until the end.
            let row: Option<UserRow> = sqlx::query_as(concat!(
                "UPDATE users SET revision = revision + 1 WHERE id = $1 AND ($2 IS NULL OR revision = $2) RETURNING ",
                user_columns!()
            ))
            .bind(id)
            .bind(revision)
            .fetch_optional(&mut *tx)
            .await?;
            let Some(UserRow(mut user)) = row else {
                let exists: Option<i64> = sqlx::query_scalar("SELECT revision FROM users WHERE id = $1")
                    .bind(id)
                    .fetch_optional(&mut *tx)
                    .await?;
                return Err(if exists.is_some() {
                    NotChanged::OtherRevision
                } else {
                    NotChanged::NotFound
                });
            };
            let could_administer = user.is_staff && user.is_active;
            let was = rights(&user);
            let effects = change(&mut user).map_err(NotChanged::Refused)?;
            let can_administer = user.is_staff && user.is_active;
            if could_administer && !can_administer && !tx.has_other_staff(id).await? {
                return Err(NotChanged::LastStaffUser);
            }
            sqlx::query(
                "UPDATE users SET first_name = $2, last_name = $3, bio = $4, user_greeting = $5, color_mode = $6, \
                 dashboard_first_date = $7, dashboard_second_date = $8, is_active = $9, is_staff = $10, \
                 verified_at = $11, pending_username = $12, search_text = $13 WHERE id = $1",
            )
            .bind(id)
            .bind(&user.profile.first_name)
            .bind(&user.profile.last_name)
            .bind(&user.profile.bio)
            .bind(&user.profile.user_greeting)
            .bind(user.profile.color_mode.as_str())
            .bind(user.profile.dashboard_first_date.map(|date| date.to_string()))
            .bind(user.profile.dashboard_second_date.map(|date| date.to_string()))
            .bind(user.is_active)
            .bind(user.is_staff)
            .bind(user.verified_at)
            .bind(&user.pending_username)
            .bind(search_text(&user))
            .execute(&mut *tx)
            .await?;
            for token in &effects.tokens {
                tx.add_token(token, id).await?;
            }
            for mail in &effects.mails {
                tx.enqueue(mail).await?;
            }
            for event in &effects.events {
                tx.tell(event).await?;
            }
            let mut changes = match effects.end_sessions {
                Some(reason) => tx.end_sessions(id, None, reason, now).await?,
                None => Vec::new(),
            };
            if rights(&user) != was {
                changes.push(SecurityChange::UserChanged(id));
            }
            tx.commit_with(&changes, now, &self.news).await?;
            Ok(user)
        })
    }
}

/// What other services go by when this user calls.
const fn rights(user: &User) -> (bool, bool) {
    (user.is_active, user.is_staff)
}

/// What a search looks at: address and names, folded.
pub(crate) fn search_text(user: &User) -> String {
    fold(&format!(
        "{} {} {}",
        user.username, user.profile.first_name, user.profile.last_name
    ))
}

/// Text folded for searching.
pub(crate) fn fold(text: &str) -> String {
    text.to_lowercase()
}

/// One pattern for each word of a search.
fn patterns(search: &str) -> Vec<String> {
    let pattern = |word: &str| {
        let mut pattern = String::from("%");
        for letter in word.chars() {
            if matches!(letter, '%' | '_' | '\\') {
                pattern.push('\\');
            }
            pattern.push(letter);
        }
        pattern + "%"
    };
    fold(search).split_whitespace().map(pattern).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn searches_are_taken_literally() {
        assert!(patterns(" ").is_empty());
        assert_eq!(patterns(" Ada  50%_\\ "), ["%ada%", "%50\\%\\_\\\\%"]);
    }
}
