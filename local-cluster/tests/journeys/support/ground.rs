//! The ground a cluster stands on: a folder, and databases in it or on the PostgreSQL server of the tests.

use std::path::Path;

use service_runtime::settings::Values;
use tempfile::TempDir;
use test_support::postgres::{self, TestDatabase};

/// A folder and a database. They go away with this value.
pub struct Ground {
    folder: TempDir,
    postgres: Option<TestDatabase>,
}

impl Ground {
    /// SQLite files in an empty folder.
    pub fn sqlite() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            postgres: None,
        }
    }

    /// An empty PostgreSQL database that both services share; `None` where there is none, which has been said.
    pub async fn postgres() -> Option<Self> {
        let database = postgres::database().await?;
        Some(Self {
            postgres: Some(database),
            ..Self::sqlite()
        })
    }

    /// `DATA_DIR`.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The settings that put a cluster here.
    pub fn settings(&self) -> Values {
        let values = Values::default().with("DATA_DIR", self.folder().display().to_string());
        match &self.postgres {
            Some(database) => values.with("DATABASE_URL", database.url()),
            None => values,
        }
    }
}
