//! The temporary PostgreSQL: separate databases, interruptions that lose nothing, and no trace of it
//! afterwards.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]
#![allow(
    clippy::disallowed_methods,
    reason = "the variable is how this binary tells its own second process apart"
)]

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use sqlx::{Connection, PgConnection};
use test_support::postgres::{self, Cluster};

/// Where the second process of `nothing_is_left_of_a_killed_process` is to write what it has started.
const REPORT: &str = "TEST_SUPPORT_VICTIM_REPORT";

async fn count_of_notes(url: &str) -> Result<i64, sqlx::Error> {
    let mut connection = PgConnection::connect(url).await?;
    sqlx::query_scalar("SELECT count(*) FROM note")
        .fetch_one(&mut connection)
        .await
}

async fn write_note(url: &str) {
    let mut connection = PgConnection::connect(url).await.unwrap();
    sqlx::raw_sql("CREATE TABLE IF NOT EXISTS note (body text); INSERT INTO note VALUES ('committed')")
        .execute(&mut connection)
        .await
        .unwrap();
}

#[tokio::test]
async fn two_databases_share_nothing() {
    let Some(one) = postgres::database().await else {
        return;
    };
    let Some(other) = postgres::database().await else {
        return;
    };
    assert_ne!(one.name(), other.name());
    write_note(one.url()).await;
    assert_eq!(count_of_notes(one.url()).await.unwrap(), 1);
    count_of_notes(other.url()).await.unwrap_err();
}

#[tokio::test]
async fn a_database_goes_away_although_somebody_is_connected() {
    let Some(database) = postgres::database().await else {
        return;
    };
    let Some(other) = postgres::database().await else {
        return;
    };
    let (url, name) = (database.url().to_owned(), database.name().to_owned());
    let _connection = PgConnection::connect(&url).await.unwrap();
    drop(database);

    let mut connection = PgConnection::connect(other.url()).await.unwrap();
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let query = sqlx::query_scalar("SELECT count(*) FROM pg_database WHERE datname = $1");
        let count: i64 = query.bind(&name).fetch_one(&mut connection).await.unwrap();
        if count == 0 {
            break;
        }
        assert!(Instant::now() < deadline, "{name} is still there");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_cluster_comes_back_with_its_data_after_a_stop_and_after_a_kill() {
    let Some(cluster) = Cluster::start().await else {
        return;
    };
    let database = cluster.database().await;
    write_note(database.url()).await;

    cluster.stop().await;
    count_of_notes(database.url()).await.unwrap_err();
    cluster.start_again().await;
    assert_eq!(count_of_notes(database.url()).await.unwrap(), 1);

    let mut connection = PgConnection::connect(database.url()).await.unwrap();
    write_note(database.url()).await;
    cluster.kill().await;
    sqlx::query("SELECT 1")
        .execute(&mut connection)
        .await
        .unwrap_err();
    count_of_notes(database.url()).await.unwrap_err();
    cluster.start_again().await;
    assert_eq!(count_of_notes(database.url()).await.unwrap(), 2);
}

#[tokio::test]
async fn nothing_is_left_of_a_dropped_cluster() {
    let Some(cluster) = Cluster::start().await else {
        return;
    };
    let (url, directory) = (cluster.url("postgres"), cluster.directory().to_path_buf());
    PgConnection::connect(&url).await.unwrap();
    drop(cluster);
    assert!(!directory.exists());
    PgConnection::connect(&url).await.unwrap_err();
}

#[tokio::test]
async fn nothing_is_left_of_a_killed_process() {
    // Says what is left out, if it has to be, in this process and not in the silent second one.
    let Some(_cluster) = Cluster::start().await else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().join("report");
    let mut second = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "the_killed_process"])
        .env(REPORT, &report)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    until("the second process has a server", || report.exists()).await;
    let text = std::fs::read_to_string(&report).unwrap();
    let (url, directory) = text.split_once('\n').unwrap();
    PgConnection::connect(url).await.unwrap();

    second.kill().unwrap();
    second.wait().unwrap();
    until("its files are gone", || !Path::new(directory).exists()).await;
    PgConnection::connect(url).await.unwrap_err();
}

/// The second process of the test above; on its own, nothing.
#[tokio::test]
async fn the_killed_process() {
    let Ok(report) = std::env::var(REPORT) else { return };
    let cluster = Cluster::start().await.unwrap();
    let text = format!("{}\n{}", cluster.url("postgres"), cluster.directory().display());
    // Moved into place whole, as the other process looks for it all the time.
    std::fs::write(format!("{report}.new"), text).unwrap();
    std::fs::rename(format!("{report}.new"), report).unwrap();
    std::future::pending::<()>().await;
}

async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < deadline, "not within a minute: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
