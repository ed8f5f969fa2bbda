//! Who teaches what, and the names of those who teach.

use service_runtime::on;
use sqlx::{FromRow, PgConnection, SqliteConnection};
use uuid::Uuid;

use super::{Error, Store};
use crate::model::{
    course::Course,
    instructor::{Instructor, Person},
};

/// Names that are there stay: other courses may have them, or be about to get them. If they differ from those
/// that this course has, that is a doubt. The row is locked either way, so that whoever settles the names sees
/// this course or this doubt.
const BEGIN_TEACHING: &str = "INSERT INTO instructors (user_id, username, first_name, last_name) \
     VALUES ($1, $2, $3, $4) ON CONFLICT (user_id) DO UPDATE SET doubts = instructors.doubts + 1 \
     WHERE (instructors.username, instructors.first_name, instructors.last_name) <> ($2, $3, $4)";
/// Asked under that lock.
const ERASED: &str = "SELECT user_id FROM erased_people WHERE user_id = $1";

/// A person who teaches, by the names last heard from auth-service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// Who it is.
    pub person: Person,
    /// How often somebody had reason to doubt that all their courses have these names; 0 when that is sure.
    pub doubts: i64,
}

/// What a transaction offers for keeping the index of instructors true to the courses.
pub(super) trait Teaching {
    /// Brings the index from what a course was to what it is; `false` when somebody new was erased, who must not be
    /// written.
    fn index_instructors(
        &mut self,
        before: &[Instructor],
        now: &Course,
    ) -> impl Future<Output = Result<bool, sqlx::Error>> + Send;
}

macro_rules! teaching_for {
    ($connection:ty) => {
        impl Teaching for $connection {
            async fn index_instructors(
                &mut self,
                before: &[Instructor],
                now: &Course,
            ) -> Result<bool, sqlx::Error> {
                let is_new = |id| !before.iter().any(|old| old.person.id == id);
                for person in now.instructors.iter().map(|new| &new.person) {
                    if !is_new(person.id) {
                        continue;
                    }
                    sqlx::query(BEGIN_TEACHING)
                        .bind(person.id)
                        .bind(&person.username)
                        .bind(&person.first_name)
                        .bind(&person.last_name)
                        .execute(&mut *self)
                        .await?;
                    let erased: Option<Uuid> = sqlx::query_scalar(ERASED)
                        .bind(person.id)
                        .fetch_optional(&mut *self)
                        .await?;
                    if erased.is_some() {
                        return Ok(false);
                    }
                    sqlx::query("INSERT INTO course_instructors (user_id, course_id) VALUES ($1, $2)")
                        .bind(person.id)
                        .bind(now.id)
                        .execute(&mut *self)
                        .await?;
                }
                for old in before
                    .iter()
                    .filter(|old| now.instructor(old.person.id).is_none())
                {
                    sqlx::query("DELETE FROM course_instructors WHERE user_id = $1 AND course_id = $2")
                        .bind(old.person.id)
                        .bind(now.id)
                        .execute(&mut *self)
                        .await?;
                }
                Ok(true)
            }
        }
    };
}

teaching_for!(PgConnection);
teaching_for!(SqliteConnection);

#[derive(FromRow)]
struct PersonRow {
    user_id: Uuid,
    username: String,
    first_name: String,
    last_name: String,
    doubts: i64,
}

impl Store {
    /// The names of up to `limit` people who teach, in the order of their ids, after `after`.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn people(&self, after: Option<Uuid>, limit: i64) -> Result<Vec<Known>, Error> {
        let rows: Vec<PersonRow> = on!(&self.reads, |pool| sqlx::query_as(
            "SELECT user_id, username, first_name, last_name, doubts FROM instructors \
             WHERE user_id > $1 ORDER BY user_id LIMIT $2",
        )
        .bind(after.unwrap_or(Uuid::nil()))
        .bind(limit)
        .fetch_all(pool)
        .await)?;
        let known = |row: PersonRow| Known {
            person: Person {
                id: row.user_id,
                username: row.username,
                first_name: row.first_name,
                last_name: row.last_name,
            },
            doubts: row.doubts,
        };
        Ok(rows.into_iter().map(known).collect())
    }

    /// Keeps a person's new names, in doubt until [`Store::settle_names`]; says how many doubts there are now.
    /// Whoever writes other names into a course from now on adds one.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn expect_names(&self, person: &Person) -> Result<i64, Error> {
        let doubts: Option<i64> = on!(&self.writes, |pool| sqlx::query_scalar(
            "UPDATE instructors SET username = $2, first_name = $3, last_name = $4, doubts = doubts + 1 \
             WHERE user_id = $1 RETURNING doubts",
        )
        .bind(person.id)
        .bind(&person.username)
        .bind(&person.first_name)
        .bind(&person.last_name)
        .fetch_optional(pool)
        .await)?;
        // Nobody is there who could be in doubt.
        Ok(doubts.unwrap_or(0))
    }

    /// Ends the doubts about a person's names after all courses were brought to them, unless there are more
    /// than these by now.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn settle_names(&self, user_id: Uuid, doubts: i64) -> Result<(), Error> {
        on!(&self.writes, |pool| sqlx::query(
            "UPDATE instructors SET doubts = 0 WHERE user_id = $1 AND doubts = $2",
        )
        .bind(user_id)
        .bind(doubts)
        .execute(pool)
        .await
        .map(|_| ()))?;
        Ok(())
    }

    /// Forgets the names of those who no longer teach anything; says how many.
    ///
    /// # Errors
    /// When the database does not answer, or one of them has just begun to teach.
    pub async fn forget_former_instructors(&self) -> Result<u64, Error> {
        Ok(on!(&self.writes, |pool| sqlx::query(
            "DELETE FROM instructors WHERE NOT EXISTS \
             (SELECT 1 FROM course_instructors t WHERE t.user_id = instructors.user_id)",
        )
        .execute(pool)
        .await
        .map(|done| done.rows_affected()))?)
    }

    /// The ids of up to `limit` courses that a user teaches, in order, after `after`.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn taught_by(
        &self,
        user_id: Uuid,
        after: Option<Uuid>,
        limit: i64,
    ) -> Result<Vec<Uuid>, Error> {
        Ok(on!(&self.reads, |pool| sqlx::query_scalar(
            "SELECT course_id FROM course_instructors WHERE user_id = $1 AND course_id > $2 \
             ORDER BY course_id LIMIT $3",
        )
        .bind(user_id)
        .bind(after.unwrap_or(Uuid::nil()))
        .bind(limit)
        .fetch_all(pool)
        .await)?)
    }
}
