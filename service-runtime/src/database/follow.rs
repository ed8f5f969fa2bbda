//! The address of a PostgreSQL server may stand in a file and be changed there, with a new password or a new name to
//! log in by: from then on connections are opened by it. Those that are open stay.

use std::time::Duration;

use sqlx::{Connection, PgConnection, postgres::PgConnectOptions};

use super::{ACQUIRE, Database, READ_ONLY, postgres_options};
use crate::{lifecycle::Tasks, secret::LiveSecret};

/// How often the file is read: as long as a connection may be refused when the server learns of a new password first.
const REREAD: Duration = Duration::from_secs(1);

/// Opens the connections of these, which are to one server, as the file says in which its address stands. What opens
/// no connection is logged, and what was read before goes on.
pub fn follow(url: &LiveSecret, schema: &'static str, databases: Vec<Database>, tasks: &Tasks) {
    if !url.may_change() {
        return;
    }
    let (url, stop) = (url.clone(), tasks.clone());
    tasks.spawn("database address", async move {
        let (mut current, mut complaint) = (url.expose().clone(), None);
        while stop.sleep(REREAD).await {
            let read = match url.now().await {
                Ok(read) if *read.expose() == current => Ok(None),
                Ok(read) => tried(read.expose(), schema)
                    .await
                    .map(|options| Some((read, options))),
                Err(error) => Err(error.to_string()),
            };
            match read {
                Ok(None) => complaint = None,
                Ok(Some((read, options))) => {
                    complaint = None;
                    databases.iter().for_each(|database| database.open_by(&options));
                    current.clone_from(read.expose());
                    tracing::info!(schema, "the address of the database has changed");
                }
                Err(error) if complaint.as_ref() != Some(&error) => {
                    tracing::error!(
                        schema,
                        error,
                        "a changed address of the database cannot be used; the former one goes on"
                    );
                    complaint = Some(error);
                }
                Err(_) => {}
            }
        }
    });
}

/// How connections are opened by an address, once one has been. The error shows nothing of it.
async fn tried(url: &str, schema: &str) -> Result<PgConnectOptions, String> {
    let Ok(options) = postgres_options(url, schema) else {
        return Err("it cannot be read".to_owned());
    };
    let opened = tokio::time::timeout(ACQUIRE, PgConnection::connect_with(&options)).await;
    let connection = opened.map_err(|late| late.to_string())?;
    let connection = connection.map_err(|error| error.to_string())?;
    // It has told all there is to know.
    drop(connection.close().await);
    Ok(options)
}

impl Database {
    /// From now on its connections are opened so.
    fn open_by(&self, options: &PgConnectOptions) {
        if let Self::Postgres(pool) = self {
            let former = pool.connect_options();
            let only_reads = former
                .get_options()
                .is_some_and(|options| options.contains(READ_ONLY.0));
            let options = options.clone();
            pool.set_connect_options(if only_reads {
                options.options([READ_ONLY])
            } else {
                options
            });
        }
    }
}
