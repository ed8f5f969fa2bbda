//! Hints that others have changed something: PostgreSQL's notifications. A hint saves waiting and nothing depends on
//! it: it may come late, for nothing, or never.

use std::{future::pending, time::Duration};

use futures_util::{Stream, stream::unfold};
use sqlx::{PgPool, postgres::PgListener};

use super::Database;

/// How long to wait before listening again when that failed.
const AGAIN: Duration = Duration::from_secs(1);

impl Database {
    /// What transactions notify `channel` of, over a connection of its own. SQLite has no notifications: nothing comes.
    pub fn hints(&self, channel: &'static str) -> impl Stream<Item = ()> + Send + use<> {
        let database = self.clone();
        unfold(None, move |listener| {
            let database = database.clone();
            async move {
                let Database::Postgres(pool) = &database else {
                    return pending().await;
                };
                let mut listener: Option<PgListener> = listener;
                loop {
                    match &mut listener {
                        Some(listening) => match listening.recv().await {
                            Ok(_notification) => return Some(((), listener)),
                            Err(_lost) => listener = None,
                        },
                        None => match listen(pool, channel).await {
                            // What came before it listened is not known.
                            Ok(listening) => return Some(((), Some(listening))),
                            Err(_away) => tokio::time::sleep(AGAIN).await,
                        },
                    }
                }
            }
        })
    }
}

async fn listen(pool: &PgPool, channel: &str) -> Result<PgListener, sqlx::Error> {
    // Opened as connections are opened now: the password may be another one than at first.
    let options = pool.connect_options().as_ref().clone();
    let own = pool
        .options()
        .clone()
        .max_connections(1)
        .connect_lazy_with(options);
    let mut listener = PgListener::connect_with(&own).await?;
    listener.listen(channel).await?;
    Ok(listener)
}
