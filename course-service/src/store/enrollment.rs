//! Enrolments: one row for a person and a course. Whoever changes one holds the lock of its course, in which the students
//! are counted in the same transaction. Purging alone does not: nobody sees that course any more.

use chrono::{DateTime, Utc};
use service_runtime::{
    database::{
        BeginWrite,
        idempotency::{Claim, Idempotency, Once},
    },
    on,
};
use sqlx::{FromRow, PgConnection, SqliteConnection};
use uuid::Uuid;

use super::{Error, Store};
use crate::model::{
    course::Course,
    currency::Currency,
    enrollment::{Cursor, Enrollment, EnrollmentState, IsNew},
    price::Price,
    slug::Slug,
    title::Title,
};

/// Locks the row of a person who is being enrolled, and says whether they are erased: whoever erases them waits for
/// that, or has said so already.
const LOCK_STUDENT: &str = "INSERT INTO students (user_id, is_erased) VALUES ($1, FALSE) \
     ON CONFLICT (user_id) DO UPDATE SET is_erased = students.is_erased RETURNING is_erased";
/// The same, and they are erased from then on.
pub(super) const ERASE_STUDENT: &str = "INSERT INTO students (user_id, is_erased) VALUES ($1, TRUE) \
     ON CONFLICT (user_id) DO UPDATE SET is_erased = TRUE";
/// Counts a student, unless the course is no longer the one that they are enrolling in; the course is locked then.
const COUNT_ENROLLED: &str = "UPDATE courses SET student_count = student_count + $2 \
     WHERE id = $1 AND state = 'published' AND deleted_at IS NULL AND price = $3 AND currency = $4";
/// Begins an enrolment, or begins one anew that was cancelled.
const BEGIN: &str = "INSERT INTO enrollments \
     (id, course_id, student_id, state, price, currency, enrolled_at, updated_at) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $7) \
     ON CONFLICT (course_id, student_id) DO UPDATE SET state = excluded.state, price = excluded.price, \
     currency = excluded.currency, enrolled_at = excluded.enrolled_at, updated_at = excluded.updated_at \
     WHERE enrollments.state = 'cancelled' RETURNING id";
/// Locks a course and changes nothing.
const LOCK_COURSE: &str = "UPDATE courses SET student_count = student_count WHERE id = $1";
const FIND: &str = "SELECT id, state FROM enrollments WHERE course_id = $1 AND student_id = $2";
const MOVE: &str = "UPDATE enrollments SET state = $2, updated_at = $3 WHERE id = $1";
/// Counts so many students more.
const COUNT: &str = "UPDATE courses SET student_count = student_count + $2 WHERE id = $1";

/// The enrolments with the names of their courses.
macro_rules! enrollments {
    ($rest:literal) => {
        concat!(
            "SELECT e.id, courses.slug, courses.title, e.student_id, e.state, e.price, e.currency, e.enrolled_at, \
             e.updated_at FROM enrollments e JOIN courses ON courses.id = e.course_id ",
            $rest
        )
    };
}
pub(super) use enrollments;

/// What enrolling came to.
#[derive(Debug, PartialEq, Eq)]
pub enum Enrolled {
    /// The person is enrolled, maybe since an earlier call with the same key.
    Done(Box<Enrollment>, IsNew),
    /// The course is not published, or costs something else by now; nothing is written.
    NotOpen,
    /// The person was erased meanwhile.
    Erased,
    /// The key was used with other input.
    KeyReused,
}

#[derive(FromRow)]
pub(super) struct EnrollmentRow {
    id: Uuid,
    slug: String,
    title: String,
    student_id: Uuid,
    state: String,
    price: i64,
    currency: String,
    enrolled_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl TryFrom<EnrollmentRow> for Enrollment {
    type Error = sqlx::Error;

    fn try_from(row: EnrollmentRow) -> Result<Self, sqlx::Error> {
        let unreadable = |column| unreadable(column, row.id);
        Ok(Self {
            id: row.id,
            slug: Slug::stored(row.slug),
            title: Title::stored(row.title),
            student_id: row.student_id,
            state: stored(&row.state, row.id)?,
            price: Price::from_minor(row.price).ok_or_else(|| unreadable("price"))?,
            currency: Currency::stored(row.currency),
            enrolled_at: row.enrolled_at,
            updated_at: row.updated_at,
        })
    }
}

fn stored(state: &str, id: Uuid) -> Result<EnrollmentState, sqlx::Error> {
    EnrollmentState::stored(state).ok_or_else(|| unreadable("state", id))
}

fn unreadable(column: &str, id: Uuid) -> sqlx::Error {
    sqlx::Error::Decode(format!("enrollments.{column} of {id}").into())
}

/// An enrolment whose course is locked.
pub(super) struct Found {
    pub(super) id: Uuid,
    course_id: Uuid,
    pub(super) state: EnrollmentState,
}

/// What a transaction offers for changing an enrolment that is there.
pub(super) trait Enrolling {
    /// Locks a course, and then finds a person's enrolment in it.
    fn find_locked(
        &mut self,
        course_id: Uuid,
        student_id: Uuid,
    ) -> impl Future<Output = Result<Option<Found>, sqlx::Error>> + Send;

    /// Brings an enrolment into a state, and the number of students with it.
    fn move_to(
        &mut self,
        found: &Found,
        state: EnrollmentState,
        now: DateTime<Utc>,
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send;

    /// Counts so many students of a course more.
    fn count(&mut self, course_id: Uuid, more: i64) -> impl Future<Output = Result<(), sqlx::Error>> + Send;
}

macro_rules! enrolling_for {
    ($connection:ty) => {
        impl Enrolling for $connection {
            async fn find_locked(
                &mut self,
                course_id: Uuid,
                student_id: Uuid,
            ) -> Result<Option<Found>, sqlx::Error> {
                sqlx::query(LOCK_COURSE)
                    .bind(course_id)
                    .execute(&mut *self)
                    .await?;
                let row: Option<(Uuid, String)> = sqlx::query_as(FIND)
                    .bind(course_id)
                    .bind(student_id)
                    .fetch_optional(&mut *self)
                    .await?;
                row.map(|(id, state)| {
                    Ok(Found {
                        id,
                        course_id,
                        state: stored(&state, id)?,
                    })
                })
                .transpose()
            }

            async fn move_to(
                &mut self,
                found: &Found,
                state: EnrollmentState,
                now: DateTime<Utc>,
            ) -> Result<(), sqlx::Error> {
                sqlx::query(MOVE)
                    .bind(found.id)
                    .bind(state.as_str())
                    .bind(now)
                    .execute(&mut *self)
                    .await?;
                let more = state.students() - found.state.students();
                self.count(found.course_id, more).await
            }

            async fn count(&mut self, course_id: Uuid, more: i64) -> Result<(), sqlx::Error> {
                if more != 0 {
                    sqlx::query(COUNT)
                        .bind(course_id)
                        .bind(more)
                        .execute(&mut *self)
                        .await?;
                }
                Ok(())
            }
        }
    };
}

enrolling_for!(PgConnection);
enrolling_for!(SqliteConnection);

impl Store {
    /// Enrols a person in a course as it was read; whoever is enrolled already stays so. `id` is that of a new
    /// enrolment.
    ///
    /// # Errors
    /// When the database does not answer; nothing is written then.
    pub async fn enroll(
        &self,
        id: Uuid,
        course: &Course,
        student_id: Uuid,
        once: Option<&Once>,
        now: DateTime<Utc>,
    ) -> Result<Enrolled, Error> {
        let state = EnrollmentState::first(course.price);
        on!(&self.writes, |pool| {
            let mut tx = pool.begin_write().await?;
            if let Some(once) = once {
                match tx.claim(once, now).await? {
                    Claim::New => {}
                    Claim::Answered(answer) => {
                        let (enrollment, is_new) = serde_json::from_str(&answer)?;
                        return Ok(Enrolled::Done(enrollment, is_new));
                    }
                    Claim::Reused => return Ok(Enrolled::KeyReused),
                }
            }
            let is_erased: bool = sqlx::query_scalar(LOCK_STUDENT)
                .bind(student_id)
                .fetch_one(&mut *tx)
                .await?;
            if is_erased {
                return Ok(Enrolled::Erased);
            }
            let row: Option<EnrollmentRow> = sqlx::query_as(enrollments!(
                "WHERE e.course_id = $1 AND e.student_id = $2 AND e.state <> 'cancelled'"
            ))
            .bind(course.id)
            .bind(student_id)
            .fetch_optional(&mut *tx)
            .await?;
            let answer = match row {
                Some(row) => (Box::new(Enrollment::try_from(row)?), IsNew(false)),
                None => {
                    let counted = sqlx::query(COUNT_ENROLLED)
                        .bind(course.id)
                        .bind(state.students())
                        .bind(course.price.minor())
                        .bind(course.currency.as_str())
                        .execute(&mut *tx)
                        .await?;
                    if counted.rows_affected() == 0 {
                        return Ok(Enrolled::NotOpen);
                    }
                    let id: Uuid = sqlx::query_scalar(BEGIN)
                        .bind(id)
                        .bind(course.id)
                        .bind(student_id)
                        .bind(state.as_str())
                        .bind(course.price.minor())
                        .bind(course.currency.as_str())
                        .bind(now)
                        .fetch_one(&mut *tx)
                        .await?;
                    let begun = Enrollment {
                        id,
                        slug: course.slug.clone(),
                        title: course.title.clone(),
                        student_id,
                        state,
                        price: course.price,
                        currency: course.currency.clone(),
                        enrolled_at: now,
                        updated_at: now,
                    };
                    (Box::new(begun), IsNew(true))
                }
            };
            if let Some(once) = once {
                tx.record(once, &serde_json::to_string(&answer)?).await?;
            }
            tx.commit().await?;
            Ok(Enrolled::Done(answer.0, answer.1))
        })
    }

    /// Cancels a person's enrolment; `false` when there is none that lives.
    ///
    /// # Errors
    /// When the database does not answer; nothing is written then.
    pub async fn cancel(&self, course_id: Uuid, student_id: Uuid, now: DateTime<Utc>) -> Result<bool, Error> {
        on!(&self.writes, |pool| {
            let mut tx = pool.begin_write().await?;
            let found = tx.find_locked(course_id, student_id).await?;
            let Some(found) = found.filter(|found| found.state != EnrollmentState::Cancelled) else {
                return Ok(false);
            };
            tx.move_to(&found, EnrollmentState::Cancelled, now).await?;
            tx.commit().await?;
            Ok(true)
        })
    }

    /// How far a person's enrolment in a course is; `None` when they never had one.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn enrollment_state(
        &self,
        course_id: Uuid,
        student_id: Uuid,
    ) -> Result<Option<EnrollmentState>, Error> {
        let row: Option<(Uuid, String)> = on!(&self.reads, |pool| sqlx::query_as(FIND)
            .bind(course_id)
            .bind(student_id)
            .fetch_optional(pool)
            .await)?;
        Ok(row.map(|(id, state)| stored(&state, id)).transpose()?)
    }

    /// The ids of up to `limit` enrolments of a person, whatever became of their courses.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn enrollment_ids(&self, student_id: Uuid, limit: i64) -> Result<Vec<Uuid>, Error> {
        Ok(on!(&self.reads, |pool| sqlx::query_scalar(
            "SELECT id FROM enrollments WHERE student_id = $1 ORDER BY enrolled_at, id LIMIT $2",
        )
        .bind(student_id)
        .bind(limit)
        .fetch_all(pool)
        .await)?)
    }

    /// Forgets that somebody was enrolled. The references of their payments stay, and lead to nobody.
    ///
    /// # Errors
    /// When the database does not answer; nothing is written then.
    pub async fn forget_enrollment(&self, id: Uuid) -> Result<(), Error> {
        on!(&self.writes, |pool| {
            let mut tx = pool.begin_write().await?;
            let course_id: Option<Uuid> =
                sqlx::query_scalar("SELECT course_id FROM enrollments WHERE id = $1")
                    .bind(id)
                    .fetch_optional(&mut *tx)
                    .await?;
            let Some(course_id) = course_id else { return Ok(()) };
            sqlx::query(LOCK_COURSE).bind(course_id).execute(&mut *tx).await?;
            let gone: Option<String> =
                sqlx::query_scalar("DELETE FROM enrollments WHERE id = $1 RETURNING state")
                    .bind(id)
                    .fetch_optional(&mut *tx)
                    .await?;
            let Some(state) = gone else { return Ok(()) };
            let state = stored(&state, id)?;
            tx.count(course_id, -state.students()).await?;
            tx.commit().await?;
            Ok(())
        })
    }

    /// Removes up to `limit` enrolments in courses that were deleted before `before`; says how many.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn purge_enrollments(&self, before: DateTime<Utc>, limit: i64) -> Result<u64, Error> {
        Ok(on!(&self.writes, |pool| sqlx::query(
            "DELETE FROM enrollments WHERE id IN (SELECT e.id FROM courses JOIN enrollments e \
             ON e.course_id = courses.id WHERE courses.deleted_at < $1 LIMIT $2)",
        )
        .bind(before)
        .bind(limit)
        .execute(pool)
        .await
        .map(|done| done.rows_affected()))?)
    }

    /// Up to `limit` enrolments in a course, the newest first, after `after`.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn students(
        &self,
        course_id: Uuid,
        after: Option<Cursor>,
        limit: i64,
    ) -> Result<Vec<Enrollment>, Error> {
        let (time, id) = after.unwrap_or(FIRST);
        let rows: Vec<EnrollmentRow> = on!(&self.reads, |pool| sqlx::query_as(enrollments!(
            "WHERE e.course_id = $1 AND (e.enrolled_at, e.id) < ($2, $3) \
             ORDER BY e.enrolled_at DESC, e.id DESC LIMIT $4"
        ))
        .bind(course_id)
        .bind(time)
        .bind(id)
        .bind(limit)
        .fetch_all(pool)
        .await)?;
        read(rows)
    }

    /// Up to `limit` enrolments of a person, the newest first, after `after`; not those in deleted courses, nor those that
    /// they left in courses that are not published any more.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn enrollments_of(
        &self,
        student_id: Uuid,
        after: Option<Cursor>,
        limit: i64,
    ) -> Result<Vec<Enrollment>, Error> {
        let (time, id) = after.unwrap_or(FIRST);
        let rows: Vec<EnrollmentRow> = on!(&self.reads, |pool| {
            sqlx::query_as(enrollments!(
            "WHERE e.student_id = $1 AND courses.deleted_at IS NULL \
             AND (e.state <> 'cancelled' OR courses.state = 'published') AND (e.enrolled_at, e.id) < ($2, $3) \
             ORDER BY e.enrolled_at DESC, e.id DESC LIMIT $4"
        ))
        .bind(student_id)
        .bind(time)
        .bind(id)
        .bind(limit)
        .fetch_all(pool)
        .await
        })?;
        read(rows)
    }
}

/// Before every enrolment in a list. SQLite compares times as text, which is right up to the year 9999.
const FIRST: Cursor = match DateTime::from_timestamp(253_402_300_799, 0) {
    Some(time) => (time, Uuid::max()),
    None => (DateTime::<Utc>::MAX_UTC, Uuid::max()),
};

pub(super) fn read(rows: Vec<EnrollmentRow>) -> Result<Vec<Enrollment>, Error> {
    let rows = rows.into_iter().map(Enrollment::try_from);
    Ok(rows.collect::<Result<_, _>>()?)
}
