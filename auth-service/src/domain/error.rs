//! Why a request cannot be done: the cases a caller can tell apart, and the bugs, free of transport.

use std::time::Duration;

use service_runtime::{entropy::NoEntropy, field::FieldError};

use crate::{domain::factor::FactorError, store};

/// Why a request cannot be done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// These fields are missing or bad. Never empty.
    #[error("the input is invalid")]
    Invalid(Vec<FieldError>),
    /// Another account has the address.
    #[error("the username is taken")]
    UsernameTaken,
    /// A mail token is bad, expired, used or made for something else.
    #[error("the mail token is not valid")]
    MailTokenInvalid,
    /// A mail token is genuine but its account no longer exists.
    #[error("the account of a mail token is gone")]
    AccountGone,
    /// Unknown address, wrong password or inactive account: which one is not told.
    #[error("the credentials are not valid")]
    InvalidCredentials,
    /// A refresh token that does not go on.
    #[error("the refresh token is not valid")]
    RefreshFailed,
    /// An access token that is bad, or whose session or account has ended.
    #[error("the access token is not valid")]
    TokenInvalid,
    /// There is no such thing, or not for this caller.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// The change would leave no active staff user.
    #[error("the last active staff user")]
    LastStaffUser,
    /// The version named is not the current one.
    #[error("the version is not the current one")]
    EtagMismatch,
    /// The idempotency key was used with other input.
    #[error("the idempotency key was used with other input")]
    IdempotencyKeyReused,
    /// It was tried too often; once more may be tried after this long.
    #[error("tried too often")]
    Throttled(Duration),
    /// Too many passwords are being hashed; trying again after this long may help.
    #[error("too busy")]
    Busy(Duration),
    /// A rule about second factors.
    #[error(transparent)]
    Factor(#[from] FactorError),
    /// course-service cannot tell its part of what was asked for.
    #[error("course-service cannot be asked")]
    CoursesUnavailable,
    /// What is to be opened was sealed under another secret.
    #[error("SECRET_KEY does not open what was sealed; was it changed without keeping the former one?")]
    WrongSecretKey,
    /// The database cannot serve now.
    #[error("the database cannot serve now")]
    Unavailable(#[source] store::Error),
    /// A bug.
    #[error("a bug")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Error {
    /// One bad field.
    pub fn field(field: &str, message: impl Into<String>) -> Self {
        Self::Invalid(vec![FieldError::new(field, message)])
    }

    /// A bug, from whatever showed it.
    pub fn internal(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Internal(error.into())
    }
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        match error {
            store::Error::Unavailable(_) => Self::Unavailable(error),
            store::Error::Failed(_) => Self::internal(error),
        }
    }
}

impl From<NoEntropy> for Error {
    fn from(error: NoEntropy) -> Self {
        Self::internal(error)
    }
}
