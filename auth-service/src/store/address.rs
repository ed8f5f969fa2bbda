//! What mailboxes prove: that an address is its owner's, and that a new one is. Each is one transaction with its
//! tokens and mails.

use chrono::{DateTime, Utc};
use service_runtime::{database::BeginWrite, on};
use uuid::Uuid;

use crate::{
    model::{
        event::SecurityEvent, mail::NewMail, mail_token::NewMailToken, security_change::SecurityChange,
        throttle::Lane, user::User, username::Username,
    },
    store::{
        Error, Store,
        event::Trail,
        mail_token::MailTokenTable,
        outbox::Outbox,
        security_change::CommitChanges,
        throttle::ThrottleTable,
        user::{UserRow, search_text, user_columns},
    },
};

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
    /// Counts a mail in its lane and, where that lets it in, queues it with its token for the account of its address, if
    /// there is one that has use for it. What is done, and committed, is the same whether or not there is one, so that
    /// the time it takes does not tell. Of a mail that is queued the trail is told. Says whether it was let in, and whose
    /// the mail is.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn queue_asked(
        &self,
        lane: &Lane,
        token: &NewMailToken,
        mail: &NewMail,
        event: Option<&SecurityEvent>,
    ) -> Result<(bool, Option<Uuid>), Error> {
        on!(&self.writes, |pool| {
            let mut tx = pool.begin_write().await?;
            let let_in = tx.lets_in(lane, mail.created_at).await?;
            let mut user_id = None;
            if let_in {
                user_id = tx.add_token_of_address(token).await?;
                tx.enqueue(mail).await?;
                if let Some(event) = event {
                    tx.tell_of_owner(token.id, event).await?;
                }
            }
            tx.commit().await?;
            Ok((let_in, user_id))
        })
    }

    /// Makes an account active whose address was proved, if that is still its address, and tells the trail. A second
    /// proof changes nothing: in particular it does not undo that staff deactivated the account since.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn verify_address(
        &self,
        token_id: Uuid,
        user_id: Uuid,
        address: &Username,
        now: DateTime<Utc>,
        event: &SecurityEvent,
    ) -> Result<Proved, Error> {
        on!(&self.writes, |pool| {
            let mut tx = pool.begin_write().await?;
            let changed = sqlx::query(
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
            let is_first = changed.rows_affected() == 1;
            if is_first {
                tx.tell(event).await?;
            }
            let change = is_first.then_some(SecurityChange::UserChanged(user_id));
            tx.commit_with(change.as_slice(), now, &self.news).await?;
            Ok(user.map_or(Proved::Invalid, |UserRow(user)| Proved::Yes(Box::new(user))))
        })
    }

    /// Puts a pending address into effect that was proved, and tells the trail. A second proof changes nothing.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn confirm_username(
        &self,
        token_id: Uuid,
        user_id: Uuid,
        address: &Username,
        now: DateTime<Utc>,
        event: &SecurityEvent,
    ) -> Result<Proved, Error> {
        on!(&self.writes, |pool| {
            let mut tx = pool.begin_write().await?;
            let current: Option<UserRow> = sqlx::query_as(concat!(
                "UPDATE users SET revision = revision + 1 WHERE id = $1 AND is_active RETURNING ",
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
            tx.tell(event).await?;
            tx.commit_with(&[SecurityChange::UserChanged(user_id)], now, &self.news)
                .await?;
            Ok(Proved::Yes(Box::new(user)))
        })
    }
}
