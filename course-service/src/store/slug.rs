//! Slugs, current and former, in one space: whoever inserts one first has it for good.

use sqlx::{PgConnection, SqliteConnection};
use uuid::Uuid;

use crate::model::slug::Slug;

/// The last number given out after a slug; 1 is the slug itself.
const LOCK_NUMBERS: &str = "INSERT INTO slug_numbers (slug, last_number) VALUES ($1, 1) \
     ON CONFLICT (slug) DO UPDATE SET last_number = slug_numbers.last_number RETURNING last_number";
/// The smallest number from `$2` on that is free after the slug `$1`. Titles and people may have taken some
/// themselves; each costs one look into the index, all of them one statement. It cuts as [`Slug::numbered`]
/// does.
const NEXT_FREE: &str = "WITH RECURSIVE numbers (number) AS (SELECT CAST($2 AS BIGINT) UNION ALL \
     SELECT number + 1 FROM numbers WHERE EXISTS (SELECT 1 FROM course_slugs WHERE slug = \
     rtrim(substr($1, 1, 199 - length(CAST(number AS TEXT))), '-') || '-' || CAST(number AS TEXT))) \
     SELECT MAX(number) FROM numbers";

/// What a transaction offers for taking slugs.
pub(super) trait Slugs {
    /// Takes a slug; `false` when another course has it or had it. A second transaction that wants the same
    /// one waits until the first has ended.
    fn take(
        &mut self,
        slug: &Slug,
        course_id: Uuid,
    ) -> impl Future<Output = Result<bool, sqlx::Error>> + Send;

    /// Takes a slug, or if it is taken the same one with the smallest free number after it: `-2`, `-3`…
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
                // Whoever else needs a number after this slug waits here until this transaction has ended.
                let mut last: i64 = sqlx::query_scalar(LOCK_NUMBERS)
                    .bind(slug.as_str())
                    .fetch_one(&mut *self)
                    .await?;
                loop {
                    last = sqlx::query_scalar(NEXT_FREE)
                        .bind(slug.as_str())
                        .bind(last + 1)
                        .fetch_one(&mut *self)
                        .await?;
                    let numbered = slug.numbered(last);
                    // Somebody whose title or choice is this very slug may still be faster.
                    if self.take(&numbered, course_id).await? {
                        sqlx::query("UPDATE slug_numbers SET last_number = $2 WHERE slug = $1")
                            .bind(slug.as_str())
                            .bind(last)
                            .execute(&mut *self)
                            .await?;
                        return Ok(numbered);
                    }
                }
            }
        }
    };
}

slugs_for!(PgConnection);
slugs_for!(SqliteConnection);
