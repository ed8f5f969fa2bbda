//! Where lists are read when a replica is busy, slow, silent or gone. What a real one shows while it is there is a
//! journey of the whole: `local-cluster/tests/journeys/read_replica.rs`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed step is a failed test"
)]

use std::{
    net::TcpListener,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use service_runtime::{
    database::{Database, Lists},
    on,
};
use sqlx::AssertSqlSafe;
use test_support::postgres::{self, TestDatabase};

/// The schemas by which the places are told apart.
const PRIMARY: &str = "primary_schema";
const REPLICA: &str = "replica_schema";

/// Where a list was read.
async fn place(lists: &Lists) -> Result<String, sqlx::Error> {
    answer_to("SHOW search_path", lists).await
}

async fn answer_to(statement: &str, lists: &Lists) -> Result<String, sqlx::Error> {
    let query = |database: Database| async move {
        on!(&database, |pool| {
            sqlx::query_scalar(AssertSqlSafe(statement.to_owned()))
                .fetch_one(pool)
                .await
        })
    };
    lists.read(query).await
}

/// Lists on a database, and a replica at another address.
async fn lists(database: &TestDatabase, replica: &str) -> Lists {
    let primary = Database::connect(database.url(), PRIMARY).await.unwrap();
    Lists::of(primary).with_replica(replica, REPLICA).unwrap()
}

#[tokio::test]
async fn what_is_too_slow_or_too_much_for_the_replica_is_kept_from_the_primary() {
    let Some(database) = postgres::database().await else {
        return;
    };
    let lists = lists(&database, database.url()).await;
    assert_eq!(place(&lists).await.unwrap(), REPLICA);

    // What PostgreSQL says when a statement takes longer than it may, said at once; elsewhere it would succeed.
    let function = "CREATE FUNCTION slow() RETURNS text LANGUAGE plpgsql AS $$ BEGIN \
                    IF current_setting('search_path') = 'replica_schema' THEN \
                        RAISE EXCEPTION 'too slow' USING ERRCODE = '57014'; \
                    END IF; RETURN 'done'; END $$";
    let primary = Database::connect(database.url(), "public").await.unwrap();
    on!(&primary, |pool| sqlx::raw_sql(function)
        .execute(pool)
        .await
        .map(drop))
    .unwrap();
    let error = answer_to("SELECT public.slow()", &lists).await.unwrap_err();
    let code = error.as_database_error().and_then(|error| error.code());
    assert_eq!(code.as_deref(), Some("57014"));
    assert_eq!(place(&lists).await.unwrap(), REPLICA, "it is not gone");

    let few = lists.few(1);
    let long = answer_to("SELECT pg_sleep(3)::text", &few);
    let late = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        place(&few).await
    };
    let (long, late) = tokio::join!(long, late);
    long.unwrap();
    assert!(matches!(late, Err(sqlx::Error::PoolTimedOut)), "{late:?}");
    assert_eq!(place(&few).await.unwrap(), REPLICA, "it is not gone");
}

#[tokio::test]
async fn while_the_replica_is_gone_few_lists_at_once_are_read_from_the_primary() {
    let Some(database) = postgres::database().await else {
        return;
    };
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let lists = lists(&database, &format!("postgres://{nobody}/edu")).await;
    assert_eq!(place(&lists).await.unwrap(), PRIMARY);
    let sleeps = (0..40).map(|_| answer_to("SELECT pg_sleep(2)::text", &lists));
    let outcomes = join_all(sleeps).await;
    let served = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    assert!((1..=4).contains(&served), "{outcomes:?}");
    assert!(
        outcomes
            .iter()
            .all(|outcome| matches!(outcome, Ok(_) | Err(sqlx::Error::PoolTimedOut)))
    );
}

#[tokio::test]
async fn a_silent_replica_is_waited_for_once() {
    let Some(database) = postgres::database().await else {
        return;
    };
    // Connections are accepted by the kernel, and nobody says a word.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("postgres://{}/edu", silent.local_addr().unwrap());
    let lists = lists(&database, &url).await;
    // More than there are connections: that all of them are in use does not look like a busy replica.
    let places = join_all((0..20).map(|_| place(&lists))).await;
    for place in places {
        assert_eq!(place.unwrap(), PRIMARY);
    }
    let begun = Instant::now();
    for _ in 0..20 {
        assert_eq!(place(&lists).await.unwrap(), PRIMARY);
    }
    println!("20 lists beside a silent replica: {:?}", begun.elapsed());
    assert!(begun.elapsed() < Duration::from_secs(20), "each waited for it");
    // Asking again whether it is there does not hang either.
    lists.look("test").await;
    assert_eq!(place(&lists).await.unwrap(), PRIMARY);
}
