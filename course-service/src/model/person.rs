//! What is known about a person, for that person; and what is left to do for one who is leaving.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{enrollment::Enrollment, instructor::Person, slug::Slug, state::State, title::Title};

/// Everything that is held about a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Their names; `None` for who teaches nothing.
    pub names: Option<Person>,
    /// The courses that they teach, the newest first.
    pub courses: Vec<TaughtCourse>,
    /// Whether there are more.
    pub has_more: bool,
    /// Their enrolments, the newest first.
    pub enrollments: Vec<HeldEnrollment>,
    /// Whether there are more.
    pub has_more_enrollments: bool,
}

/// An enrolment of a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldEnrollment {
    /// The enrolment.
    pub enrollment: Enrollment,
    /// The payments for it, the first one first.
    pub payments: Vec<HeldPayment>,
}

/// A payment that was confirmed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldPayment {
    /// Its reference.
    pub reference: String,
    /// When it was confirmed.
    pub confirmed_at: DateTime<Utc>,
}

/// A course that a person teaches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaughtCourse {
    /// Its id.
    pub id: Uuid,
    /// Its name in addresses.
    pub slug: Slug,
    /// Its title.
    pub title: Title,
    /// Where it is in its life.
    pub state: State,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// When it was deleted, if it was.
    pub deleted_at: Option<DateTime<Utc>>,
}

/// How far an erasure is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Erased {
    /// Whether nothing about the person is left.
    pub is_complete: bool,
    /// To whom courses went so far.
    pub heirs: Vec<Uuid>,
}
