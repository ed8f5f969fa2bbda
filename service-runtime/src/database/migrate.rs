//! Migrations: one process at a time applies them, while the version before still serves.

use std::{borrow::Cow, time::Duration};

use sqlx::{
    Connection, PgConnection,
    migrate::{MigrateError, Migrator},
};

use super::Database;

/// How long a statement of a migration waits for a lock. Everybody who comes after it waits with it, so it rather
/// gives up and tries again.
const LOCK_TIMEOUT: &str = "2000";
/// How often a migration that could not get a lock is tried.
const ATTEMPTS: u32 = 10;
/// How long to wait between two tries.
const PAUSE: Duration = Duration::from_secs(1);
/// PostgreSQL: a lock was not to be had in time.
const LOCK_NOT_AVAILABLE: &str = "55P03";

impl Database {
    /// Applies the migrations that are not applied yet. On PostgreSQL they are applied in the schema `schema`,
    /// under a lock of its own, as slowly as they need: a statement may take longer than one of a request, but
    /// may not hold up requests by waiting for a lock.
    ///
    /// # Errors
    /// When one fails, or an applied one was changed since.
    pub async fn migrate(&self, schema: &str, migrator: &'static Migrator) -> Result<(), MigrateError> {
        let migrator = Migrator {
            migrations: Cow::Borrowed(&migrator.migrations),
            // A process of the version before may start again while the next one is being rolled out.
            ignore_missing: true,
            // On PostgreSQL the lock is ours, SQLite knows none.
            locking: false,
            ..Migrator::DEFAULT
        };
        match self {
            Self::Sqlite(pool) => migrator.run(pool).await,
            Self::Postgres(pool) => {
                let options = pool.connect_options().as_ref().clone().options([
                    ("statement_timeout", "0"),
                    ("idle_in_transaction_session_timeout", "0"),
                    ("lock_timeout", "0"),
                ]);
                let mut connection = PgConnection::connect_with(&options).await?;
                let migrated = locked(&mut connection, schema, &migrator).await;
                // What the lock is bound to.
                connection.close().await?;
                migrated
            }
        }
    }
}

async fn locked(
    connection: &mut PgConnection,
    schema: &str,
    migrator: &Migrator,
) -> Result<(), MigrateError> {
    sqlx::query("SELECT pg_advisory_lock(hashtextextended('migrations of ' || $1, 0))")
        .bind(schema)
        .execute(&mut *connection)
        .await?;
    sqlx::query("SELECT set_config('lock_timeout', $1, false)")
        .bind(LOCK_TIMEOUT)
        .execute(&mut *connection)
        .await?;
    // Names of schemas are ours. The one that the connection searches is the one to be made.
    let create = format!("CREATE SCHEMA IF NOT EXISTS \"{schema}\"");
    sqlx::raw_sql(sqlx::AssertSqlSafe(create))
        .execute(&mut *connection)
        .await?;
    for attempt in 1.. {
        match migrator.run(&mut *connection).await {
            Err(error) if attempt < ATTEMPTS && is_locked_out(&error) => {
                tracing::warn!(attempt, "a migration waits for a lock that a request holds");
                tokio::time::sleep(PAUSE).await;
            }
            outcome => return outcome,
        }
    }
    Ok(())
}

fn is_locked_out(error: &MigrateError) -> bool {
    let cause = match error {
        MigrateError::Execute(cause) | MigrateError::ExecuteMigration(cause, _) => cause,
        _ => return false,
    };
    let code = cause
        .as_database_error()
        .and_then(sqlx::error::DatabaseError::code);
    code.is_some_and(|code| code == LOCK_NOT_AVAILABLE)
}
