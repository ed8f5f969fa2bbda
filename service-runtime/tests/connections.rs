//! Connections for reading cannot write, and one that SQLite ended a transaction on is not used again.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed step is a failed test")]

use service_runtime::{
    database::{BeginWrite, Database, is_unavailable},
    on,
};
use test_support::postgres;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

async fn readers_cannot_write(url: &str) {
    let writes = Database::connect(url, "public").await.unwrap();
    let reads = writes.reading();
    on!(&writes, |pool| {
        sqlx::raw_sql("CREATE TABLE things (id BIGINT); INSERT INTO things VALUES (1)")
            .execute(pool)
            .await
            .map(drop)
    })
    .unwrap();
    let written = on!(&reads, |pool| {
        sqlx::query("INSERT INTO things VALUES (2)")
            .execute(pool)
            .await
            .map(drop)
    });
    written.unwrap_err();
    let read: i64 = on!(&reads, |pool| {
        sqlx::query_scalar("SELECT count(*) FROM things")
            .fetch_one(pool)
            .await
    })
    .unwrap();
    assert_eq!(read, 1);
}

#[tokio::test]
async fn readers_cannot_write_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    readers_cannot_write(&format!("sqlite:{}/things.db", folder.path().display())).await;
}

#[tokio::test]
async fn readers_cannot_write_on_postgres() {
    if let Some(server) = postgres::database().await {
        readers_cannot_write(server.url()).await;
    }
}

#[tokio::test]
async fn a_server_that_breaks_off_is_an_outage() {
    for says in [&b""[..], b"E"] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("postgres://u@{}/d", listener.local_addr().unwrap());
        let server = async {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                // What it is asked: whether it speaks TLS.
                stream.read_exact(&mut [0; 8]).await.unwrap();
                stream.write_all(says).await.unwrap();
            }
        };
        let error = tokio::select! {
            connected = Database::connect(&url, "public") => connected.unwrap_err(),
            () = server => panic!("it serves for ever"),
        };
        assert!(is_unavailable(&error), "{says:?}: {error:?}");
    }
}

#[tokio::test]
async fn an_outage_is_told_from_a_bug_by_what_postgres_says() {
    let Some(server) = postgres::database().await else {
        return;
    };
    let Database::Postgres(pool) = Database::connect(server.url(), "public").await.unwrap() else {
        panic!("this is about PostgreSQL")
    };
    let outages = [
        "08006", "28P01", "53100", "53300", "55P03", "57014", "57P01", "58030", "40001", "40P01", "25006",
    ];
    let bugs = ["22001", "23505", "42P01", "XX000"];
    for code in outages.into_iter().chain(bugs) {
        let says = format!("DO $$ BEGIN RAISE 'said' USING ERRCODE = '{code}'; END $$");
        let error = sqlx::raw_sql(sqlx::AssertSqlSafe(says))
            .execute(&pool)
            .await
            .unwrap_err();
        assert_eq!(is_unavailable(&error), outages.contains(&code), "{error:?}");
    }
}

#[tokio::test]
async fn writes_go_on_after_sqlite_had_no_room_for_one() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}/things.db", folder.path().display());
    let Database::Sqlite(pool) = Database::connect(&url, "public").await.unwrap() else {
        panic!("this is about SQLite")
    };
    let table = sqlx::raw_sql("CREATE TABLE things (bytes BLOB); PRAGMA max_page_count = 10");
    table.execute(&pool).await.unwrap();
    let write = async || {
        let mut tx = pool.begin_write().await?;
        sqlx::query("INSERT INTO things VALUES (zeroblob(100000))")
            .execute(&mut *tx)
            .await?;
        tx.commit().await
    };
    let full = write().await.unwrap_err();
    assert!(is_unavailable(&full), "{full:?}");
    // The limit went with the connection that found it.
    write().await.unwrap();
}
