//! The ground a service stands on: an empty database of its own, and a folder.

use std::path::PathBuf;

use tempfile::TempDir;
use test_support::postgres::{self, TestDatabase};

/// A folder, and a database in it or on the PostgreSQL server of the tests. It goes away with this value.
#[derive(Debug)]
pub struct Ground {
    folder: TempDir,
    postgres: Option<TestDatabase>,
}

impl Ground {
    /// An empty SQLite file.
    pub fn sqlite() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            postgres: None,
        }
    }

    /// An empty PostgreSQL database; `None` where there is none, which has been said.
    pub async fn postgres() -> Option<Self> {
        let database = postgres::database().await?;
        Some(Self {
            postgres: Some(database),
            ..Self::sqlite()
        })
    }

    /// The address of the database.
    pub fn url(&self) -> String {
        match &self.postgres {
            Some(database) => database.url().to_owned(),
            None => format!("sqlite:{}", self.folder().join("auth.db").display()),
        }
    }

    /// The folder.
    pub fn folder(&self) -> PathBuf {
        self.folder.path().to_owned()
    }
}
