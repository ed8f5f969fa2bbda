//! Connections to PostgreSQL are opened as the file says in which the address stands.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed step is a failed test")]

use std::{fs, time::Duration};

use service_runtime::{
    database::{Database, Lists, follow},
    lifecycle::Tasks,
    secret::LiveSecret,
};
use test_support::postgres;

/// How long it may take until a file is followed, and how long nothing may happen until it is believed.
const PATIENCE: Duration = Duration::from_secs(20);
const A_WHILE: Duration = Duration::from_millis(2500);

/// What a new connection calls itself, and whether it only reads.
async fn opened(database: &Database) -> (String, String) {
    let Database::Postgres(pool) = database else {
        panic!("this is about PostgreSQL")
    };
    let connecting = pool.connect_options();
    let mut connection = sqlx::ConnectOptions::connect(&*connecting).await.unwrap();
    let ask = "SELECT current_setting('application_name'), current_setting('default_transaction_read_only')";
    sqlx::query_as(ask).fetch_one(&mut connection).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_file_says_is_followed_once_it_opens_a_connection() {
    let Some(server) = postgres::database().await else {
        return;
    };
    let url = |name: &str| {
        let mark = if server.url().contains('?') { '&' } else { '?' };
        format!("{}{mark}application_name={name}", server.url())
    };
    let file = tempfile::NamedTempFile::new().unwrap();
    let secret = LiveSecret::new(url("first"), Some(file.path().to_owned()));
    fs::write(file.path(), url("first")).unwrap();
    let writes = Database::connect(secret.expose(), "public").await.unwrap();
    let reads = writes.reading();
    let tasks = Tasks::default();
    // A replica cannot be written to anyway, and is not told so.
    let lists = Lists::of(reads.clone());
    let lists = lists.with_replica(secret.expose(), "public").unwrap();
    let mut databases = vec![writes, reads, lists.on_primary()];
    follow(&secret, "public", databases.clone(), &tasks);
    follow(&secret, "public", lists.on_replica(), &tasks);
    databases.extend(lists.on_replica());
    let all = async || {
        let mut all = Vec::new();
        for database in &databases {
            all.push(opened(database).await);
        }
        all
    };
    let named =
        |name: &str| ["off", "on", "on", "off", "off"].map(|reads| (name.to_owned(), reads.to_owned()));
    assert_eq!(all().await, named("first"));

    for nothing in ["", "nothing", "postgres://postgres@127.0.0.1:1/nowhere"] {
        fs::write(file.path(), nothing).unwrap();
        tokio::time::sleep(A_WHILE).await;
        assert_eq!(all().await, named("first"), "{nothing:?}");
    }

    fs::write(file.path(), url("second") + "\n").unwrap();
    let followed = async {
        while all().await != named("second") {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, followed).await.unwrap();
    tasks.stop();
    assert!(tasks.finished(PATIENCE).await);
}
