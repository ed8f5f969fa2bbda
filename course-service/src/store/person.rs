//! A person is taken out of everything that names them, in steps, each a transaction that may be repeated.

use chrono::{DateTime, Utc};
use service_runtime::{database::BeginWrite, on};
use uuid::Uuid;

use super::{Error, Store, course::LOCK, enrollment::ERASE_STUDENT, instructor::Teaching, row::CourseRow};
use crate::model::{course::Course, instructor::Person};

/// What became of a course whose instructor leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    /// They do not teach it; where nobody else did, the heir does now.
    Done,
    /// Nobody would be left, and there is no heir; nothing is written.
    HeirRequired,
    /// Nobody would be left, and the heir was erased too; nothing is written.
    HeirErased,
}

impl Store {
    /// From now on nothing can make a person an instructor or a student.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn begin_erasure(&self, user_id: Uuid, now: DateTime<Utc>) -> Result<(), Error> {
        on!(&self.writes, |pool| {
            let mut tx = pool.begin_write().await?;
            // Whoever is making them a student or an instructor at this moment has the lock of one of these rows: either
            // they are done, and what they wrote is found afterwards, or they see that the person is erased.
            sqlx::query(ERASE_STUDENT).bind(user_id).execute(&mut *tx).await?;
            sqlx::query(
                "INSERT INTO instructors (user_id, username, first_name, last_name) VALUES ($1, '', '', '') \
                 ON CONFLICT (user_id) DO UPDATE SET username = '', first_name = '', last_name = ''",
            )
            .bind(user_id)
            .execute(&mut *tx)
            .await?;
            sqlx::query(
                "INSERT INTO erased_people (user_id, erased_at) VALUES ($1, $2) ON CONFLICT (user_id) DO NOTHING",
            )
            .bind(user_id)
            .bind(now)
            .execute(&mut *tx)
            .await?;
            tx.commit().await?;
            Ok(())
        })
    }

    /// Lets a person go from a course; where nobody else teaches it, the heir does from then on.
    ///
    /// # Errors
    /// When the database does not answer; nothing is written then.
    pub async fn leave(
        &self,
        course_id: Uuid,
        user_id: Uuid,
        heir: Option<&Person>,
        now: DateTime<Utc>,
    ) -> Result<Left, Error> {
        on!(&self.writes, |pool| {
            let mut tx = pool.begin_write().await?;
            let row: Option<CourseRow> = sqlx::query_as(LOCK)
                .bind(course_id)
                .fetch_optional(&mut *tx)
                .await?;
            let Some(before) = row.map(Course::try_from).transpose()? else {
                return Ok(Left::Done);
            };
            let mut course = before.clone();
            course
                .instructors
                .retain(|instructor| instructor.person.id != user_id);
            if course == before {
                return Ok(Left::Done);
            }
            let heir = heir.filter(|_| course.instructors.is_empty());
            if let Some(heir) = heir {
                course.add_instructor(heir.clone());
            } else if course.instructors.is_empty() {
                return Ok(Left::HeirRequired);
            }
            sqlx::query(
                "UPDATE courses SET instructors = $2, \
                 updated_at = CASE WHEN deleted_at IS NULL THEN $3 ELSE updated_at END, \
                 revision = revision + CASE WHEN deleted_at IS NULL THEN 1 ELSE 0 END WHERE id = $1",
            )
            .bind(course_id)
            .bind(serde_json::to_string(&course.instructors)?)
            .bind(now)
            .execute(&mut *tx)
            .await?;
            if !tx.index_instructors(&before.instructors, &course).await? {
                return Ok(Left::HeirErased);
            }
            if let Some(heir) = heir {
                sqlx::query(
                    "INSERT INTO inheritances (erased_id, heir_id) VALUES ($1, $2) \
                     ON CONFLICT (erased_id, heir_id) DO NOTHING",
                )
                .bind(user_id)
                .bind(heir.id)
                .execute(&mut *tx)
                .await?;
            }
            tx.commit().await?;
            Ok(Left::Done)
        })
    }

    /// To whom courses of an erased person went, in the order of their ids; not those who were erased too.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn heirs(&self, user_id: Uuid) -> Result<Vec<Uuid>, Error> {
        Ok(on!(&self.reads, |pool| sqlx::query_scalar(
            "SELECT heir_id FROM inheritances WHERE erased_id = $1 ORDER BY heir_id",
        )
        .bind(user_id)
        .fetch_all(pool)
        .await)?)
    }

    /// Takes a person out of up to `limit` answers that are kept for retries: their own go, in those of others they
    /// stand no more. Says how many there were.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn forget_answers_about(&self, user_id: Uuid, limit: i64) -> Result<usize, Error> {
        on!(&self.writes, |pool| {
            let mut tx = pool.begin_write().await?;
            let found: Vec<(String, String, Option<String>)> = sqlx::query_as(
                "SELECT scope, key, answer FROM idempotency_keys WHERE scope LIKE $1 OR answer LIKE $2 LIMIT $3",
            )
            .bind(format!("% {user_id}"))
            .bind(format!("%{user_id}%"))
            .bind(limit)
            .fetch_all(&mut *tx)
            .await?;
            let count = found.len();
            for (scope, key, answer) in found {
                let is_own = scope.ends_with(&user_id.to_string());
                let rest = answer
                    .filter(|_| !is_own)
                    .and_then(|answer| without(&answer, user_id));
                let statement = match rest {
                    Some(_) => "UPDATE idempotency_keys SET answer = $3 WHERE scope = $1 AND key = $2",
                    None => "DELETE FROM idempotency_keys WHERE scope = $1 AND key = $2 AND $3 IS NULL",
                };
                sqlx::query(statement)
                    .bind(scope)
                    .bind(key)
                    .bind(rest)
                    .execute(&mut *tx)
                    .await?;
            }
            tx.commit().await?;
            Ok(count)
        })
    }

    /// Forgets the names of a person who teaches nothing, and that courses came to them.
    ///
    /// # Errors
    /// When the database does not answer, or they teach something.
    pub async fn forget_person(&self, user_id: Uuid) -> Result<(), Error> {
        on!(&self.writes, |pool| {
            let mut tx = pool.begin_write().await?;
            for statement in [
                "DELETE FROM inheritances WHERE heir_id = $1",
                "DELETE FROM instructors WHERE user_id = $1",
            ] {
                sqlx::query(statement).bind(user_id).execute(&mut *tx).await?;
            }
            tx.commit().await?;
            Ok(())
        })
    }
}

/// An answer without an instructor; `None` when they would still stand in it.
fn without(answer: &str, user_id: Uuid) -> Option<String> {
    let mut answer: serde_json::Value = serde_json::from_str(answer).ok()?;
    let id = user_id.to_string();
    answer
        .get_mut("instructors")?
        .as_array_mut()?
        .retain(|instructor| instructor["id"] != *id);
    let rest = answer.to_string();
    (!rest.contains(&id)).then_some(rest)
}
