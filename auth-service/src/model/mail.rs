//! Mail as the rest of the service speaks of it: what is said to whom, and what became of it.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::mail_token::Purpose;

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
    /// Logging in takes a second factor from now on.
    SecondFactorAdded,
    /// Logging in takes no second factor any more.
    SecondFactorRemoved,
    /// Somebody who knows the password enters wrong codes.
    SecondFactorFailing,
    /// A recovery code stood in for the second factor.
    RecoveryCodeUsed,
    /// There are new recovery codes.
    RecoveryCodesRenewed,
    /// Critical security events; goes to whoever is to be told of them.
    SecurityAlarm,
    /// Courses that would have been left to nobody.
    CoursesInherited,
}

impl MailKind {
    /// Every kind there is.
    pub const ALL: [Self; 13] = [
        Self::VerifyEmail,
        Self::AlreadyRegistered,
        Self::ResetPassword,
        Self::ConfirmUsername,
        Self::UsernameChangeRequested,
        Self::PasswordChanged,
        Self::SecondFactorAdded,
        Self::SecondFactorRemoved,
        Self::SecondFactorFailing,
        Self::RecoveryCodeUsed,
        Self::RecoveryCodesRenewed,
        Self::SecurityAlarm,
        Self::CoursesInherited,
    ];

    /// The word in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::VerifyEmail => "verify_email",
            Self::AlreadyRegistered => "already_registered",
            Self::ResetPassword => "reset_password",
            Self::ConfirmUsername => "confirm_username",
            Self::UsernameChangeRequested => "username_change_requested",
            Self::PasswordChanged => "password_changed",
            Self::SecondFactorAdded => "second_factor_added",
            Self::SecondFactorRemoved => "second_factor_removed",
            Self::SecondFactorFailing => "second_factor_failing",
            Self::RecoveryCodeUsed => "recovery_code_used",
            Self::RecoveryCodesRenewed => "recovery_codes_renewed",
            Self::SecurityAlarm => "security_alarm",
            Self::CoursesInherited => "courses_inherited",
        }
    }

    /// Reads the word in the database; `None` for a kind that only a newer version knows.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }

    /// Whether it comes from what somebody else did, so that its reader's account may be going at this moment.
    pub const fn is_caused_by_others(self) -> bool {
        matches!(self, Self::AlreadyRegistered | Self::CoursesInherited)
    }

    /// What the link in such a mail does; `None` for a mail that only tells something.
    pub const fn purpose(self) -> Option<Purpose> {
        match self {
            Self::VerifyEmail => Some(Purpose::VerifyEmail),
            Self::ResetPassword => Some(Purpose::ResetPassword),
            Self::ConfirmUsername => Some(Purpose::ConfirmUsername),
            Self::AlreadyRegistered
            | Self::UsernameChangeRequested
            | Self::PasswordChanged
            | Self::SecondFactorAdded
            | Self::SecondFactorRemoved
            | Self::SecondFactorFailing
            | Self::RecoveryCodeUsed
            | Self::RecoveryCodesRenewed
            | Self::SecurityAlarm
            | Self::CoursesInherited => None,
        }
    }
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

/// A queued mail that one worker alone may send until its lease runs out.
#[derive(Debug, Clone)]
pub struct ClaimedMail {
    /// What was queued.
    pub mail: NewMail,
    /// Which attempt to send it this is, counted from 1.
    pub attempt: i64,
}

/// What became of an attempt to send a mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The mail server, or the folder, has it.
    Sent,
    /// It is to be tried again.
    PutOff {
        /// When.
        until: DateTime<Utc>,
        /// Why; free of addresses and tokens.
        reason: String,
    },
    /// Nobody will take it, ever: a person has to look.
    Dead {
        /// Why; free of addresses and tokens.
        reason: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_read_as_it_is_written() {
        for kind in MailKind::ALL {
            assert_eq!(MailKind::parse(kind.as_str()), Some(kind));
        }
        assert_eq!(MailKind::parse("newsletter"), None);
    }
}
