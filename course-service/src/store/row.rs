//! A row of `courses` and the course it means.

use chrono::{DateTime, Utc};
use sqlx::FromRow;
use uuid::Uuid;

use crate::model::{
    course::Course, currency::Currency, description::Description, price::Price, slug::Slug, state::State,
    subtitle::Subtitle, title::Title,
};

/// The columns of [`CourseRow`]. They name their table because SQLite knows no alias in RETURNING.
macro_rules! columns {
    () => {
        "courses.id, courses.title, courses.subtitle, courses.slug, courses.description, courses.price, \
         courses.currency, courses.state, courses.instructors, courses.student_count, courses.created_at, courses.updated_at, \
         courses.deleted_at, courses.revision"
    };
}
pub(super) use columns;

/// A row of `courses` without what is derived from the rest.
#[derive(FromRow)]
pub(super) struct CourseRow {
    id: Uuid,
    title: String,
    subtitle: Option<String>,
    slug: String,
    description: String,
    price: i64,
    currency: String,
    state: String,
    instructors: String,
    student_count: i64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    deleted_at: Option<DateTime<Utc>>,
    revision: i64,
}

impl TryFrom<CourseRow> for Course {
    type Error = sqlx::Error;

    fn try_from(row: CourseRow) -> Result<Self, sqlx::Error> {
        let unreadable = |column: &str| sqlx::Error::Decode(format!("courses.{column} of {}", row.id).into());
        Ok(Self {
            id: row.id,
            title: Title::stored(row.title),
            subtitle: row.subtitle.map(Subtitle::stored),
            slug: Slug::stored(row.slug),
            description: Description::stored(row.description),
            price: Price::from_minor(row.price).ok_or_else(|| unreadable("price"))?,
            currency: Currency::stored(row.currency),
            state: State::stored(&row.state).ok_or_else(|| unreadable("state"))?,
            instructors: serde_json::from_str(&row.instructors).map_err(|_| unreadable("instructors"))?,
            student_count: row.student_count,
            created_at: row.created_at,
            updated_at: row.updated_at,
            deleted_at: row.deleted_at,
            revision: row.revision,
        })
    }
}
