//! A course with its instructors: what changes together, under one revision.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    currency::Currency,
    description::Description,
    instructor::{Instructor, Person},
    price::Price,
    slug::Slug,
    state::State,
    subtitle::Subtitle,
    title::Title,
};

/// A course.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Course {
    /// UUIDv7.
    pub id: Uuid,
    /// Unique without case.
    pub title: Title,
    /// More words below the title.
    pub subtitle: Option<Subtitle>,
    /// Its name in addresses.
    pub slug: Slug,
    /// Markdown.
    pub description: Description,
    /// What it costs; zero is free.
    pub price: Price,
    /// In what it costs that.
    pub currency: Currency,
    /// Where it is in its life.
    pub state: State,
    /// Who teaches it, the first one first; never empty.
    pub instructors: Vec<Instructor>,
    /// How many people are students of it. Only enrolments change it.
    #[serde(default)]
    pub student_count: i64,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
    /// When it was deleted. Nobody sees it from then on, and it stays the version that was deleted.
    #[serde(default)]
    pub deleted_at: Option<DateTime<Utc>>,
    /// How often its representation was written; every change adds one, but for those of a course that is deleted.
    pub revision: i64,
}

impl Course {
    /// The most instructors a course has; they are part of every representation of it.
    pub const MOST_INSTRUCTORS: usize = 100;

    /// The version of this representation. The time is in it so that a database brought back from a backup
    /// does not give an old version's tag to a new one; the number of students, so that whoever has the course in a
    /// cache sees another number.
    pub fn etag(&self) -> String {
        format!("{}.{:x}", self.version(), self.student_count)
    }

    /// Whether an etag is one of the course as its instructors last left it. Those who enrolled since have changed
    /// nothing that a change of the course could lose; and before there was a number in it, it was none the less one.
    pub fn is_version(&self, etag: &str) -> bool {
        etag.split_once('.').map_or(etag, |(version, _)| version) == self.version()
    }

    fn version(&self) -> String {
        format!("{:x}-{:x}", self.revision, self.updated_at.timestamp_micros())
    }

    /// Its instructor with this id.
    pub fn instructor(&self, user_id: Uuid) -> Option<&Instructor> {
        self.instructors
            .iter()
            .find(|instructor| instructor.person.id == user_id)
    }

    /// Puts a person after the other instructors: at the number of the revision that they come with, which is
    /// larger than any position before it.
    pub fn add_instructor(&mut self, person: Person) {
        let last = self.instructors.last().map_or(0, |last| last.position);
        let position = last.max(self.revision) + 1;
        self.instructors.push(Instructor { person, position });
    }
}
