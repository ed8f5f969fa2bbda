//! Tokens in mail links: what each is for and how long it is good.

use chrono::{DateTime, Utc};
use uuid::Uuid;

/// What the token of a mail link does. A token of one purpose is worth nothing for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// Proves the address of a new account.
    VerifyEmail,
    /// Sets a new password.
    ResetPassword,
    /// Proves a new address of an account.
    ConfirmUsername,
}

impl Purpose {
    /// The word in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::VerifyEmail => "verify_email",
            Self::ResetPassword => "reset_password",
            Self::ConfirmUsername => "confirm_username",
        }
    }
}

/// A token to be kept: its hash, never its text.
#[derive(Debug, Clone)]
pub struct NewMailToken {
    /// UUIDv7; part of the token, so that it is found by its key.
    pub id: Uuid,
    /// What it does.
    pub purpose: Purpose,
    /// The address its mail goes to.
    pub username: String,
    /// SHA-256 of the token's text.
    pub token_hash: Vec<u8>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// From then on it is refused.
    pub expires_at: DateTime<Utc>,
}
