//! What other services hold about a person.

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
    pub created_at: chrono::DateTime<chrono::Utc>,
    /// When it was deleted, if it was.
    pub deleted_at: Option<chrono::DateTime<chrono::Utc>>,
}
