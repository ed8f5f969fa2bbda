//! An outbox to test with: a database of its own, a way to queue mail as the service does, and a look at what
//! became of it.

#![allow(dead_code, reason = "each test binary uses its part")]

use auth_service::{
    model::{
        mail::{MailKind, NewMail},
        mail_token::Purpose,
    },
    store::{Store, outbox::Outbox},
};
use chrono::{DateTime, TimeDelta, Utc};
use service_runtime::{
    clock::Clock,
    database::{BeginWrite, Database},
    entropy::Entropy,
    on,
};
use test_support::ground::Ground;
use uuid::Uuid;

/// A migrated, empty outbox.
#[derive(Debug)]
pub struct TestOutbox {
    pub url: String,
    pub store: Store,
    /// The same database, for what the service has no method for.
    pub database: Database,
    _ground: Ground,
}

/// What became of a mail.
#[derive(Debug, PartialEq, Eq)]
pub struct Fate {
    pub state: String,
    pub attempts: i64,
    pub last_error: Option<String>,
    pub is_finished: bool,
}

impl TestOutbox {
    /// On SQLite.
    pub async fn sqlite() -> Self {
        Self::on(Ground::sqlite()).await
    }

    /// On PostgreSQL; `None` where there is none, which has been said.
    pub async fn postgres() -> Option<Self> {
        Some(Self::on(Ground::postgres().await?).await)
    }

    async fn on(ground: Ground) -> Self {
        let url = ground.database_url("auth.db");
        let store = Store::connect(&url).await.unwrap();
        store.migrate().await.unwrap();
        let database = Database::connect(&url, "auth").await.unwrap();
        Self {
            url,
            store,
            database,
            _ground: ground,
        }
    }

    /// Queues a mail in a transaction, as whatever causes one does.
    pub async fn queue(&self, mail: &NewMail) {
        on!(&self.database, |pool| {
            let mut tx = pool.begin_write().await?;
            tx.enqueue(mail).await?;
            tx.commit().await
        })
        .unwrap();
    }

    /// Queues a mail without a link.
    pub async fn queue_notice(&self, recipient: &str, now: DateTime<Utc>) -> NewMail {
        let mail = NewMail {
            id: new_id(),
            kind: MailKind::PasswordChanged,
            recipient: recipient.to_owned(),
            token_id: None,
            created_at: now,
            expires_at: None,
        };
        self.queue(&mail).await;
        mail
    }

    /// Queues a mail with a link that is good for `validity`, and the account and token it needs.
    pub async fn queue_link(&self, recipient: &str, now: DateTime<Utc>, validity: TimeDelta) -> NewMail {
        let (user, token) = (new_id(), new_id());
        let expires_at = now + validity;
        on!(&self.database, |pool| {
            sqlx::query(
                "INSERT INTO users (id, username, username_key, password_hash, first_name, last_name, bio, \
                 user_greeting, color_mode, is_active, is_staff, date_joined, revision, search_text) \
                 VALUES ($1, $2, $2, '', '', '', '', '', 'light', false, false, $3, 1, '')",
            )
            .bind(user)
            .bind(format!("{user}@example.org"))
            .bind(now)
            .execute(pool)
            .await?;
            sqlx::query(
                "INSERT INTO mail_tokens (id, user_id, purpose, username, token_hash, created_at, expires_at) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7)",
            )
            .bind(token)
            .bind(user)
            .bind(Purpose::VerifyEmail.as_str())
            .bind(recipient)
            .bind(vec![0_u8; 32])
            .bind(now)
            .bind(expires_at)
            .execute(pool)
            .await
            .map(drop)
        }).unwrap();
        let mail = NewMail {
            id: new_id(),
            kind: MailKind::VerifyEmail,
            recipient: recipient.to_owned(),
            token_id: Some(token),
            created_at: now,
            expires_at: Some(expires_at),
        };
        self.queue(&mail).await;
        mail
    }

    /// Marks the token of a mail as used.
    pub async fn use_token(&self, mail: &NewMail, now: DateTime<Utc>) {
        on!(&self.database, |pool| sqlx::query(
            "UPDATE mail_tokens SET used_at = $2 WHERE id = $1"
        )
        .bind(mail.token_id)
        .bind(now)
        .execute(pool)
        .await
        .map(|_| ()))
        .unwrap();
    }

    /// What became of a mail; `None` when it is not there.
    pub async fn fate(&self, id: Uuid) -> Option<Fate> {
        let row: Option<(String, i64, Option<String>, bool)> = on!(&self.database, |pool| {
            sqlx::query_as(
                "SELECT state, attempts, last_error, finished_at IS NOT NULL FROM mail_outbox WHERE id = $1",
            )
            .bind(id)
            .fetch_optional(pool)
            .await
        })
        .unwrap();
        let (state, attempts, last_error, is_finished) = row?;
        Some(Fate {
            state,
            attempts,
            last_error,
            is_finished,
        })
    }

    /// The state of a mail.
    pub async fn state(&self, id: Uuid) -> String {
        self.fate(id).await.expect("the mail is there").state
    }
}

/// A new id.
pub fn new_id() -> Uuid {
    Entropy::default().new_id(Clock::system().now()).unwrap()
}

/// Runs each of the named async functions, which take a [`TestOutbox`], on both databases.
#[macro_export]
macro_rules! on_both_databases {
    ($($test:ident),* $(,)?) => {
        mod on_sqlite {
            $(#[tokio::test]
            async fn $test() {
                super::$test($crate::mail_support::TestOutbox::sqlite().await).await;
            })*
        }
        mod on_postgres {
            $(#[tokio::test]
            async fn $test() {
                if let Some(outbox) = $crate::mail_support::TestOutbox::postgres().await {
                    super::$test(outbox).await;
                }
            })*
        }
    };
}
