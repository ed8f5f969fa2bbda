//! The one table that says what an error of the domain is on the wire.

use std::time::Duration;

use service_runtime::{
    causes::causes,
    grpc::{
        context::{no_token, step_up_needed},
        refusal::{FieldError, Refusal, internal},
    },
};
use tonic::{Code, Status};

use crate::{domain::Error, store};

/// When trying again may help, if something we stand on is down.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The status of an error.
pub(super) fn status(error: Error, request_id: &str) -> Status {
    let refusal = match error {
        Error::NoToken => return no_token(),
        Error::StepUpNeeded(max_age) => return step_up_needed(max_age),
        Error::CourseNotFound | Error::CourseHidden => {
            not_found("COURSE_NOT_FOUND", "There is no such course.")
        }
        Error::SlugChanged(slug) => not_found("SLUG_CHANGED", "The course has another slug now.")
            .with("canonical_slug", slug.as_str()),
        Error::InstructorNotFound => {
            not_found("INSTRUCTOR_NOT_FOUND", "The user does not teach this course.")
        }
        Error::InstructorRequired => denied(
            "INSTRUCTOR_REQUIRED",
            "Only an instructor of a course can update a course",
        ),
        Error::InstructorRequiredToDelete => denied(
            "INSTRUCTOR_REQUIRED",
            "Only an instructor of a course can delete a course",
        ),
        Error::InstructorRequiredToUndelete => denied(
            "INSTRUCTOR_REQUIRED",
            "Only an instructor of a course can take back its deletion",
        ),
        Error::EtagRequired => Refusal::new(
            Code::FailedPrecondition,
            "ETAG_REQUIRED",
            "The version that is meant must be named.",
        ),
        Error::InstructorRequiredForInstructors => denied(
            "INSTRUCTOR_REQUIRED",
            "Only an instructor of a course can change its instructors",
        ),
        Error::InstructorNotStaff => denied("INSTRUCTOR_NOT_STAFF", "Instructors have to be administrators"),
        Error::CourseNotOpen => Refusal::new(
            Code::FailedPrecondition,
            "COURSE_NOT_OPEN",
            "Nobody can enrol in a course that is not published.",
        ),
        Error::EnrollmentNotFound => not_found(
            "ENROLLMENT_NOT_FOUND",
            "There is no such enrolment in this course.",
        ),
        Error::EnrollmentNotPending => Refusal::new(
            Code::FailedPrecondition,
            "ENROLLMENT_NOT_PENDING",
            "The enrolment is active already, and not by this payment.",
        ),
        Error::PaymentReferenceUsed => taken(
            "PAYMENT_REFERENCE_USED",
            "payment_reference",
            "This payment reference was used before",
        ),
        Error::StaffRequiredForStudents => denied(
            "STAFF_REQUIRED",
            "Only instructors and administrators can list the students of a course",
        ),
        Error::StaffRequiredToConfirm => {
            denied("STAFF_REQUIRED", "Only an administrator can confirm a payment")
        }
        Error::Fields(faults) => Refusal::fields("INVALID_FIELDS", faults),
        Error::TitleTaken => taken("TITLE_TAKEN", "title", "A course with this title already exists"),
        Error::SlugTaken => taken("SLUG_TAKEN", "slug", "A course with this slug already exists"),
        Error::EtagMismatch => Refusal::new(
            Code::Aborted,
            "ETAG_MISMATCH",
            "The course has been changed since; read it again.",
        ),
        Error::LostRace => Refusal::new(
            Code::Aborted,
            "LOST_RACE",
            "Somebody else changed the course at the same time; try again.",
        ),
        Error::LastInstructor => Refusal::new(
            Code::FailedPrecondition,
            "LAST_INSTRUCTOR",
            "The last instructor of a course cannot be removed.",
        ),
        Error::TooManyInstructors => Refusal::new(
            Code::FailedPrecondition,
            "TOO_MANY_INSTRUCTORS",
            "A course has at most 100 instructors.",
        ),
        Error::HeirRequired => Refusal::new(
            Code::FailedPrecondition,
            "HEIR_REQUIRED",
            "A course would have no instructor left.",
        ),
        Error::HeirErased => Refusal::new(
            Code::FailedPrecondition,
            "HEIR_ERASED",
            "The heir was erased too.",
        ),
        Error::KeyReused => Refusal::new(
            Code::InvalidArgument,
            "IDEMPOTENCY_KEY_REUSED",
            "This idempotency key was used with other input.",
        ),
        // Logged where it was noticed if an operator can do something about it.
        Error::Auth(error) => return error.refusal(),
        Error::Store(store::Error::TooManySearches) => Refusal::new(
            Code::ResourceExhausted,
            "TOO_MANY_SEARCHES",
            "Too many people search at once; try again in a moment.",
        )
        .retry_after(RETRY_AFTER),
        Error::Store(store::Error::Unavailable(cause)) => {
            tracing::warn!(request_id, error = causes(&cause), "the database cannot serve");
            unavailable("DATABASE_UNAVAILABLE")
        }
        Error::Store(bug) => return internal(&bug, request_id),
        Error::Entropy(bug) => return internal(&bug, request_id),
    };
    refusal.into()
}

fn not_found(reason: &'static str, message: &str) -> Refusal {
    Refusal::new(Code::NotFound, reason, message)
}

fn denied(reason: &'static str, message: &str) -> Refusal {
    Refusal::new(Code::PermissionDenied, reason, message)
}

fn taken(reason: &'static str, field: &str, message: &str) -> Refusal {
    Refusal::new(Code::AlreadyExists, reason, message).about(vec![FieldError::new(field, message)])
}

fn unavailable(reason: &'static str) -> Refusal {
    Refusal::new(
        Code::Unavailable,
        reason,
        "The service cannot answer right now; try again in a moment.",
    )
    .retry_after(RETRY_AFTER)
}

#[cfg(test)]
mod tests {
    use tonic_types::StatusExt;

    use super::*;

    #[test]
    fn a_database_that_cannot_serve_is_worth_another_try() {
        let error = store::Error::Unavailable(sqlx::Error::PoolTimedOut);
        let status = status(error.into(), "id-1");
        assert_eq!(status.code(), Code::Unavailable);
        let retry = status.get_details_retry_info().unwrap();
        assert_eq!(retry.retry_delay, Some(RETRY_AFTER));
    }

    #[test]
    fn a_bug_is_told_as_nothing_but_the_request_id() {
        let error = store::Error::Failed(sqlx::Error::Protocol("SELECT secret".to_owned()));
        let status = status(error.into(), "id-1");
        assert_eq!(status.code(), Code::Internal);
        assert!(status.message().contains("id-1"));
        assert!(!format!("{status:?}").contains("secret"));
    }
}
