//! Everything that is held about a person, read for them.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use service_runtime::on;
use sqlx::FromRow;
use uuid::Uuid;

use super::{
    Error, Store,
    enrollment::{EnrollmentRow, enrollments, read},
};
use crate::model::{
    instructor::Person,
    person::{Held, HeldEnrollment, HeldPayment, TaughtCourse},
    slug::Slug,
    state::State,
    title::Title,
};

#[derive(FromRow)]
struct TaughtRow {
    id: Uuid,
    slug: String,
    title: String,
    state: String,
    created_at: DateTime<Utc>,
    deleted_at: Option<DateTime<Utc>>,
}

/// Names, courses, enrolments, and the payments for those.
type HeldRows = (
    Option<(String, String, String)>,
    Vec<TaughtRow>,
    Vec<EnrollmentRow>,
    Vec<(Uuid, String, DateTime<Utc>)>,
);

impl Store {
    /// What is held about a person: of their courses and enrolments the newest, at most `limit` of each.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn held(&self, user_id: Uuid, limit: i64) -> Result<Held, Error> {
        let (names, rows, enrolled, payments): HeldRows = on!(&self.reads, |pool| {
            let names =
                sqlx::query_as("SELECT username, first_name, last_name FROM instructors WHERE user_id = $1")
                    .bind(user_id)
                    .fetch_optional(pool)
                    .await?;
            let courses = sqlx::query_as(
                "SELECT courses.id, courses.slug, courses.title, courses.state, courses.created_at, \
                 courses.deleted_at FROM course_instructors t JOIN courses ON courses.id = t.course_id WHERE t.user_id = $1 \
                 ORDER BY courses.created_at DESC, courses.id DESC LIMIT $2",
            )
            .bind(user_id)
            .bind(limit + 1)
            .fetch_all(pool)
            .await?;
            let enrolled = sqlx::query_as(enrollments!(
                "WHERE e.student_id = $1 ORDER BY e.enrolled_at DESC, e.id DESC LIMIT $2"
            ))
            .bind(user_id)
            .bind(limit + 1)
            .fetch_all(pool)
            .await?;
            let payments = sqlx::query_as(
                "SELECT enrollment_id, reference, confirmed_at FROM payments WHERE enrollment_id IN \
                 (SELECT id FROM enrollments WHERE student_id = $1 ORDER BY enrolled_at DESC, id DESC LIMIT $2) \
                 ORDER BY confirmed_at, reference",
            )
            .bind(user_id)
            .bind(limit)
            .fetch_all(pool)
            .await?;
            Ok::<_, sqlx::Error>((names, courses, enrolled, payments))
        })?;
        let mut courses = rows
            .into_iter()
            .map(|row| {
                Ok(TaughtCourse {
                    id: row.id,
                    slug: Slug::stored(row.slug),
                    title: Title::stored(row.title),
                    state: State::stored(&row.state)
                        .ok_or_else(|| sqlx::Error::Decode(format!("courses.state of {}", row.id).into()))?,
                    created_at: row.created_at,
                    deleted_at: row.deleted_at,
                })
            })
            .collect::<Result<Vec<_>, sqlx::Error>>()?;
        let most = usize::try_from(limit).unwrap_or(0);
        let has_more = courses.len() > most;
        courses.truncate(most);
        let mut enrollments = read(enrolled)?;
        let has_more_enrollments = enrollments.len() > most;
        enrollments.truncate(most);
        let mut paid: HashMap<Uuid, Vec<HeldPayment>> = HashMap::new();
        for (id, reference, confirmed_at) in payments {
            let payment = HeldPayment {
                reference,
                confirmed_at,
            };
            paid.entry(id).or_default().push(payment);
        }
        let enrollments = enrollments
            .into_iter()
            .map(|enrollment| HeldEnrollment {
                payments: paid.remove(&enrollment.id).unwrap_or_default(),
                enrollment,
            })
            .collect();
        Ok(Held {
            names: names.map(|(username, first_name, last_name)| Person {
                id: user_id,
                username,
                first_name,
                last_name,
            }),
            courses,
            has_more,
            enrollments,
            has_more_enrollments,
        })
    }
}
