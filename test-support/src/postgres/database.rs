//! One database for one test.

use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection, PgConnection};
use uuid::Uuid;

use super::Cluster;

/// How long removing a database may take before it is left to itself.
const PATIENCE: Duration = Duration::from_secs(10);

/// An empty database that nobody else uses, with a name of its own. It is removed with this value, open
/// connections or not.
#[derive(Debug)]
pub struct TestDatabase {
    name: String,
    url: String,
    /// A database on the same server from which this one is created and removed.
    admin_url: String,
    /// The server's life, while somebody stands on it. `None`: the server is not ours, and lives anyway.
    cluster: Option<Cluster>,
}

impl TestDatabase {
    /// Its URL: `postgres://…`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its name on the server.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(super) async fn create_on_given(server_url: &str) -> Self {
        let name = new_name();
        let url = with_database(server_url, &name);
        Self {
            name,
            url,
            admin_url: server_url.to_owned(),
            cluster: None,
        }
        .created()
        .await
    }

    pub(super) async fn create_on_cluster(cluster: &Cluster) -> Self {
        let name = new_name();
        let url = cluster.url(&name);
        Self {
            name,
            url,
            admin_url: cluster.url("postgres"),
            cluster: Some(cluster.clone()),
        }
        .created()
        .await
    }

    async fn created(self) -> Self {
        // template0 never has connections, which would stop a database from being copied.
        let statement = format!("CREATE DATABASE {} TEMPLATE template0", self.name);
        if let Err(why) = execute(&self.admin_url, statement).await {
            panic!("no new database on the PostgreSQL server for tests: {why}");
        }
        self
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let statement = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        let admin_url = std::mem::take(&mut self.admin_url);
        let cluster = self.cluster.take();
        let is_ours = cluster.is_some();
        // A runtime of its own, as that of the test may be ending and must not be blocked in any case.
        let removal = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            if let Ok(runtime) = runtime {
                let removed = async { tokio::time::timeout(PATIENCE, execute(&admin_url, statement)).await };
                let _ = runtime.block_on(removed);
            }
            drop(cluster);
        });
        // Our own server goes away with everything on it, so nobody needs to wait.
        if !is_ours {
            let _ = removal.join();
        }
    }
}

pub(super) async fn execute(url: &str, statement: String) -> Result<(), sqlx::Error> {
    let mut connection = PgConnection::connect(url).await?;
    // The only thing put into the statements is the name made below.
    sqlx::raw_sql(AssertSqlSafe(statement))
        .execute(&mut connection)
        .await?;
    connection.close().await
}

fn new_name() -> String {
    format!("test_{}", Uuid::now_v7().simple())
}

/// The same URL for another database.
fn with_database(url: &str, name: &str) -> String {
    let (address, query) = url
        .split_once('?')
        .map_or((url, None), |(address, query)| (address, Some(query)));
    let host_start = address.find("://").map_or(0, |at| at + 3);
    let host_end = address[host_start..]
        .find('/')
        .map_or(address.len(), |at| host_start + at);
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    format!("{}/{name}{query}", &address[..host_end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_database_of_a_url_is_replaced() {
        for (url, expected) in [
            (
                "postgres://u:p@db:5432/postgres?sslmode=require",
                "postgres://u:p@db:5432/x?sslmode=require",
            ),
            ("postgres://db", "postgres://db/x"),
            (
                "postgres:///?host=/run/postgresql",
                "postgres:///x?host=/run/postgresql",
            ),
        ] {
            assert_eq!(with_database(url, "x"), expected);
        }
    }
}
