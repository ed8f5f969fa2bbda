//! What other services hold about a person.

use chrono::{DateTime, Utc};
use uuid::Uuid;

/// What course-service holds about a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CoursesPart {
    /// Their names as courses show them: address, given and family name; `None` for who teaches nothing.
    pub names: Option<(String, String, String)>,
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
    /// Its id.
    pub id: Uuid,
    /// The course's name in addresses.
    pub slug: String,
    /// The course's title.
    pub title: String,
    /// How far it is.
    pub state: String,
    /// What the course cost when they enrolled, as a decimal.
    pub price: String,
    /// In what it cost that.
    pub currency: String,
    /// When they enrolled.
    pub enrolled_at: DateTime<Utc>,
    /// When the state last changed.
    pub updated_at: DateTime<Utc>,
    /// The references of the payments for it, and when they were confirmed.
    pub payments: Vec<(String, DateTime<Utc>)>,
}

/// A course that a person teaches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaughtCourse {
    /// Its id.
    pub id: Uuid,
    /// Its name in addresses.
    pub slug: String,
    /// Its title.
    pub title: String,
    /// Where it is in its life.
    pub state: String,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// When it was deleted, if it was.
    pub deleted_at: Option<DateTime<Utc>>,
}
