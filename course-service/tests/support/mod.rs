//! What the tests of this service stand on: a database of either kind for each test.

use course_service::store::Store;
use tempfile::TempDir;
use test_support::postgres::{self, TestDatabase};

/// A new, migrated database; it goes away with this value.
pub struct Place {
    pub url: String,
    pub store: Store,
    _kept: Kept,
}

enum Kept {
    Folder(#[allow(dead_code, reason = "removed when dropped")] TempDir),
    Server(#[allow(dead_code, reason = "removed when dropped")] TestDatabase),
}

impl Place {
    pub async fn sqlite() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}/course.db", folder.path().display());
        Some(Self::at(url, Kept::Folder(folder)).await)
    }

    /// `None` where there is no PostgreSQL, which has been said.
    pub async fn postgres() -> Option<Self> {
        let database = postgres::database().await?;
        Some(Self::at(database.url().to_owned(), Kept::Server(database)).await)
    }

    async fn at(url: String, kept: Kept) -> Self {
        let store = Store::connect(&url).await.unwrap();
        store.migrate().await.unwrap();
        Self {
            url,
            store,
            _kept: kept,
        }
    }
}

/// Makes each of these functions a test on SQLite and a test on PostgreSQL.
macro_rules! on_both {
    ($($test:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                let place = crate::support::Place::sqlite().await.unwrap();
                super::$test(&place).await;
            })+
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                let Some(place) = crate::support::Place::postgres().await else { return };
                super::$test(&place).await;
            })+
        }
    };
}
pub(crate) use on_both;
