//! A store to test, the things that are put into it, and a look at what no method shows.

use auth_service::{
    model::{
        event::SecurityEvent,
        event_kind::EventKind,
        mail::{MailKind, NewMail},
        mail_token::{NewMailToken, Purpose},
        profile::{ColorMode, Profile},
        session::Session,
        throttle::{Lane, Limit, MAIL_NOTICE, Weight},
        user::User,
        username::Username,
    },
    store::{
        Store,
        account::{IfTaken, Letters, Registered},
        mail_token::MailTokenTable,
        outbox::Outbox,
    },
};
use chrono::{DateTime, TimeDelta, Utc};
use service_runtime::{
    clock::Clock,
    database::{BeginWrite, Database, idempotency::Once},
    entropy::Entropy,
    on,
};
use test_support::ground::Ground;
use uuid::Uuid;

/// A migrated, empty store.
pub struct World {
    pub store: Store,
    /// The same database, for what the store has no method for.
    pub database: Database,
    pub ground: Ground,
}

/// Runs each of the named async functions, which take a [`World`], on both databases.
#[macro_export]
macro_rules! on_both {
    ($($test:ident),* $(,)?) => {
        mod on_sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test($crate::world::World::on(test_support::ground::Ground::sqlite()).await).await;
            })*
        }
        mod on_postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                if let Some(ground) = test_support::ground::Ground::postgres().await {
                    super::$test($crate::world::World::on(ground).await).await;
                }
            })*
        }
    };
}

impl World {
    pub async fn on(ground: Ground) -> Self {
        let url = ground.database_url("auth.db");
        let store = Store::connect(&url).await.unwrap();
        store.migrate().await.unwrap();
        let database = Database::connect(&url, "auth").await.unwrap();
        Self {
            store,
            database,
            ground,
        }
    }

    /// Registers a user as they are, with the stored password `hash of <address>`.
    pub async fn add(&self, user: User) -> User {
        let added = self
            .store
            .register(
                &user,
                &name(&user.username),
                &hash_of(&user.username),
                &[],
                None,
                None,
            )
            .await
            .unwrap();
        assert!(matches!(added, Registered::Yes(_)), "{added:?}");
        user
    }

    /// Opens a session of a user.
    pub async fn open(&self, user: &User, opened_at: DateTime<Utc>) -> Session {
        let session = session(user, opened_at);
        let login = SecurityEvent {
            time: opened_at,
            ..event(EventKind::LoginSucceeded, 0)
        };
        let opened = self
            .store
            .open_session(&session, &hash_of(&user.username), None, &login)
            .await
            .unwrap();
        assert!(opened.is_some());
        session
    }

    /// Adds a token with its mail.
    pub async fn add_token(&self, user: &User, purpose: Purpose) -> NewMailToken {
        let (token, mail) = link(user, purpose);
        self.queue_link(user, &token, &mail).await;
        token
    }

    /// Queues a mail with a link as a change of an account does.
    pub async fn queue_link(&self, user: &User, token: &NewMailToken, mail: &NewMail) {
        on!(&self.database, |pool| {
            let mut tx = pool.begin_write().await?;
            tx.add_token(token, user.id).await?;
            tx.enqueue(mail).await?;
            tx.commit().await
        })
        .unwrap();
    }

    /// The user as they are now.
    pub async fn now(&self, user: &User) -> User {
        self.store
            .user(user.id)
            .await
            .unwrap()
            .expect("the user is there")
    }

    /// Whether a session is open for its user.
    pub async fn is_open(&self, session: &Session) -> bool {
        self.store
            .active_user(session.user_id, session.id, session.created_at)
            .await
            .unwrap()
            .is_some()
    }

    /// Whether a token was used.
    pub async fn is_used(&self, token: &NewMailToken) -> bool {
        let stored = self.store.mail_token(token.id, token.purpose).await.unwrap();
        stored.expect("the token is there").used_at.is_some()
    }

    /// How many rows a table has.
    pub async fn count(&self, table: &str) -> i64 {
        let statement = format!("SELECT count(*) FROM {table}");
        on!(&self.database, |pool| sqlx::query_scalar(sqlx::AssertSqlSafe(
            statement
        ))
        .fetch_one(pool)
        .await)
        .unwrap()
    }

    /// The queued mails, as kinds and recipients, in their order.
    pub async fn mails(&self) -> Vec<(String, String)> {
        on!(&self.database, |pool| {
            sqlx::query_as("SELECT kind, recipient FROM mail_outbox ORDER BY created_at, id")
                .fetch_all(pool)
                .await
        })
        .unwrap()
    }

    /// The trail, as severities and kinds, in its order.
    pub async fn events(&self) -> Vec<(String, String)> {
        on!(&self.database, |pool| {
            sqlx::query_as("SELECT severity, kind FROM security_events ORDER BY time, id")
                .fetch_all(pool)
                .await
        })
        .unwrap()
    }
}

/// A fixed moment, and others by minutes from it.
pub fn at(minutes: i64) -> DateTime<Utc> {
    let start: DateTime<Utc> = "2026-03-01T12:00:00.123456Z".parse().unwrap();
    start + TimeDelta::minutes(minutes)
}

pub fn new_id() -> Uuid {
    Entropy::default().new_id(Clock::system().now()).unwrap()
}

pub fn name(text: &str) -> Username {
    Username::parse(text).unwrap()
}

pub fn hash_of(username: &str) -> String {
    format!("hash of {username}")
}

/// An active user, joined at the start.
pub fn user(username: &str) -> User {
    User {
        id: new_id(),
        username: username.to_owned(),
        profile: Profile::default(),
        is_active: true,
        is_staff: false,
        verified_at: Some(at(0)),
        pending_username: None,
        date_joined: at(0),
        last_login: None,
        factor_since: None,
        revision: 1,
    }
}

/// A user whose address was never verified.
pub fn unverified(username: &str) -> User {
    User {
        is_active: false,
        verified_at: None,
        ..user(username)
    }
}

/// A user who administers the site.
pub fn staff(username: &str) -> User {
    User {
        is_staff: true,
        ..user(username)
    }
}

/// A profile in which no field has its default.
pub fn full_profile() -> Profile {
    Profile {
        first_name: "Ада".to_owned(),
        last_name: "O'Brien \"Öß\" %_\\".to_owned(),
        bio: "two\nlines 🦀".to_owned(),
        user_greeting: "Ahoy!".to_owned(),
        color_mode: ColorMode::Dark,
        dashboard_first_date: Some("2024-02-29".parse().unwrap()),
        dashboard_second_date: Some("0001-01-01".parse().unwrap()),
    }
}

pub fn session(user: &User, opened_at: DateTime<Utc>) -> Session {
    Session {
        id: new_id(),
        user_id: user.id,
        salt: vec![0, 255, 7],
        refresh_counter: 0,
        user_agent: "Lynx/2 🦀".to_owned(),
        ip_address: "2001:db8::1".to_owned(),
        factors: vec!["pwd".to_owned(), "otp".to_owned()],
        auth_time: opened_at,
        created_at: opened_at,
        last_used_at: opened_at,
        expires_at: opened_at + TimeDelta::days(1),
        ended_at: None,
    }
}

pub fn notice(recipient: &str) -> NewMail {
    NewMail {
        id: new_id(),
        kind: MailKind::PasswordChanged,
        recipient: recipient.to_owned(),
        token_id: None,
        created_at: at(0),
        expires_at: None,
    }
}

/// An event of this kind.
pub fn event(kind: EventKind, minute: i64) -> SecurityEvent {
    SecurityEvent {
        id: new_id(),
        time: at(minute),
        kind,
        actor_id: None,
        subject_id: None,
        session_id: None,
        ip_address: "2001:db8::1".to_owned(),
        request_id: "r".to_owned(),
        detail: "d".to_owned(),
    }
}

/// A token that is good for 15 minutes from the start, and its mail.
pub fn link(user: &User, purpose: Purpose) -> (NewMailToken, NewMail) {
    let token = NewMailToken {
        id: new_id(),
        purpose,
        username: user.username.clone(),
        token_hash: vec![1, 2, 0, 255],
        created_at: at(0),
        expires_at: at(15),
    };
    let kind = MailKind::ALL
        .into_iter()
        .find(|kind| kind.purpose() == Some(purpose))
        .unwrap();
    let mail = NewMail {
        kind,
        token_id: Some(token.id),
        expires_at: Some(token.expires_at),
        ..notice(&user.username)
    };
    (token, mail)
}

/// What goes to the mailbox of a new account, where it is told that an address is taken.
pub fn letters(user: &User) -> Letters {
    let (token, link) = link(user, Purpose::VerifyEmail);
    Letters {
        token,
        link,
        if_taken: None,
    }
}

/// The same where it is hidden that an address is taken.
pub fn hiding(user: &User) -> Letters {
    let kind = MailKind::AlreadyRegistered;
    let notice = NewMail {
        kind,
        ..notice(&user.username)
    };
    Letters {
        if_taken: Some(IfTaken {
            link_lane: mail_lane("link"),
            notice,
            notice_lane: mail_lane("notice"),
        }),
        ..letters(user)
    }
}

/// A lane that lets two mails in.
pub fn mail_lane(of: &str) -> Lane {
    let limit = Limit {
        burst: 2,
        ..MAIL_NOTICE
    };
    Lane {
        limit,
        account: of.as_bytes().to_vec(),
        network: Vec::new(),
        weight: Weight::One,
    }
}

pub fn once(key: &str, input: &str) -> Once {
    Once {
        scope: "Register".to_owned(),
        key: key.to_owned(),
        fingerprint: input.as_bytes().to_vec(),
        former: Vec::new(),
    }
}
