//! What the tests of this service stand on: a database of either kind for each test.

use course_service::store::Store;
use test_support::ground::Ground;

/// A new, migrated database; it goes away with this value.
pub struct Place {
    pub url: String,
    pub store: Store,
    _ground: Ground,
}

impl Place {
    pub async fn sqlite() -> Option<Self> {
        Some(Self::at(Ground::sqlite()).await)
    }

    /// `None` where there is no PostgreSQL, which has been said.
    pub async fn postgres() -> Option<Self> {
        Some(Self::at(Ground::postgres().await?).await)
    }

    async fn at(ground: Ground) -> Self {
        let url = ground.database_url("course.db");
        let store = Store::connect(&url).await.unwrap();
        store.migrate().await.unwrap();
        Self {
            url,
            store,
            _ground: ground,
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
