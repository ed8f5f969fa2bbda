//! Holding the outbox still from outside, so that what a worker writes next is not written before it dies.

use service_runtime::database::{BeginWrite, Database};
use sqlx::{Postgres, Sqlite, Transaction};

/// While it lasts nobody else writes to the outbox.
pub enum Hold {
    /// By a lock on the table.
    Postgres(Transaction<'static, Postgres>),
    /// By the one write lock there is.
    Sqlite(Transaction<'static, Sqlite>),
}

impl Hold {
    /// Takes hold.
    pub async fn take(database: &Database) -> Self {
        match database {
            Database::Postgres(pool) => {
                let mut tx = pool.begin_write().await.unwrap();
                sqlx::query("LOCK TABLE mail_outbox IN EXCLUSIVE MODE")
                    .execute(&mut *tx)
                    .await
                    .unwrap();
                Self::Postgres(tx)
            }
            Database::Sqlite(pool) => Self::Sqlite(pool.begin_write().await.unwrap()),
        }
    }

    /// Lets go. What a killed client was waiting to write is not written any more: PostgreSQL notices the death
    /// of a waiting client only after its statement, which is why such statements are ended first.
    pub async fn release(self) {
        match self {
            Self::Postgres(mut tx) => {
                sqlx::query(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                     WHERE datname = current_database() AND wait_event_type = 'Lock'",
                )
                .execute(&mut *tx)
                .await
                .unwrap();
                tx.rollback().await.unwrap();
            }
            Self::Sqlite(tx) => tx.rollback().await.unwrap(),
        }
    }
}
