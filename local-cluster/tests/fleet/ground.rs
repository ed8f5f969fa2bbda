//! What a fleet stands on.

use std::path::Path;

use tempfile::TempDir;
use test_support::postgres::{self, Cluster, TestDatabase};

/// A folder and, where wanted, a PostgreSQL database. They go away with this value.
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

    /// An empty PostgreSQL database; `None` where there is none, which has been said.
    pub async fn postgres() -> Option<Self> {
        Some(Self {
            postgres: Some(postgres::database().await?),
            ..Self::sqlite()
        })
    }

    /// An empty database on a PostgreSQL server that is the test's own, to be harmed.
    pub async fn on(cluster: &Cluster) -> Self {
        Self {
            postgres: Some(cluster.database().await),
            ..Self::sqlite()
        }
    }

    /// Where files are.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where the database of a service is, `auth` or `course`; on PostgreSQL both have the same.
    pub fn database_of(&self, service: &str) -> String {
        let file = || format!("sqlite:{}", self.folder().join(format!("{service}.db")).display());
        self.database_url().map_or_else(file, str::to_owned)
    }

    /// Where the PostgreSQL database is.
    pub fn database_url(&self) -> Option<&str> {
        self.postgres.as_ref().map(TestDatabase::url)
    }
}
