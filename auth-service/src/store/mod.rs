//! Persistence: the only room that knows SQL. One method is one transaction; every query is written once and
//! runs on both databases.

pub mod account;
pub mod address;
pub mod cleanup;
pub mod event;
pub mod mail_token;
pub mod outbox;
mod password;
pub mod session;
pub mod signing_key;
pub mod user;

use service_runtime::database::{Database, is_unavailable};
use sqlx::migrate::{MigrateError, Migrator};

static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");
/// The PostgreSQL schema of this service.
const SCHEMA: &str = "auth";

/// The service's database. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    database: Database,
}

/// What can go wrong with the database, beyond what a method's own answer says.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot serve now; trying again later may help.
    #[error("the database cannot serve now")]
    Unavailable(#[source] sqlx::Error),
    /// A bug.
    #[error("the database refused a statement")]
    Failed(#[source] sqlx::Error),
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        if is_unavailable(&error) {
            Self::Unavailable(error)
        } else {
            Self::Failed(error)
        }
    }
}

impl Store {
    /// Connects to the database.
    ///
    /// # Errors
    /// When it cannot be reached.
    pub async fn connect(url: &str) -> Result<Self, sqlx::Error> {
        Ok(Self {
            database: Database::connect(url, SCHEMA).await?,
        })
    }

    /// Applies the migrations that are not applied yet.
    ///
    /// # Errors
    /// When one fails.
    pub async fn migrate(&self) -> Result<(), MigrateError> {
        self.database.migrate(SCHEMA, &MIGRATIONS).await
    }

    /// Whether the database answers: `Ok(false)` when it is too busy to be asked.
    ///
    /// # Errors
    /// When it does not.
    pub async fn answers(&self) -> Result<bool, Error> {
        self.database.count_connections(SCHEMA);
        Ok(self.database.answers().await?)
    }

    /// Closes the connections.
    pub async fn close(&self) {
        self.database.close().await;
    }
}
