//! The ground that a service stands on: a folder, and an empty database in it or on the PostgreSQL server of the
//! tests.

use std::path::Path;

use tempfile::TempDir;

use crate::postgres::{self, TestDatabase};

/// A folder and a database. They go away with this value.
#[derive(Debug)]
pub struct Ground {
    folder: TempDir,
    postgres: Option<TestDatabase>,
}

impl Ground {
    /// An empty folder, for SQLite files.
    ///
    /// # Panics
    ///
    /// If no temporary folder can be made.
    #[must_use]
    pub fn sqlite() -> Self {
        Self {
            folder: tempfile::tempdir().expect("a temporary folder"),
            postgres: None,
        }
    }

    /// An empty folder and an empty PostgreSQL database; `None` where there is no PostgreSQL, which has been said.
    pub async fn postgres() -> Option<Self> {
        Some(Self::on(postgres::database().await?))
    }

    /// An empty folder and this PostgreSQL database.
    #[must_use]
    pub fn on(database: TestDatabase) -> Self {
        Self {
            postgres: Some(database),
            ..Self::sqlite()
        }
    }

    /// The folder: `DATA_DIR`.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The URL of the PostgreSQL database; `None`: services make SQLite files in the folder.
    #[must_use]
    pub fn postgres_url(&self) -> Option<&str> {
        self.postgres.as_ref().map(TestDatabase::url)
    }

    /// The URL of the database; on SQLite that is this file in the folder.
    #[must_use]
    pub fn database_url(&self, file: &str) -> String {
        self.postgres_url().map_or_else(
            || format!("sqlite:{}", self.folder().join(file).display()),
            str::to_owned,
        )
    }
}
