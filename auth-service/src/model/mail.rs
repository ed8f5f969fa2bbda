//! Mail as the rest of the service speaks of it: what is said to whom.

use chrono::{DateTime, Utc};
use uuid::Uuid;

/// What a mail says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MailKind {
    /// A link that verifies the address of a new account.
    VerifyEmail,
    /// Somebody tried to register with the address of this account.
    AlreadyRegistered,
    /// A link that sets a new password.
    ResetPassword,
    /// A link that puts a new address into effect; goes to the new mailbox.
    ConfirmUsername,
    /// A new address was asked for; goes to the old mailbox.
    UsernameChangeRequested,
    /// The password was changed.
    PasswordChanged,
}

/// A mail to be queued.
#[derive(Debug, Clone)]
pub struct NewMail {
    /// UUIDv7; also makes the `Message-ID`, so that a mail sent twice is recognised as one.
    pub id: Uuid,
    /// What it says.
    pub kind: MailKind,
    /// The address it goes to.
    pub recipient: String,
    /// The token whose link it holds.
    pub token_id: Option<Uuid>,
    /// When it was caused.
    pub created_at: DateTime<Utc>,
    /// After this it is worth nothing and is not sent.
    pub expires_at: Option<DateTime<Utc>>,
}
