//! Slugs, current and former, in one space: whoever inserts one first has it for good.

use sqlx::{PgConnection, SqliteConnection};
use uuid::Uuid;

use crate::model::slug::Slug;

/// What a transaction offers for taking slugs.
pub(super) trait Slugs {
    /// Takes a slug; `false` when another course has it or had it. A second transaction that wants the same
    /// one waits until the first has ended.
    fn take(
        &mut self,
        slug: &Slug,
        course_id: Uuid,
    ) -> impl Future<Output = Result<bool, sqlx::Error>> + Send;

    /// Takes a slug, or if it is taken the same one with `-2`, `-3`… after it.
    fn take_free(
        &mut self,
        slug: &Slug,
        course_id: Uuid,
    ) -> impl Future<Output = Result<Slug, sqlx::Error>> + Send;
}

macro_rules! slugs_for {
    ($connection:ty) => {
        impl Slugs for $connection {
            async fn take(&mut self, slug: &Slug, course_id: Uuid) -> Result<bool, sqlx::Error> {
                let taken = sqlx::query(
                    "INSERT INTO course_slugs (slug, course_id) VALUES ($1, $2) ON CONFLICT (slug) DO NOTHING",
                )
                .bind(slug.as_str())
                .bind(course_id)
                .execute(&mut *self)
                .await?;
                if taken.rows_affected() == 1 {
                    return Ok(true);
                }
                let owner: Option<Uuid> =
                    sqlx::query_scalar("SELECT course_id FROM course_slugs WHERE slug = $1")
                        .bind(slug.as_str())
                        .fetch_optional(&mut *self)
                        .await?;
                Ok(owner == Some(course_id))
            }

            async fn take_free(&mut self, slug: &Slug, course_id: Uuid) -> Result<Slug, sqlx::Error> {
                if self.take(slug, course_id).await? {
                    return Ok(slug.clone());
                }
                // The counter leads past the numbers given out, and doubling the step past those that titles
                // and people chose themselves: a few tries suffice however many there are.
                let mut step = 1_i64;
                loop {
                    let number: i64 = sqlx::query_scalar(
                        "INSERT INTO slug_numbers (slug, last_number) VALUES ($1, 2) \
                         ON CONFLICT (slug) DO UPDATE SET last_number = slug_numbers.last_number + $2 \
                         RETURNING last_number",
                    )
                    .bind(slug.as_str())
                    .bind(step)
                    .fetch_one(&mut *self)
                    .await?;
                    let numbered = slug.numbered(number);
                    if self.take(&numbered, course_id).await? {
                        return Ok(numbered);
                    }
                    step = step.saturating_mul(2);
                }
            }
        }
    };
}

slugs_for!(PgConnection);
slugs_for!(SqliteConnection);
