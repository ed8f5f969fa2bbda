//! One SQL text, two databases: PostgreSQL where many replicas share one, SQLite embedded in the process.
//!
//! A store writes each query once and runs it by [`on!`](crate::on) against whichever database this is. Both take
//! `$1` placeholders, `RETURNING`, `ON CONFLICT`, row values, and the native uuid and timestamp types.

mod follow;
mod hints;
pub mod idempotency;
mod lists;
mod migrate;

use std::{path::Path, str::FromStr, time::Duration};

use sqlx::{
    Connection, PgPool, Postgres, Sqlite, SqlitePool, Transaction,
    postgres::{PgConnectOptions, PgPoolOptions},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

pub use follow::follow;
pub use lists::Lists;

/// How many connections to PostgreSQL write, and how many only read.
const WRITERS: u32 = 8;
const READERS: u32 = 8;
/// How long a request waits for a free connection before it is told that the database is busy.
const ACQUIRE: Duration = Duration::from_secs(1);
/// How long a write waits for its turn at SQLite's one writer, and how long that waits for another process.
const TURN: Duration = Duration::from_secs(5);
const OTHERS: Duration = Duration::from_secs(3);
/// How long one statement may run on PostgreSQL, in milliseconds.
const STATEMENT_TIMEOUT: &str = "5000";
/// What connections that only read are told.
const READ_ONLY: (&str, &str) = ("default_transaction_read_only", "on");
/// How long a PostgreSQL server may be silent: longer than any statement runs there.
const SILENCE: Duration = Duration::from_secs(6);
/// How long a whole piece of work may wait for its answers: less than who asked for it does.
const LONGEST_WORK: Duration = Duration::from_secs(7);
/// How long a server may take to say that it is there.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long one statement may wait for a lock on PostgreSQL, in milliseconds.
const LOCK_TIMEOUT: &str = "3000";

/// A pool of connections to one of the two databases. Cheap to clone.
#[derive(Debug, Clone)]
pub enum Database {
    /// A PostgreSQL server.
    Postgres(PgPool),
    /// A SQLite file.
    Sqlite(SqlitePool),
}

/// Does one piece of sqlx code with whichever pool this is.
macro_rules! whichever {
    ($database:expr, |$pool:ident| $body:expr) => {
        match $database {
            Database::Postgres($pool) => $body,
            Database::Sqlite($pool) => $body,
        }
    };
}

/// Runs one piece of sqlx code against whichever database this is, and says what came of it: `on!(database, |pool|
/// …)`. It is given up when a PostgreSQL server does not answer. In a trace it is a step that has the name of the
/// method in which it stands. `return` and `?` leave the piece of code.
#[macro_export]
macro_rules! on {
    ($database:expr, |$pool:ident| $body:expr) => {{
        fn here() {}
        let (statement, outcome) = match $database {
            $crate::database::Database::Postgres($pool) => (
                $crate::telemetry::Statement::begin("postgresql", &here),
                $crate::database::in_time(async { $body }).await,
            ),
            $crate::database::Database::Sqlite($pool) => (
                $crate::telemetry::Statement::begin("sqlite", &here),
                async { $body }.await,
            ),
        };
        statement.end(&outcome);
        outcome
    }};
}

impl Database {
    /// Connects to `postgres://…` or `sqlite:<file>`, to write; a SQLite file is made if it is not there.
    ///
    /// On PostgreSQL everything lives in the schema `schema`, so that services can share a server.
    ///
    /// # Errors
    /// When the address cannot be read or the database not reached.
    pub async fn connect(url: &str, schema: &str) -> Result<Self, sqlx::Error> {
        if url.starts_with("postgres:") || url.starts_with("postgresql:") {
            let pool = postgres_pool(WRITERS).connect_with(postgres_options(url, schema)?);
            return Ok(Self::Postgres(pool.await?));
        }
        let options = SqliteConnectOptions::from_str(url)?
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // NORMAL may lose the last commits when the machine loses power; what was acknowledged stays.
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(OTHERS);
        if let Some(folder) = options
            .get_filename()
            .parent()
            .filter(|folder| *folder != Path::new(""))
        {
            std::fs::create_dir_all(folder).map_err(sqlx::Error::Io)?;
        }
        let pool = SqlitePoolOptions::new()
            // There is one write lock: whoever queues for it here has their turn in order.
            .max_connections(1)
            .acquire_timeout(TURN)
            // SQLite ends a transaction by itself when its disk is full or fails. sqlx then rolls back in vain and
            // goes on believing that there is one, so that no other could begin on this connection.
            .before_acquire(|connection, _| Box::pin(async { Ok(!connection.is_in_transaction()) }))
            .connect_with(options);
        Ok(Self::Sqlite(pool.await?))
    }

    /// At most `most` more connections to the same database, each opened when it is first needed. Whoever finds
    /// them all in use waits for a second.
    #[must_use]
    pub fn few(&self, most: u32) -> Self {
        // The same text for two types.
        macro_rules! few {
            ($kind:ident, $pool:expr) => {{
                let options = $pool.options().clone();
                let options = options.max_connections(most).acquire_timeout(ACQUIRE);
                Self::$kind(options.connect_lazy_with((*$pool.connect_options()).clone()))
            }};
        }
        match self {
            Self::Postgres(pool) => few!(Postgres, pool),
            Self::Sqlite(pool) => few!(Sqlite, pool),
        }
    }

    /// Connections of their own to the same database, which cannot write. Each is opened when it is first needed.
    /// Writes that wait for a lock hold up no read: they have no connection that a read could want.
    #[must_use]
    pub fn reading(&self) -> Self {
        match self {
            Self::Postgres(pool) => {
                let options = pool.connect_options().as_ref().clone();
                let options = options.options([READ_ONLY]);
                let readers = pool.options().clone().max_connections(READERS);
                Self::Postgres(readers.connect_lazy_with(options))
            }
            Self::Sqlite(pool) => {
                let options = pool.connect_options().as_ref().clone();
                let options = options.pragma("query_only", "on");
                let readers = pool
                    .options()
                    .clone()
                    .max_connections(READERS)
                    .acquire_timeout(ACQUIRE);
                Self::Sqlite(readers.connect_lazy_with(options))
            }
        }
    }

    /// Whether the database answers: `Ok(false)` when every connection is in use, so that it cannot be asked.
    ///
    /// # Errors
    /// When it does not.
    pub async fn answers(&self) -> Result<bool, sqlx::Error> {
        let asked = async { whichever!(self, |pool| sqlx::query("SELECT 1").execute(pool).await.map(drop)) };
        match within(ACQUIRE + PATIENCE, asked).await {
            Ok(()) => Ok(true),
            Err(sqlx::Error::PoolTimedOut) if self.is_busy() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Notes for the numbers how many connections there are for this work.
    pub fn count_connections(&self, database: &'static str, work: &'static str) {
        let (all, idle) = whichever!(self, |pool| (f64::from(pool.size()), pool.num_idle()));
        let idle = f64::from(u32::try_from(idle).unwrap_or(u32::MAX));
        for (state, count) in [("idle", idle), ("used", all - idle)] {
            let labels = [("database", database), ("work", work), ("state", state)];
            metrics::gauge!("database_connections", &labels).set(count);
        }
    }

    /// Whether there are as many connections as there may be, and all of them are in use.
    fn is_busy(&self) -> bool {
        whichever!(self, |pool| {
            pool.num_idle() == 0 && pool.size() >= pool.options().get_max_connections()
        })
    }

    /// Closes the connections, once the running statements are done.
    pub async fn close(&self) {
        whichever!(self, |pool| pool.close().await);
    }
}

/// What came of a piece of work on a PostgreSQL server, unless that does not answer.
///
/// The server's own limits on statements are no help when its answers are lost on the way.
///
/// # Errors
/// Those of the work, and one of input and output when it takes too long.
pub async fn in_time<T, E: From<sqlx::Error>>(work: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    within(LONGEST_WORK, work).await
}

async fn within<T, E: From<sqlx::Error>>(
    most: Duration,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    tokio::time::timeout(most, work)
        .await
        .unwrap_or_else(|late| Err(sqlx::Error::Io(late.into()).into()))
}

/// A pool of at most `most` connections to a PostgreSQL server.
fn postgres_pool(most: u32) -> PgPoolOptions {
    PgPoolOptions::new()
        .max_connections(most)
        .acquire_timeout(ACQUIRE)
        // A connection whose statement was given up is of use again once that has ended. sqlx waits for it however
        // long it takes; where packets are lost, as long as the kernel sends them again: a quarter of an hour.
        .after_release(|connection, _| {
            Box::pin(within(SILENCE, async { connection.ping().await.map(|()| true) }))
        })
}

/// How every connection to a PostgreSQL server is made.
fn postgres_options(url: &str, schema: &str) -> Result<PgConnectOptions, sqlx::Error> {
    Ok(PgConnectOptions::from_str(url)?.options([
        ("search_path", schema),
        ("statement_timeout", STATEMENT_TIMEOUT),
        ("lock_timeout", LOCK_TIMEOUT),
        ("idle_in_transaction_session_timeout", STATEMENT_TIMEOUT),
    ]))
}

/// Begins a transaction that is going to write.
pub trait BeginWrite {
    /// Whose transaction it is.
    type Database: sqlx::Database;

    /// Begins it. On SQLite it takes the write lock at once: a transaction that reads first and writes later
    /// would be refused when another one wrote in between.
    fn begin_write(
        &self,
    ) -> impl Future<Output = Result<Transaction<'static, Self::Database>, sqlx::Error>> + Send;
}

impl BeginWrite for PgPool {
    type Database = Postgres;

    async fn begin_write(&self) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
        self.begin().await
    }
}

impl BeginWrite for SqlitePool {
    type Database = Sqlite;

    async fn begin_write(&self) -> Result<Transaction<'static, Sqlite>, sqlx::Error> {
        self.begin_with("BEGIN IMMEDIATE").await
    }
}

/// Whether an error says that the database cannot serve now, so that trying again later may help: no
/// connection, too busy, shutting down, a disk that fails, or a transaction that lost against another one.
pub fn is_unavailable(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::Io(_) | sqlx::Error::Tls(_) => {
            true
        }
        // A server that dies or starts breaks off in the middle of a message.
        sqlx::Error::Protocol(_) => true,
        sqlx::Error::Database(database) => database.code().is_some_and(|code| {
            let code = code.as_ref();
            // PostgreSQL: connection, login, resources, operator intervention and statement timeout,
            // its disk; lock, serialization, deadlock, read-only. SQLite: busy (5), locked (6), a disk
            // that fails (10) or is full (13), a file that cannot be opened (14), and variants.
            ["08", "28", "53", "57", "58"]
                .iter()
                .any(|class| code.len() == 5 && code.starts_with(class))
                || ["55P03", "40001", "40P01", "25006"].contains(&code)
                || code.len() < 5
                    && code
                        .parse::<u32>()
                        .is_ok_and(|code| [5, 6, 10, 13, 14].contains(&(code & 0xff)))
        }),
        _ => false,
    }
}
