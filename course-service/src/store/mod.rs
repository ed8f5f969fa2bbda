//! Persistence: the only room that knows SQL. One method is one transaction; every query is written once and
//! runs on both databases.

mod course;
mod enrollment;
mod held;
mod idempotency;
mod instructor;
mod listing;
mod payment;
mod person;
mod row;
mod searches;
mod slug;

pub use course::{Changed, Created};
pub use enrollment::Enrolled;
pub use instructor::Known;
pub use payment::Confirmed;
pub use person::Left;

use service_runtime::{
    database::{Database, Lists, follow, is_unavailable},
    lifecycle::Tasks,
    secret::LiveSecret,
};
use sqlx::migrate::{MigrateError, Migrator};

static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");
/// The PostgreSQL schema of this service.
const SCHEMA: &str = "course";

/// The service's database. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    /// Connections that write.
    writes: Database,
    /// Connections that only read, so that writes which wait for a lock take none of theirs.
    reads: Database,
    /// Where lists of courses are read.
    lists: Lists,
    /// The same by the few connections that searches have to themselves.
    searches: Lists,
    /// The connection that asks whether the database answers: whatever becomes of the others, nobody waits for it.
    probe: Database,
}

/// What can go wrong with the database, beyond what a method's own answer says.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot serve now; trying again later may help.
    #[error("the database cannot serve now")]
    Unavailable(#[source] sqlx::Error),
    /// More searches are running or waiting than are run at once; trying again later may help.
    #[error("too many searches at once")]
    TooManySearches,
    /// A bug.
    #[error("the database refused a statement")]
    Failed(#[source] sqlx::Error),
    /// A bug: something could not be turned into or out of its stored form.
    #[error("a stored value cannot be read or written")]
    Stored(#[from] serde_json::Error),
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        // A row that another transaction removed between two statements of this one: the next try sees it.
        let raced = error
            .as_database_error()
            .is_some_and(sqlx::error::DatabaseError::is_foreign_key_violation);
        if raced || is_unavailable(&error) {
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
        let writes = Database::connect(url, SCHEMA).await?;
        let reads = writes.reading();
        let lists = Lists::of(reads.clone());
        let probe = reads.few(1);
        let searches = lists.few(searches::AT_ONCE);
        Ok(Self {
            writes,
            reads,
            lists,
            searches,
            probe,
        })
    }

    /// Lists are read from this PostgreSQL replica from now on, while it answers.
    ///
    /// # Errors
    /// When the address cannot be read.
    pub fn with_replica(self, url: &str) -> Result<Self, sqlx::Error> {
        let lists = self.lists.with_replica(url, SCHEMA)?;
        let searches = lists.few(searches::AT_ONCE);
        Ok(Self {
            lists,
            searches,
            ..self
        })
    }

    /// Opens connections as the files say in which the addresses stand, until the tasks are asked to stop.
    pub fn follow(&self, primary: &LiveSecret, replica: Option<&LiveSecret>, tasks: &Tasks) {
        let databases = vec![
            self.writes.clone(),
            self.reads.clone(),
            self.lists.on_primary(),
            self.searches.on_primary(),
            self.probe.clone(),
        ];
        follow(primary, SCHEMA, databases, tasks);
        if let Some(replica) = replica {
            follow(
                replica,
                SCHEMA,
                [self.lists.on_replica(), self.searches.on_replica()].concat(),
                tasks,
            );
        }
    }

    /// Applies the migrations that are not applied yet.
    ///
    /// # Errors
    /// When one fails.
    pub async fn migrate(&self) -> Result<(), MigrateError> {
        self.writes.migrate(SCHEMA, &MIGRATIONS).await
    }

    /// Whether the database answers: `Ok(false)` when it is too busy to be asked.
    ///
    /// # Errors
    /// When it does not.
    pub async fn answers(&self) -> Result<bool, Error> {
        self.reads.count_connections(SCHEMA, "reads");
        self.writes.count_connections(SCHEMA, "writes");
        self.searches.count_connections(SCHEMA, "searches");
        let (answers, ()) = tokio::join!(self.probe.answers(), self.lists.look(SCHEMA));
        Ok(answers?)
    }

    /// Closes the connections.
    pub async fn close(&self) {
        self.searches.close().await;
        self.probe.close().await;
        self.lists.close().await;
        self.reads.close().await;
        self.writes.close().await;
    }
}
