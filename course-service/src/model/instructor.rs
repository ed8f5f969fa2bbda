//! Someone who teaches a course: a copy of the names that auth-service knows them by.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A person by their public names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// The user's id.
    pub id: Uuid,
    /// The user's address.
    pub username: String,
    /// Given name.
    pub first_name: String,
    /// Family name.
    pub last_name: String,
}

/// A person among the instructors of one course.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instructor {
    /// Who it is.
    #[serde(flatten)]
    pub person: Person,
    /// Where they stand: smaller came earlier. Who comes later gets a larger one than anybody had before, also
    /// those who left, so a page of instructors can be continued after others came or went.
    pub position: i64,
}
