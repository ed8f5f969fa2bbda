//! What happens once in the life of an account or its password: registering, proving an address, a new
//! password, a new address. Each is one transaction with its tokens, mails and events.

use chrono::{DateTime, Utc};
use service_runtime::{
    database::{
        BeginWrite,
        idempotency::{Claim, Idempotency, Once},
    },
    on,
};
use uuid::Uuid;

use crate::{
    model::{mail::NewMail, mail_token::NewMailToken, session::EndReason, user::User, username::Username},
    store::{
        Error, Store,
        mail_token::MailTokenTable,
        outbox::Outbox,
        session::SessionTable,
        user::{UserRow, search_text, user_columns},
    },
};

/// What became of a registration.
#[derive(Debug)]
pub enum Registered {
    /// There is a new account, or this is the answer to an earlier call with the same key.
    Yes(Box<User>),
    /// The address has an account.
    Taken,
    /// The idempotency key was used with other input.
    KeyReused,
}

/// What became of a mail token.
#[derive(Debug)]
pub enum Proved {
    /// It did its work, now or before.
    Yes(Box<User>),
    /// It does no work: the account has another address by now.
    Invalid,
    /// The address has another account.
    Taken,
}

impl Store {
    /// Adds an account with the mail that verifies its address.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn register(
        &self,
        user: &User,
        username: &Username,
        password_hash: &str,
        mail: Option<(&NewMailToken, &NewMail)>,
        once: Option<&Once>,
    ) -> Result<Registered, Error> {
        on!(&self.database, |pool| {
            let mut tx = pool.begin_write().await?;
            if let Some(once) = once {
                match tx.claim(once, user.date_joined).await? {
                    Claim::New => {}
                    Claim::Answered(answer) => return Ok(Registered::Yes(Box::new(read_answer(&answer)?))),
                    Claim::Reused => return Ok(Registered::KeyReused),
                }
            }
            let inserted = sqlx::query(
                "INSERT INTO users (id, username, username_key, password_hash, first_name, last_name, bio, \
                 user_greeting, color_mode, dashboard_first_date, dashboard_second_date, is_active, is_staff, \
                 verified_at, date_joined, search_text, revision) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17) \
                 ON CONFLICT (username_key) DO NOTHING",
            )
            .bind(user.id)
            .bind(&user.username)
            .bind(username.key())
            .bind(password_hash)
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
            .bind(user.date_joined)
            .bind(search_text(user))
            .bind(user.revision)
            .execute(&mut *tx)
            .await?;
            if inserted.rows_affected() == 0 {
                return Ok(Registered::Taken);
            }
            if let Some((token, mail)) = mail {
                tx.add_token(token).await?;
                tx.enqueue(mail).await?;
            }
            if let Some(once) = once {
                tx.record(once, &write_answer(user)?).await?;
            }
            tx.commit().await?;
            Ok(Registered::Yes(Box::new(user.clone())))
        })
    }

    /// Queues a mail about a registration that did not happen, and keeps the answer that hides it.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn hide_registration(
        &self,
        answer: &User,
        mail: &NewMail,
        once: Option<&Once>,
    ) -> Result<Registered, Error> {
        on!(&self.database, |pool| {
            let mut tx = pool.begin_write().await?;
            if let Some(once) = once {
                match tx.claim(once, answer.date_joined).await? {
                    Claim::New => tx.record(once, &write_answer(answer)?).await?,
                    Claim::Answered(answer) => return Ok(Registered::Yes(Box::new(read_answer(&answer)?))),
                    Claim::Reused => return Ok(Registered::KeyReused),
                }
            }
            tx.enqueue(mail).await?;
            tx.commit().await?;
            Ok(Registered::Yes(Box::new(answer.clone())))
        })
    }

    /// Queues a mail with a link, unless the account is gone by now.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn queue_link(&self, token: &NewMailToken, mail: &NewMail) -> Result<(), Error> {
        on!(&self.database, |pool| {
            let mut tx = pool.begin_write().await?;
            let exists: Option<i64> = sqlx::query_scalar("SELECT revision FROM users WHERE id = $1")
                .bind(token.user_id)
                .fetch_optional(&mut *tx)
                .await?;
            if exists.is_some() {
                tx.add_token(token).await?;
                tx.enqueue(mail).await?;
                tx.commit().await?;
            }
        });
        Ok(())
    }

    /// Makes an account active whose address was proved, if that is still its address. A second proof changes
    /// nothing: in particular it does not undo that staff deactivated the account since.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn verify_address(
        &self,
        token_id: Uuid,
        user_id: Uuid,
        address: &Username,
        now: DateTime<Utc>,
    ) -> Result<Proved, Error> {
        on!(&self.database, |pool| {
            let mut tx = pool.begin_write().await?;
            sqlx::query(
                "UPDATE users SET is_active = TRUE, verified_at = $3, revision = revision + 1 \
                 WHERE id = $1 AND username_key = $2 AND verified_at IS NULL",
            )
            .bind(user_id)
            .bind(address.key())
            .bind(now)
            .execute(&mut *tx)
            .await?;
            tx.use_token(token_id, now).await?;
            let user: Option<UserRow> = sqlx::query_as(concat!(
                "SELECT ",
                user_columns!(),
                " FROM users WHERE id = $1 AND username_key = $2"
            ))
            .bind(user_id)
            .bind(address.key())
            .fetch_optional(&mut *tx)
            .await?;
            tx.commit().await?;
            Ok(user.map_or(Proved::Invalid, |UserRow(user)| Proved::Yes(Box::new(user))))
        })
    }

    /// Puts a pending address into effect that was proved. A second proof changes nothing.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn confirm_username(
        &self,
        token_id: Uuid,
        user_id: Uuid,
        address: &Username,
        now: DateTime<Utc>,
    ) -> Result<Proved, Error> {
        on!(&self.database, |pool| {
            let mut tx = pool.begin_write().await?;
            let current: Option<UserRow> = sqlx::query_as(concat!(
                "UPDATE users SET revision = revision + 1 WHERE id = $1 RETURNING ",
                user_columns!()
            ))
            .bind(user_id)
            .fetch_optional(&mut *tx)
            .await?;
            let Some(UserRow(mut user)) = current else {
                return Ok(Proved::Invalid);
            };
            let holds = |text: &str| Username::parse(text).is_ok_and(|it| it.key() == address.key());
            if user.pending_username.is_none() && holds(&user.username) {
                user.revision -= 1;
                return Ok(Proved::Yes(Box::new(user)));
            }
            if !user.pending_username.as_deref().is_some_and(holds) {
                return Ok(Proved::Invalid);
            }
            user.username = address.as_str().to_owned();
            user.pending_username = None;
            let changed = sqlx::query(
                "UPDATE users SET username = $2, username_key = $3, pending_username = NULL, search_text = $4 \
                 WHERE id = $1",
            )
            .bind(user_id)
            .bind(&user.username)
            .bind(address.key())
            .bind(search_text(&user))
            .execute(&mut *tx)
            .await;
            match changed {
                Err(sqlx::Error::Database(error)) if error.is_unique_violation() => return Ok(Proved::Taken),
                changed => changed?,
            };
            tx.use_token(token_id, now).await?;
            tx.commit().await?;
            Ok(Proved::Yes(Box::new(user)))
        })
    }

    /// Sets a new password by a token that was not used before and ends every session; says whether it did.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn reset_password(
        &self,
        token_id: Uuid,
        user_id: Uuid,
        password_hash: &str,
        notice: &NewMail,
        now: DateTime<Utc>,
    ) -> Result<bool, Error> {
        on!(&self.database, |pool| {
            let mut tx = pool.begin_write().await?;
            // The account's row before those of its tokens, as everywhere: two that wait for each other would
            // both be turned away.
            let changed = sqlx::query(
                "UPDATE users SET password_hash = $2, revision = revision + 1 WHERE id = $1 AND is_active",
            )
            .bind(user_id)
            .bind(password_hash)
            .execute(&mut *tx)
            .await?;
            if changed.rows_affected() == 0 || !tx.use_token(token_id, now).await? {
                return Ok(false);
            }
            // Older reset mails must not undo this.
            sqlx::query(
                "UPDATE mail_tokens SET used_at = $2 \
                 WHERE user_id = $1 AND purpose = 'reset_password' AND used_at IS NULL",
            )
            .bind(user_id)
            .bind(now)
            .execute(&mut *tx)
            .await?;
            tx.end_sessions(user_id, None, EndReason::PasswordChanged, now)
                .await?;
            tx.enqueue(notice).await?;
            tx.commit().await?;
            Ok(true)
        })
    }

    /// Replaces a password whose stored form is still `former`, and ends every session but one; says whether
    /// it did.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn change_password(
        &self,
        user_id: Uuid,
        session_id: Uuid,
        former: &str,
        password_hash: &str,
        notice: &NewMail,
        now: DateTime<Utc>,
    ) -> Result<bool, Error> {
        on!(&self.database, |pool| {
            let mut tx = pool.begin_write().await?;
            let changed = sqlx::query(
                "UPDATE users SET password_hash = $3, revision = revision + 1 WHERE id = $1 AND password_hash = $2",
            )
            .bind(user_id)
            .bind(former)
            .bind(password_hash)
            .execute(&mut *tx)
            .await?;
            if changed.rows_affected() == 0 {
                return Ok(false);
            }
            sqlx::query(
                "UPDATE mail_tokens SET used_at = $2 \
                 WHERE user_id = $1 AND purpose = 'reset_password' AND used_at IS NULL",
            )
            .bind(user_id)
            .bind(now)
            .execute(&mut *tx)
            .await?;
            tx.end_sessions(user_id, Some(session_id), EndReason::PasswordChanged, now)
                .await?;
            tx.enqueue(notice).await?;
            tx.commit().await?;
            Ok(true)
        })
    }

    /// Replaces the stored form of an unchanged password; says whether it did. Nothing happens if it was
    /// changed meanwhile.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn renew_password_hash(
        &self,
        user_id: Uuid,
        former: &str,
        renewed: &str,
    ) -> Result<bool, Error> {
        let done = on!(&self.database, |pool| {
            sqlx::query("UPDATE users SET password_hash = $3 WHERE id = $1 AND password_hash = $2")
                .bind(user_id)
                .bind(former)
                .bind(renewed)
                .execute(pool)
                .await
                .map(|done| done.rows_affected() == 1)
        });
        Ok(done?)
    }

    /// Whether there is a staff user.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn has_staff(&self) -> Result<bool, Error> {
        let staff: Result<Option<i64>, _> = on!(&self.database, |pool| {
            sqlx::query_scalar("SELECT revision FROM users WHERE is_staff LIMIT 1")
                .fetch_optional(pool)
                .await
        });
        Ok(staff?.is_some())
    }
}

fn write_answer(user: &User) -> Result<String, Error> {
    serde_json::to_string(user).map_err(|error| sqlx::Error::Encode(error.into()).into())
}

fn read_answer(answer: &str) -> Result<User, Error> {
    serde_json::from_str(answer).map_err(|error| sqlx::Error::Decode(error.into()).into())
}
