//! Where lists are read: from a read replica, if there is one, so that they do not weigh on the database that
//! takes the writes. A replica is a help and never a need: while it does not answer, lists are read from the
//! primary, by a few connections that are theirs alone, so that what the replica carried does not fall on
//! everything else.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use super::{Database, PATIENCE, READERS, postgres_options, postgres_pool, within};
use crate::on;

/// How many lists are read from the primary at once while the replica does not answer.
const FALLBACK: u32 = 4;
/// PostgreSQL: the statement took too long. It would elsewhere too.
const QUERY_CANCELED: &str = "57014";

/// Where lists are read. Cheap to clone; clones share what they know of the replica.
#[derive(Debug, Clone)]
pub struct Lists {
    primary: Database,
    replica: Option<Replica>,
}

#[derive(Debug, Clone)]
struct Replica {
    database: Database,
    /// The connection that asks whether it is there; lists never keep it busy.
    probe: Database,
    answers: Arc<AtomicBool>,
}

impl Lists {
    /// Lists from the database that takes the writes.
    pub fn of(primary: Database) -> Self {
        Self {
            primary,
            replica: None,
        }
    }

    /// Lists from the schema `schema` of a PostgreSQL replica. It is connected to when it is first needed: whether
    /// it is there does not matter now.
    ///
    /// # Errors
    /// When the address cannot be read.
    pub fn with_replica(self, url: &str, schema: &str) -> Result<Self, sqlx::Error> {
        let pool = postgres_pool(READERS).connect_lazy_with(postgres_options(url, schema)?);
        let database = Database::Postgres(pool);
        Ok(Self {
            primary: self.primary.few(FALLBACK),
            replica: Some(Replica {
                probe: database.few(1),
                database,
                answers: Arc::new(AtomicBool::new(true)),
            }),
        })
    }

    /// The same places with at most `most` connections to each.
    #[must_use]
    pub fn few(&self, most: u32) -> Self {
        let fewer = |replica: &Replica| Replica {
            database: replica.database.few(most),
            ..replica.clone()
        };
        Self {
            primary: self.primary.few(most),
            replica: self.replica.as_ref().map(fewer),
        }
    }

    /// Reads from the replica if it answers, otherwise from the primary.
    ///
    /// # Errors
    /// Those of the query. What takes too long on the replica, and what finds every connection to it busy, is not
    /// tried on the primary.
    pub async fn read<T, Reading>(&self, query: impl Fn(Database) -> Reading) -> Result<T, sqlx::Error>
    where
        Reading: Future<Output = Result<T, sqlx::Error>>,
    {
        if let Some(replica) = &self.replica
            && replica.answers.load(Ordering::Relaxed)
        {
            match query(replica.database.clone()).await {
                Err(error) if replica.is_away(&error).await => {}
                outcome => return outcome,
            }
        }
        query(self.primary.clone()).await
    }

    /// Asks the replica whether it is there. Called now and then, this is what makes lists come back to it.
    pub async fn look(&self, schema: &'static str) {
        if let Some(replica) = &self.replica {
            let answers = replica.look().await;
            metrics::gauge!("database_replica_up", "database" => schema).set(u8::from(answers));
        }
    }

    /// Notes for the numbers how many connections lists are read by while all is well.
    pub fn count_connections(&self, database: &'static str, work: &'static str) {
        let usual = self
            .replica
            .as_ref()
            .map_or(&self.primary, |replica| &replica.database);
        usual.count_connections(database, work);
    }

    /// Where lists are read on the primary.
    pub fn on_primary(&self) -> Database {
        self.primary.clone()
    }

    /// Where lists are read on the replica, if there is one.
    pub fn on_replica(&self) -> Vec<Database> {
        let replica = self.replica.iter();
        let databases = replica.flat_map(|replica| [&replica.database, &replica.probe]);
        databases.cloned().collect()
    }

    /// Closes the connections, once the running statements are done.
    pub async fn close(&self) {
        self.primary.close().await;
        if let Some(replica) = &self.replica {
            replica.probe.close().await;
            replica.database.close().await;
        }
    }
}

impl Replica {
    /// Whether a failed query is a reason to ask the primary.
    async fn is_away(&self, error: &sqlx::Error) -> bool {
        match error {
            // Busy, or silent?
            sqlx::Error::PoolTimedOut => !self.look().await,
            sqlx::Error::Database(refusal) if refusal.code().is_some_and(|code| code == QUERY_CANCELED) => {
                false
            }
            error => {
                self.set(Err(error));
                true
            }
        }
    }

    /// Whether it answers now.
    async fn look(&self) -> bool {
        let answer = on!(&self.probe, |pool| {
            within(PATIENCE, sqlx::query("SELECT 1").execute(pool))
                .await
                .map(drop)
        });
        self.set(answer.as_ref().map(drop));
        answer.is_ok()
    }

    /// Remembers whether it answers, and tells of a change.
    fn set(&self, answer: Result<(), &sqlx::Error>) {
        let answered = self.answers.swap(answer.is_ok(), Ordering::Relaxed);
        match answer {
            Ok(()) if !answered => tracing::info!("the read replica answers again"),
            Err(error) if answered => {
                tracing::warn!(%error, "the read replica does not answer; lists are read from the primary");
            }
            _ => {}
        }
    }
}
