//! The tokens in mail links, as hashes.

use chrono::{DateTime, Utc};
use service_runtime::on;
use sqlx::{PgConnection, SqliteConnection};
use uuid::Uuid;

use crate::{
    model::{
        mail_token::{NewMailToken, Purpose},
        username::folded,
    },
    store::{Error, Store},
};

/// A token as it is kept.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct StoredMailToken {
    /// Whose account it acts on.
    pub user_id: Uuid,
    /// The address its mail went to.
    pub username: String,
    /// SHA-256 of its text.
    pub token_hash: Vec<u8>,
    /// From then on it is refused.
    pub expires_at: DateTime<Utc>,
    /// When it did its work.
    pub used_at: Option<DateTime<Utc>>,
}

impl Store {
    /// A token of this purpose.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn mail_token(&self, id: Uuid, purpose: Purpose) -> Result<Option<StoredMailToken>, Error> {
        let token = on!(&self.reads, |pool| {
            sqlx::query_as(
                "SELECT user_id, username, token_hash, expires_at, used_at FROM mail_tokens \
                 WHERE id = $1 AND purpose = $2",
            )
            .bind(id)
            .bind(purpose.as_str())
            .fetch_optional(pool)
            .await
        });
        Ok(token?)
    }
}

/// What a transaction offers for tokens in mails.
pub trait MailTokenTable {
    /// Adds a token that acts on the account of this user.
    fn add_token(
        &mut self,
        token: &NewMailToken,
        user_id: Uuid,
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send;

    /// Adds a token that acts on the account of its address, if there is one that has use for it; says whose.
    fn add_token_of_address(
        &mut self,
        token: &NewMailToken,
    ) -> impl Future<Output = Result<Option<Uuid>, sqlx::Error>> + Send;

    /// Notes that a token did its work; says whether it was the first time.
    fn use_token(
        &mut self,
        id: Uuid,
        now: DateTime<Utc>,
    ) -> impl Future<Output = Result<bool, sqlx::Error>> + Send;

    /// Voids the unused tokens of a user for one purpose.
    fn void_tokens(
        &mut self,
        user_id: Uuid,
        purpose: Purpose,
        now: DateTime<Utc>,
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send;
}

macro_rules! mail_token_table_for {
    ($connection:ty) => {
        impl MailTokenTable for $connection {
            async fn add_token(&mut self, token: &NewMailToken, user_id: Uuid) -> Result<(), sqlx::Error> {
                sqlx::query(
                    "INSERT INTO mail_tokens (id, user_id, purpose, username, token_hash, created_at, expires_at) \
                     VALUES ($1, $2, $3, $4, $5, $6, $7)",
                )
                .bind(token.id)
                .bind(user_id)
                .bind(token.purpose.as_str())
                .bind(&token.username)
                .bind(&token.token_hash)
                .bind(token.created_at)
                .bind(token.expires_at)
                .execute(self)
                .await
                .map(|_| ())
            }

            async fn add_token_of_address(
                &mut self,
                token: &NewMailToken,
            ) -> Result<Option<Uuid>, sqlx::Error> {
                sqlx::query_scalar(
                    "INSERT INTO mail_tokens (id, user_id, purpose, username, token_hash, created_at, expires_at) \
                     SELECT $1, id, $2, username, $4, $5, $6 FROM users WHERE username_key = $3 AND \
                     CASE $2 WHEN 'verify_email' THEN verified_at IS NULL ELSE is_active END RETURNING user_id",
                )
                .bind(token.id)
                .bind(token.purpose.as_str())
                .bind(folded(&token.username))
                .bind(&token.token_hash)
                .bind(token.created_at)
                .bind(token.expires_at)
                .fetch_optional(self)
                .await
            }

            async fn use_token(&mut self, id: Uuid, now: DateTime<Utc>) -> Result<bool, sqlx::Error> {
                sqlx::query(
                    "UPDATE mail_tokens SET used_at = $2 WHERE id = $1 AND used_at IS NULL AND expires_at > $2",
                )
                .bind(id)
                .bind(now)
                .execute(self)
                .await
                .map(|done| done.rows_affected() == 1)
            }

            async fn void_tokens(
                &mut self,
                user_id: Uuid,
                purpose: Purpose,
                now: DateTime<Utc>,
            ) -> Result<(), sqlx::Error> {
                sqlx::query(
                    "UPDATE mail_tokens SET used_at = $3 \
                     WHERE user_id = $1 AND purpose = $2 AND used_at IS NULL",
                )
                .bind(user_id)
                .bind(purpose.as_str())
                .bind(now)
                .execute(self)
                .await
                .map(|_| ())
            }
        }
    };
}

mail_token_table_for!(PgConnection);
mail_token_table_for!(SqliteConnection);
