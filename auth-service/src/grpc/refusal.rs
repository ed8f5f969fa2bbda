//! The one table from what the domain says to what a caller is told.

use std::time::Duration;

use service_runtime::{
    field::FieldError,
    grpc::{
        context::{RequestContext, bad_token},
        refusal::{Refusal, internal},
    },
};
use tonic::{Code, Status};

use crate::{domain::error::Error, grpc::factor};

/// When trying again may help while the database is away.
const DATABASE_BACK: Duration = Duration::from_secs(1);
/// The same while another service is.
const COURSES_BACK: Duration = Duration::from_secs(5);

/// What the caller is told.
pub(crate) fn status(error: Error, context: &RequestContext) -> Status {
    let refusal = match error {
        Error::Invalid(fields) => Refusal::fields("INVALID_FIELDS", fields),
        Error::UsernameTaken => {
            let sentence = "A user with that username already exists.";
            Refusal::new(Code::AlreadyExists, "USERNAME_TAKEN", sentence)
                .about(vec![FieldError::new("username", sentence)])
        }
        Error::MailTokenInvalid => {
            let sentence = "Token is invalid or expired";
            Refusal::fields("TOKEN_INVALID", vec![FieldError::new("token", sentence)])
        }
        Error::AccountGone => Refusal::new(
            Code::InvalidArgument,
            "ACCOUNT_GONE",
            "User could not be activated",
        ),
        Error::InvalidCredentials => Refusal::new(
            Code::Unauthenticated,
            "INVALID_CREDENTIALS",
            "Invalid username/password",
        ),
        Error::RefreshFailed => Refusal::new(
            Code::Unauthenticated,
            "REFRESH_FAILED",
            "Token refresh failed. Please log in again.",
        ),
        Error::TokenInvalid => return bad_token(),
        Error::NotFound(what) => {
            Refusal::new(Code::NotFound, "NOT_FOUND", format!("There is no such {what}."))
        }
        Error::LastStaffUser => Refusal::new(
            Code::FailedPrecondition,
            "LAST_STAFF_USER",
            "The last active administrator cannot be demoted, deactivated or deleted.",
        ),
        Error::EtagMismatch => Refusal::new(
            Code::Aborted,
            "ETAG_MISMATCH",
            "It was changed in the meantime. Read it again.",
        ),
        Error::IdempotencyKeyReused => Refusal::new(
            Code::InvalidArgument,
            "IDEMPOTENCY_KEY_REUSED",
            "This idempotency key was used with other input.",
        ),
        Error::Throttled(wait) => Refusal::new(
            Code::ResourceExhausted,
            "THROTTLED",
            "Too many attempts. Please try again later.",
        )
        .retry_after(wait),
        Error::Busy(wait) => Refusal::new(
            Code::ResourceExhausted,
            "BUSY",
            "Too many people at once. Please try again.",
        )
        .retry_after(wait.max(Duration::from_secs(1))),
        Error::Factor(error) => return factor::refused(error),
        Error::CoursesUnavailable => Refusal::new(
            Code::Unavailable,
            "COURSES_UNAVAILABLE",
            "A part of it cannot be read right now. Please try again.",
        )
        .retry_after(COURSES_BACK),
        Error::Unavailable(error) => {
            tracing::error!(request_id = &*context.request_id, error = ?error, "the database cannot serve");
            Refusal::new(
                Code::Unavailable,
                "DATABASE_UNAVAILABLE",
                "Temporarily unavailable. Please try again.",
            )
            .retry_after(DATABASE_BACK)
        }
        bug @ (Error::WrongSecretKey | Error::Internal(_)) => return internal(&bug, &context.request_id),
    };
    refusal.into()
}
