//! Searches read every course, which no index can shorten. They have a few connections of their own, so that
//! however many there are, other reads and writes find one. A search whose caller stopped waiting keeps its
//! connection until the database is done with it: nobody gets more work done by leaving early.

use super::{Error, Store};

/// How many searches run at once.
pub(super) const AT_ONCE: u32 = 4;

impl Store {
    /// Why a search was not done. Its turn does not come when there are too many of them, but neither does it
    /// when the database is down.
    pub(super) async fn search_refused(&self, error: sqlx::Error) -> Error {
        match error {
            sqlx::Error::PoolTimedOut => match self.reads.answers().await {
                Ok(_) => Error::TooManySearches,
                Err(away) => away.into(),
            },
            other => other.into(),
        }
    }
}
