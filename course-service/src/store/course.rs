//! Courses: found by any slug they ever had, created, and changed one at a time.

use chrono::{DateTime, Utc};
use service_runtime::{
    database::{
        BeginWrite,
        idempotency::{Claim, Idempotency, Once},
    },
    on,
};
use uuid::Uuid;

use super::{
    Error, Store,
    instructor::Teaching,
    row::{CourseRow, columns},
    slug::Slugs,
};
use crate::model::{course::Course, search, slug::Slug};

const FIND: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM course_slugs s JOIN courses ON courses.id = s.course_id WHERE s.slug = $1"
);
const INSERT: &str = "INSERT INTO courses (id, title, title_key, title_order, subtitle, slug, description, \
     search_text, price, currency, state, instructors, created_at, updated_at, revision) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) \
     ON CONFLICT (title_key) DO NOTHING";
/// Changes nothing and locks the row: a second change of the same course waits here and then sees this one.
/// It is what both databases understand as SELECT FOR UPDATE.
pub(super) const LOCK: &str = concat!(
    "UPDATE courses SET revision = revision WHERE id = $1 RETURNING ",
    columns!()
);
const UPDATE: &str = "UPDATE courses SET title = $2, title_key = $3, title_order = $4, subtitle = $5, slug = $6, \
     description = $7, search_text = $8, price = $9, state = $10, instructors = $11, updated_at = $12, \
     revision = $13, deleted_at = $14 WHERE id = $1";

/// What creating a course came to.
#[derive(Debug)]
pub enum Created {
    /// It is there, maybe since an earlier call with the same key.
    Done(Box<Course>),
    /// Another course has the title.
    TitleTaken,
    /// Its instructor was erased meanwhile.
    Erased,
    /// The key was used with other input.
    KeyReused,
}

/// What changing a course came to.
#[derive(Debug)]
pub enum Changed<E> {
    /// It is as asked, maybe since an earlier call with the same key.
    Done(Box<Course>),
    /// There is no such course.
    Absent,
    /// The rule refused; nothing is written.
    Refused(E),
    /// Another course has the title.
    TitleTaken,
    /// Another course has or had the slug.
    SlugTaken,
    /// The new instructor was erased meanwhile.
    Erased,
    /// The key was used with other input.
    KeyReused,
}

impl Store {
    /// The course that has or had a slug, with the slug it has now.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn course(&self, slug: &Slug) -> Result<Option<Course>, Error> {
        let row: Option<CourseRow> = on!(&self.reads, |pool| sqlx::query_as(FIND)
            .bind(slug.as_str())
            .fetch_optional(pool)
            .await)?;
        Ok(row.map(Course::try_from).transpose()?)
    }

    /// Creates a course. If its slug is taken, it gets a number after it.
    ///
    /// # Errors
    /// When the database does not answer; nothing is written then.
    pub async fn create(
        &self,
        mut course: Course,
        once: Option<&Once>,
        now: DateTime<Utc>,
    ) -> Result<Created, Error> {
        on!(&self.writes, |pool| {
            let mut tx = pool.begin_write().await?;
            if let Some(once) = once {
                match tx.claim(once, now).await? {
                    Claim::New => {}
                    Claim::Answered(answer) => {
                        return Ok(Created::Done(Box::new(serde_json::from_str(&answer)?)));
                    }
                    Claim::Reused => return Ok(Created::KeyReused),
                }
            }
            let inserted = sqlx::query(INSERT)
                .bind(course.id)
                .bind(course.title.as_str())
                .bind(course.title.key())
                .bind(search::title_order(&course).into_bytes())
                .bind(course.subtitle.as_ref().map(|subtitle| subtitle.as_str()))
                .bind(course.slug.as_str())
                .bind(course.description.as_str())
                .bind(search::document(&course))
                .bind(course.price.minor())
                .bind(course.currency.as_str())
                .bind(course.state.as_str())
                .bind(serde_json::to_string(&course.instructors)?)
                .bind(course.created_at)
                .bind(course.updated_at)
                .bind(course.revision)
                .execute(&mut *tx)
                .await?;
            if inserted.rows_affected() == 0 {
                return Ok(Created::TitleTaken);
            }
            let slug = tx.take_free(&course.slug, course.id).await?;
            if slug != course.slug {
                sqlx::query("UPDATE courses SET slug = $2 WHERE id = $1")
                    .bind(course.id)
                    .bind(slug.as_str())
                    .execute(&mut *tx)
                    .await?;
                course.slug = slug;
            }
            if !tx.index_instructors(&[], &course).await? {
                return Ok(Created::Erased);
            }
            if let Some(once) = once {
                tx.record(once, &serde_json::to_string(&course)?).await?;
            }
            tx.commit().await?;
            Ok(Created::Done(Box::new(course)))
        })
    }

    /// Removes up to `limit` courses that were deleted before `before`, with their titles and slugs, if nobody's enrolment
    /// is left in them ([`Store::purge_enrollments`]); says how many.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn purge_deleted(&self, before: DateTime<Utc>, limit: i64) -> Result<u64, Error> {
        Ok(on!(&self.writes, |pool| sqlx::query(
            "DELETE FROM courses WHERE deleted_at < $1 AND id IN \
             (SELECT id FROM courses WHERE deleted_at < $1 AND NOT EXISTS \
             (SELECT 1 FROM enrollments e WHERE e.course_id = courses.id) ORDER BY deleted_at LIMIT $2)",
        )
        .bind(before)
        .bind(limit)
        .execute(pool)
        .await
        .map(|done| done.rows_affected()))?)
    }

    /// Changes a course, deleted or not, by a rule that sees it as it is and says what it becomes, while nobody else changes
    /// it. A rule that changes nothing writes nothing.
    ///
    /// # Errors
    /// When the database does not answer; nothing is written then.
    pub async fn change<E>(
        &self,
        id: Uuid,
        once: Option<&Once>,
        now: DateTime<Utc>,
        rule: impl FnOnce(&mut Course) -> Result<(), E>,
    ) -> Result<Changed<E>, Error> {
        on!(&self.writes, |pool| {
            let mut tx = pool.begin_write().await?;
            if let Some(once) = once {
                match tx.claim(once, now).await? {
                    Claim::New => {}
                    Claim::Answered(answer) => {
                        return Ok(Changed::Done(Box::new(serde_json::from_str(&answer)?)));
                    }
                    Claim::Reused => return Ok(Changed::KeyReused),
                }
            }
            let row: Option<CourseRow> = sqlx::query_as(LOCK).bind(id).fetch_optional(&mut *tx).await?;
            let Some(row) = row else {
                return Ok(Changed::Absent);
            };
            let before = Course::try_from(row)?;
            let mut course = before.clone();
            if let Err(refusal) = rule(&mut course) {
                return Ok(Changed::Refused(refusal));
            }
            if course == before {
                if let Some(once) = once {
                    tx.record(once, &serde_json::to_string(&course)?).await?;
                    tx.commit().await?;
                }
                return Ok(Changed::Done(Box::new(course)));
            }
            // One that is deleted stays the version that was deleted, by whose etag that can be taken back.
            if course.deleted_at.is_none() {
                course.revision += 1;
                course.updated_at = now;
            }
            let updated = sqlx::query(UPDATE)
                .bind(id)
                .bind(course.title.as_str())
                .bind(course.title.key())
                .bind(search::title_order(&course).into_bytes())
                .bind(course.subtitle.as_ref().map(|subtitle| subtitle.as_str()))
                .bind(course.slug.as_str())
                .bind(course.description.as_str())
                .bind(search::document(&course))
                .bind(course.price.minor())
                .bind(course.state.as_str())
                .bind(serde_json::to_string(&course.instructors)?)
                .bind(course.updated_at)
                .bind(course.revision)
                .bind(course.deleted_at)
                .execute(&mut *tx)
                .await;
            match updated {
                // The title is all that is unique in this table beside the id.
                Err(sqlx::Error::Database(error)) if error.is_unique_violation() => {
                    return Ok(Changed::TitleTaken);
                }
                updated => updated?,
            };
            if course.slug != before.slug && !tx.take(&course.slug, id).await? {
                return Ok(Changed::SlugTaken);
            }
            if !tx.index_instructors(&before.instructors, &course).await? {
                return Ok(Changed::Erased);
            }
            if let Some(once) = once {
                tx.record(once, &serde_json::to_string(&course)?).await?;
            }
            tx.commit().await?;
            Ok(Changed::Done(Box::new(course)))
        })
    }
}
