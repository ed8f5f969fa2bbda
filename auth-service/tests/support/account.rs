//! Accounts that are there when a test begins, and sessions of theirs.

use std::sync::OnceLock;

use auth_service::{
    domain::password_hash::{Cost, Hasher},
    model::{event::SecurityEvent, event_kind::EventKind, profile::Profile, user::User, username::Username},
    store::account::Registered,
};
use proto::auth::v1::{self as pb};
use service_runtime::entropy::Entropy;

use super::{Service, as_user};

/// The password of every account made here.
pub const PASSWORD: &str = "zebra kettle umbrella";

/// The stored form of [`PASSWORD`], made once.
pub fn stored_password() -> &'static str {
    static STORED: OnceLock<String> = OnceLock::new();
    STORED.get_or_init(|| {
        let mut hasher = Hasher::new(Cost::default()).unwrap();
        hasher.hash(PASSWORD, [7; 16]).unwrap()
    })
}

/// A registration with the password [`PASSWORD`].
pub fn registration(username: &str) -> pb::RegisterRequest {
    pb::RegisterRequest {
        username: username.to_owned(),
        password: PASSWORD.to_owned(),
        confirm_password: PASSWORD.to_owned(),
        ..Default::default()
    }
}

/// A mask of these fields.
pub fn mask(paths: &[&str]) -> Option<prost_types::FieldMask> {
    let paths = paths.iter().map(|path| (*path).to_owned()).collect();
    Some(prost_types::FieldMask { paths })
}

/// An account and the tokens of a session of it.
#[derive(Debug, Clone)]
pub struct Session {
    pub user: pb::User,
    pub access: String,
    pub refresh: String,
}

impl From<pb::TokenPair> for Session {
    fn from(pair: pb::TokenPair) -> Self {
        Self {
            user: pair.user.expect("a token pair says whose it is"),
            access: pair.access,
            refresh: pair.refresh,
        }
    }
}

impl Service {
    /// Adds an active account.
    pub async fn add_user(&self, username: &str) -> User {
        self.add(username, |user| user).await
    }

    /// Adds an active staff account.
    pub async fn add_staff(&self, username: &str) -> User {
        let staff = |user| User {
            is_staff: true,
            ..user
        };
        self.add(username, staff).await
    }

    /// Adds an account with the password [`PASSWORD`].
    pub async fn add(&self, username: &str, change: impl FnOnce(User) -> User) -> User {
        let now = self.clock.now();
        let user = change(User {
            id: Entropy::default().new_id(now).unwrap(),
            username: username.to_owned(),
            profile: Profile::default(),
            is_active: true,
            is_staff: false,
            verified_at: Some(now),
            pending_username: None,
            date_joined: now,
            last_login: None,
            factor_since: None,
            revision: 1,
        });
        let parsed = Username::parse(username).unwrap();
        let added = self
            .store
            .register(&user, &parsed, stored_password(), &[], None, None)
            .await;
        assert!(matches!(added, Ok(Registered::Yes(_))), "{added:?}");
        user
    }

    /// Something that happens now, for methods of the store that want to be told.
    pub fn event(&self, kind: EventKind) -> SecurityEvent {
        let time = self.clock.now();
        SecurityEvent {
            id: Entropy::default().new_id(time).unwrap(),
            time,
            kind,
            actor_id: None,
            subject_id: None,
            session_id: None,
            ip_address: String::new(),
            request_id: String::new(),
            detail: String::new(),
        }
    }

    /// Registers an account; says the token in its mail.
    pub async fn register(&self, username: &str) -> String {
        self.accounts().register(registration(username)).await.unwrap();
        self.token_to(username).await
    }

    /// Asks for a new password; says the token in the mail.
    pub async fn reset_token(&self, username: &str) -> String {
        let request = pb::RequestPasswordResetRequest {
            username: username.to_owned(),
        };
        self.accounts().request_password_reset(request).await.unwrap();
        self.token_to(username).await
    }

    /// Asks for a new address; says the token in the mail to it.
    pub async fn confirm_token(&self, access: &str, new: &str) -> String {
        let request = pb::UpdateProfileRequest {
            profile: Some(pb::Profile {
                username: new.to_owned(),
                ..Default::default()
            }),
            update_mask: mask(&["username"]),
            etag: String::new(),
        };
        let request = as_user(access, request);
        self.accounts().update_profile(request).await.unwrap();
        self.token_to(new).await
    }

    /// How many mails were ever queued.
    pub async fn mails(&self) -> i64 {
        service_runtime::on!(&self.database, |pool| {
            sqlx::query_scalar("SELECT count(*) FROM mail_outbox")
                .fetch_one(pool)
                .await
        })
        .unwrap()
    }

    /// Removes an account as nothing in the service does: without a word to anybody.
    pub async fn remove(&self, username: &str) {
        let removed = service_runtime::on!(&self.database, |pool| {
            sqlx::query("DELETE FROM users WHERE username = $1")
                .bind(username)
                .execute(pool)
                .await
                .map(|done| done.rows_affected())
        })
        .unwrap();
        assert_eq!(removed, 1);
    }

    /// Logs in with [`PASSWORD`].
    pub async fn login(&self, username: &str) -> Session {
        self.login_with(username, PASSWORD)
            .await
            .expect("the login works")
    }

    /// Logs in.
    pub async fn login_with(&self, username: &str, password: &str) -> Result<Session, tonic::Status> {
        self.login_with_code(username, password, "").await
    }

    /// Logs in with a code too.
    pub async fn login_with_code(
        &self,
        username: &str,
        password: &str,
        code: &str,
    ) -> Result<Session, tonic::Status> {
        let request = pb::LoginRequest {
            username: username.to_owned(),
            password: password.to_owned(),
            code: code.to_owned(),
        };
        Ok(self.sessions().login(request).await?.into_inner().into())
    }

    /// Adds an active account and logs it in.
    pub async fn user(&self, username: &str) -> Session {
        self.add_user(username).await;
        self.login(username).await
    }

    /// Adds an active staff account and logs it in.
    pub async fn staff(&self, username: &str) -> Session {
        self.add_staff(username).await;
        self.login(username).await
    }

    /// Goes on with a session.
    pub async fn refresh(&self, token: &str) -> Result<Session, tonic::Status> {
        let request = pb::RefreshRequest {
            refresh: token.to_owned(),
        };
        Ok(self.sessions().refresh(request).await?.into_inner().into())
    }

    /// Ends a session.
    pub async fn log_out(&self, session: &Session) {
        let refresh = session.refresh.clone();
        self.sessions()
            .logout(pb::LogoutRequest { refresh })
            .await
            .unwrap();
    }

    /// The caller's own profile, by an access token.
    pub async fn profile(&self, access: &str) -> Result<pb::Profile, tonic::Status> {
        let request = as_user(access, pb::GetProfileRequest {});
        Ok(self.accounts().get_profile(request).await?.into_inner())
    }

    /// Whether an access token is good now.
    pub async fn knows(&self, access: &str) -> bool {
        self.profile(access).await.is_ok()
    }
}
