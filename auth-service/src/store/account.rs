//! How an account begins: one transaction with its token and mail.

use service_runtime::{
    database::{
        BeginWrite,
        idempotency::{Claim, Idempotency, Once},
    },
    on,
};

use sqlx::{PgConnection, SqliteConnection};

use crate::{
    model::{mail::NewMail, mail_token::NewMailToken, user::User, username::Username},
    store::{Error, Store, mail_token::MailTokenTable, outbox::Outbox, user::search_text},
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

/// What a transaction offers for answers that are kept.
trait Answers {
    /// An answer holds an address, so it goes with the account of that address.
    fn keep_with_account(
        &mut self,
        once: &Once,
        username: &str,
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send;
}

macro_rules! answers_for {
    ($connection:ty) => {
        impl Answers for $connection {
            async fn keep_with_account(&mut self, once: &Once, username: &str) -> Result<(), sqlx::Error> {
                sqlx::query(
                    "UPDATE idempotency_keys SET user_id = (SELECT id FROM users WHERE username_key = lower($3)) \
                     WHERE scope = $1 AND key = $2",
                )
                .bind(&once.scope)
                .bind(&once.key)
                .bind(username)
                .execute(self)
                .await
                .map(drop)
            }
        }
    };
}

answers_for!(PgConnection);
answers_for!(SqliteConnection);

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
        on!(&self.writes, |pool| {
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
                tx.keep_with_account(once, &user.username).await?;
            }
            tx.commit().await?;
            Ok(Registered::Yes(Box::new(user.clone())))
        })
    }

    /// Queues a mail about a registration that did not happen, if there is to be one, and keeps the answer that hides it.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn hide_registration(
        &self,
        answer: &User,
        instead: Option<&(Option<NewMailToken>, NewMail)>,
        once: Option<&Once>,
    ) -> Result<Registered, Error> {
        on!(&self.writes, |pool| {
            let mut tx = pool.begin_write().await?;
            if let Some(once) = once {
                match tx.claim(once, answer.date_joined).await? {
                    Claim::New => {
                        tx.record(once, &write_answer(answer)?).await?;
                        tx.keep_with_account(once, &answer.username).await?;
                    }
                    Claim::Answered(answer) => return Ok(Registered::Yes(Box::new(read_answer(&answer)?))),
                    Claim::Reused => return Ok(Registered::KeyReused),
                }
            }
            if let Some((token, mail)) = instead {
                if let Some(token) = token {
                    tx.add_token(token).await?;
                }
                tx.enqueue(mail).await?;
            }
            tx.commit().await?;
            Ok(Registered::Yes(Box::new(answer.clone())))
        })
    }

    /// Whether there is a staff user.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn has_staff(&self) -> Result<bool, Error> {
        let staff: Result<Option<i64>, _> = on!(&self.reads, |pool| {
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
