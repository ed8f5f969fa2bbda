//! Everything that can keep a call from doing what was asked, in words of the domain.

use std::time::Duration;

use auth_client::authorize::AuthError;
use service_runtime::{entropy::NoEntropy, field::FieldError};

use crate::{model::slug::Slug, store};

/// Why a call was not done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It needs a caller who is known.
    #[error("no access token")]
    NoToken,
    /// There is no such course, or none that this caller may see.
    #[error("no such course")]
    CourseNotFound,
    /// The caller is told the same, and had not the rights for what they were about to do with the course that is there.
    #[error("no such course for this caller, who has not the rights for the call either")]
    CourseHidden,
    /// The course has another slug now.
    #[error("the course is called {0} now")]
    SlugChanged(Slug),
    /// The user does not teach the course.
    #[error("no such instructor")]
    InstructorNotFound,
    /// Only an instructor may update a course.
    #[error("not an instructor")]
    InstructorRequired,
    /// Only an instructor may delete a course.
    #[error("not an instructor, and the course is to be deleted")]
    InstructorRequiredToDelete,
    /// Only an instructor may take that back.
    #[error("not an instructor, and a deletion is to be taken back")]
    InstructorRequiredToUndelete,
    /// Allowed, but for the proof of a second factor that is not older than this.
    #[error("no fresh second factor")]
    StepUpNeeded(Duration),
    /// The version must be named.
    #[error("no etag")]
    EtagRequired,
    /// Only an instructor may change who teaches a course.
    #[error("not an instructor, and instructors are to change")]
    InstructorRequiredForInstructors,
    /// Who is to teach is not active staff.
    #[error("the new instructor is not staff")]
    InstructorNotStaff,
    /// The course takes nobody: it is not published.
    #[error("the course is not open")]
    CourseNotOpen,
    /// The person is not enrolled in the course.
    #[error("no such enrolment")]
    EnrollmentNotFound,
    /// The enrolment is active, and not by the payment that was named.
    #[error("the enrolment is not pending")]
    EnrollmentNotPending,
    /// The payment was for something else.
    #[error("the payment reference was used before")]
    PaymentReferenceUsed,
    /// Only staff may see who studies a course.
    #[error("not staff, and students are to be listed")]
    StaffRequiredForStudents,
    /// Only staff may confirm a payment.
    #[error("not staff, and a payment is to be confirmed")]
    StaffRequiredToConfirm,
    /// Some fields of the input cannot be used.
    #[error("{} bad fields", .0.len())]
    Fields(Vec<FieldError>),
    /// Another course has the title.
    #[error("the title is taken")]
    TitleTaken,
    /// Another course has or had the slug.
    #[error("the slug is taken")]
    SlugTaken,
    /// The course is no longer the version that was named.
    #[error("the etag does not match")]
    EtagMismatch,
    /// Somebody else changed the same thing at the same time.
    #[error("lost against another change")]
    LostRace,
    /// The last instructor stays.
    #[error("the last instructor")]
    LastInstructor,
    /// The course has as many instructors as a course can have.
    #[error("too many instructors")]
    TooManyInstructors,
    /// A course would be left without an instructor.
    #[error("a course needs an heir")]
    HeirRequired,
    /// The heir was erased.
    #[error("the heir was erased")]
    HeirErased,
    /// The idempotency key was used with other input.
    #[error("the idempotency key was used with other input")]
    KeyReused,
    /// Whoever knows people cannot be asked now.
    #[error("auth-service cannot be asked")]
    Auth(#[from] AuthError),
    /// The database.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// Chance.
    #[error(transparent)]
    Entropy(#[from] NoEntropy),
}
