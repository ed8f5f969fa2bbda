//! A person's login on one device.

pub use auth_client::access::SECOND_FACTOR;
use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

/// No session lives longer than this, however often it is refreshed (NIST SP 800-63B-4 §2.1.3: 30 days).
pub const LONGEST_SESSION: TimeDelta = TimeDelta::days(30);
/// How an access token names a password among its `factors` (RFC 8176).
pub const PASSWORD: &str = "pwd";
/// How long a second factor counts as fresh: what cannot be undone, or hands out rights, needs a fresh one.
pub const FRESH: TimeDelta = TimeDelta::minutes(5);

/// A session, open or over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// UUIDv7.
    pub id: Uuid,
    /// Whose it is.
    pub user_id: Uuid,
    /// What the refresh tokens are derived from, with a key that is not in the database.
    pub salt: Vec<u8>,
    /// How often the session was refreshed.
    pub refresh_counter: i64,
    /// What the device called itself.
    pub user_agent: String,
    /// The network address it was last used from.
    pub ip_address: String,
    /// How the person proved who they are, as RFC 8176 names.
    pub factors: Vec<String>,
    /// When the person proved who they are.
    pub auth_time: DateTime<Utc>,
    /// When the person logged in.
    pub created_at: DateTime<Utc>,
    /// When the session was last refreshed.
    pub last_used_at: DateTime<Utc>,
    /// Until when its refresh token is good.
    pub expires_at: DateTime<Utc>,
    /// When it was ended before its time.
    pub ended_at: Option<DateTime<Utc>>,
}

/// Why a session was ended before its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndReason {
    /// The person logged out.
    Logout,
    /// The person ended it from another session.
    Revoked,
    /// A refresh token was used again after its successor had been used.
    RefreshReplayed,
    /// The password was changed or reset.
    PasswordChanged,
    /// A second factor was added or removed.
    FactorChanged,
    /// The account was deactivated.
    Deactivated,
    /// An operator ended the sessions of everybody.
    Operator,
}

impl EndReason {
    /// The word in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Logout => "logout",
            Self::Revoked => "revoked",
            Self::RefreshReplayed => "refresh_replayed",
            Self::PasswordChanged => "password_changed",
            Self::FactorChanged => "factor_changed",
            Self::Deactivated => "deactivated",
            Self::Operator => "operator",
        }
    }
}
