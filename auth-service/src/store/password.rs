//! Passwords: a new one is one transaction with the end of sessions, of older reset mails, which must not undo it,
//! and of a change of address that waits, which a thief may have asked for; and with the mail that tells the owner
//! and the event that tells staff.

use chrono::{DateTime, Utc};
use service_runtime::{database::BeginWrite, on};
use uuid::Uuid;

use crate::{
    model::{
        event::SecurityEvent, mail::NewMail, mail_token::Purpose, security_change::SecurityChange,
        session::EndReason,
    },
    store::{
        Error, Store, event::Trail, mail_token::MailTokenTable, outbox::Outbox,
        security_change::CommitChanges, session::SessionTable, throttle::ThrottleTable,
    },
};

/// What a mailbox proves besides: failed logins of before no longer count.
#[derive(Debug, Default)]
pub struct Forgiven {
    /// The names under which logins to the account are counted.
    pub accounts: Vec<Vec<u8>>,
    /// The only network that is known from now on: that of whoever followed the link.
    pub networks: Option<Vec<u8>>,
}

impl Store {
    /// Sets a new password by a token that was not used before and ends every session; says whether it did.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn reset_password(
        &self,
        token_id: Uuid,
        user_id: Uuid,
        password_hash: &str,
        (notice, event): (&NewMail, &SecurityEvent),
        forgiven: &Forgiven,
        now: DateTime<Utc>,
    ) -> Result<bool, Error> {
        on!(&self.writes, |pool| {
            let mut tx = pool.begin_write().await?;
            // The account's row before those of its tokens, as everywhere: two that wait for each other would
            // both be turned away.
            let changed = sqlx::query(
                "UPDATE users SET password_hash = $2, pending_username = NULL, known_networks = $3, \
                 revision = revision + 1 WHERE id = $1 AND is_active",
            )
            .bind(user_id)
            .bind(password_hash)
            .bind(&forgiven.networks)
            .execute(&mut *tx)
            .await?;
            if changed.rows_affected() == 0 || !tx.use_token(token_id, now).await? {
                return Ok(false);
            }
            tx.forgive_logins(&forgiven.accounts, now).await?;
            tx.void_tokens(user_id, Purpose::ResetPassword, now).await?;
            tx.void_tokens(user_id, Purpose::ConfirmUsername, now).await?;
            let mut changes = tx
                .end_sessions(user_id, None, EndReason::PasswordChanged, now)
                .await?;
            changes.push(SecurityChange::UserChanged(user_id));
            tx.enqueue(notice).await?;
            tx.tell(event).await?;
            tx.commit_with(&changes, now, &self.news).await?;
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
        (notice, event): (&NewMail, &SecurityEvent),
        now: DateTime<Utc>,
    ) -> Result<bool, Error> {
        on!(&self.writes, |pool| {
            let mut tx = pool.begin_write().await?;
            let changed = sqlx::query(
                "UPDATE users SET password_hash = $3, pending_username = NULL, revision = revision + 1 \
                 WHERE id = $1 AND password_hash = $2",
            )
            .bind(user_id)
            .bind(former)
            .bind(password_hash)
            .execute(&mut *tx)
            .await?;
            if changed.rows_affected() == 0 {
                return Ok(false);
            }
            tx.void_tokens(user_id, Purpose::ResetPassword, now).await?;
            tx.void_tokens(user_id, Purpose::ConfirmUsername, now).await?;
            let mut changes = tx
                .end_sessions(user_id, Some(session_id), EndReason::PasswordChanged, now)
                .await?;
            changes.push(SecurityChange::UserChanged(user_id));
            tx.enqueue(notice).await?;
            tx.tell(event).await?;
            tx.commit_with(&changes, now, &self.news).await?;
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
        let done = on!(&self.writes, |pool| {
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
}
