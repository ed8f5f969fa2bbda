//! How an account begins: one transaction with its token and mail.

use service_runtime::{
    database::{
        BeginWrite,
        idempotency::{Claim, Idempotency, Once},
    },
    on,
};

use sqlx::{PgConnection, SqliteConnection};
use uuid::Uuid;

use crate::{
    model::{
        event::SecurityEvent,
        mail::NewMail,
        mail_token::NewMailToken,
        throttle::{Lane, Limit},
        user::User,
        username::{Username, folded},
    },
    store::{
        Error, Store, event::Trail, mail_token::MailTokenTable, outbox::Outbox, throttle::ThrottleTable,
        user::search_text,
    },
};

/// What goes to the mailbox of a new account.
#[derive(Debug)]
pub struct Letters {
    /// The token that verifies its address.
    pub token: NewMailToken,
    /// The mail with that token's link.
    pub link: NewMail,
    /// What is done where the address has an account and the caller is not to learn that.
    pub if_taken: Option<IfTaken>,
}

/// What the owner of an address gets when somebody registers it again: the link for an account that still waits for one,
/// otherwise a notice; nothing once there were enough of them.
#[derive(Debug)]
pub struct IfTaken {
    /// Where the link is counted.
    pub link_lane: Lane,
    /// The notice.
    pub notice: NewMail,
    /// Where the notice is counted.
    pub notice_lane: Lane,
}

/// What became of a registration.
#[derive(Debug)]
pub enum Registered {
    /// There is a new account, or this is the answer to an earlier call with the same key.
    Yes(Box<User>),
    /// The address has an account; the answer is as if it had none.
    Hidden {
        /// The answer.
        user: Box<User>,
        /// The limit by which its owner was told nothing, because they were told enough.
        untold: Option<Limit>,
    },
    /// The address has an account.
    Taken,
    /// The idempotency key was used with other input.
    KeyReused,
}

/// What a transaction offers for a registration that goes on after the account is there, or is not.
trait Registration {
    /// Tells the owner of an address that somebody registers it. All in the transaction that would make the account, so
    /// that it takes as long. Says which limit left them untold, if one did.
    fn tell_owner(
        &mut self,
        username: &Username,
        letters: &Letters,
        instead: &IfTaken,
    ) -> impl Future<Output = Result<Option<Limit>, Error>> + Send;

    /// Keeps the answer. It holds an address, so it goes with the account of that address.
    fn keep(&mut self, once: &Once, answer: &User) -> impl Future<Output = Result<(), Error>> + Send;
}

macro_rules! registration_for {
    ($connection:ty) => {
        impl Registration for $connection {
            async fn tell_owner(
                &mut self,
                username: &Username,
                Letters { token, link, .. }: &Letters,
                instead: &IfTaken,
            ) -> Result<Option<Limit>, Error> {
                let waiting: Option<Uuid> = sqlx::query_scalar(
                    "SELECT id FROM users WHERE username_key = $1 AND verified_at IS NULL",
                )
                .bind(username.key())
                .fetch_optional(&mut *self)
                .await?;
                let (lane, mail) = match waiting {
                    Some(_) => (&instead.link_lane, link),
                    None => (&instead.notice_lane, &instead.notice),
                };
                if !self.lets_in(lane, mail.created_at).await? {
                    return Ok(Some(lane.limit));
                }
                if waiting.is_some() {
                    self.add_token_of_address(token).await?;
                }
                self.enqueue(mail).await?;
                Ok(None)
            }

            async fn keep(&mut self, once: &Once, answer: &User) -> Result<(), Error> {
                self.record(once, &write_answer(answer)?).await?;
                sqlx::query(
                    "UPDATE idempotency_keys SET user_id = (SELECT id FROM users WHERE username_key = $3) \
                     WHERE scope = $1 AND key = $2",
                )
                .bind(&once.scope)
                .bind(&once.key)
                .bind(folded(&answer.username))
                .execute(self)
                .await?;
                Ok(())
            }
        }
    };
}

registration_for!(PgConnection);
registration_for!(SqliteConnection);

impl Store {
    /// Adds an account with the mail that verifies its address and tells the trail, or does what is to be done where the
    /// address is taken.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn register(
        &self,
        user: &User,
        username: &Username,
        password_hash: &str,
        events: &[SecurityEvent],
        letters: Option<&Letters>,
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
            let is_new = inserted.rows_affected() == 1;
            let mut untold = None;
            if is_new {
                for event in events {
                    tx.tell(event).await?;
                }
                if let Some(Letters { token, link, .. }) = letters {
                    tx.add_token(token, user.id).await?;
                    tx.enqueue(link).await?;
                }
            } else {
                let hidden = letters.and_then(|letters| Some((letters, letters.if_taken.as_ref()?)));
                let Some((letters, instead)) = hidden else {
                    return Ok(Registered::Taken);
                };
                untold = tx.tell_owner(username, letters, instead).await?;
            }
            if let Some(once) = once {
                tx.keep(once, user).await?;
            }
            tx.commit().await?;
            let user = Box::new(user.clone());
            Ok(match is_new {
                true => Registered::Yes(user),
                false => Registered::Hidden { user, untold },
            })
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
