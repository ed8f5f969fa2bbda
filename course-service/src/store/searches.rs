//! Searches read every course, which no index can shorten. They have a few connections of their own, so that
//! however many there are, other reads and writes find one. A search whose caller stopped waiting keeps its
//! connection until the database is done with it: nobody gets more work done by leaving early.

use std::time::Duration;

use service_runtime::database::Database;

use super::{Error, Store};

/// How many searches run at once.
const AT_ONCE: u32 = 4;
/// How long a search waits for its turn.
const PATIENCE: Duration = Duration::from_secs(1);

/// Connections for searches, to the same database; each is opened when it is first needed.
pub(super) fn connections(database: &Database) -> Database {
    match database {
        Database::Postgres(pool) => {
            let options = pool.options().clone();
            let options = options.max_connections(AT_ONCE).acquire_timeout(PATIENCE);
            Database::Postgres(options.connect_lazy_with((*pool.connect_options()).clone()))
        }
        Database::Sqlite(pool) => {
            let options = pool.options().clone();
            let options = options.max_connections(AT_ONCE).acquire_timeout(PATIENCE);
            Database::Sqlite(options.connect_lazy_with((*pool.connect_options()).clone()))
        }
    }
}

impl Store {
    /// Why a search was not done. Its turn does not come when there are too many of them, but neither does it
    /// when the database is down.
    pub(super) async fn search_refused(&self, error: sqlx::Error) -> Error {
        match error {
            sqlx::Error::PoolTimedOut => self.answers().await.err().unwrap_or(Error::TooManySearches),
            other => other.into(),
        }
    }
}
