//! The rule that an active staff user is left, decided under the lock of its row in `guards`.

use sqlx::{PgConnection, SqliteConnection};
use uuid::Uuid;

/// What a transaction offers for the rule.
pub trait Staff {
    /// Whether an active staff user is left without this one. Until the transaction ends nobody else asks.
    fn has_other_staff(&mut self, id: Uuid) -> impl Future<Output = Result<bool, sqlx::Error>> + Send;
}

macro_rules! staff_for {
    ($connection:ty) => {
        impl Staff for $connection {
            async fn has_other_staff(&mut self, id: Uuid) -> Result<bool, sqlx::Error> {
                // One at a time, or two could each count on the other.
                sqlx::query("UPDATE guards SET revision = revision + 1 WHERE name = 'staff'")
                    .execute(&mut *self)
                    .await?;
                let other: Option<i64> = sqlx::query_scalar(
                    "SELECT revision FROM users WHERE is_staff AND is_active AND id <> $1 LIMIT 1",
                )
                .bind(id)
                .fetch_optional(&mut *self)
                .await?;
                Ok(other.is_some())
            }
        }
    };
}

staff_for!(PgConnection);
staff_for!(SqliteConnection);
