//! Migrations on PostgreSQL: one process at a time, as slowly as they need, never in the way of requests.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed step is a failed test")]

use std::{borrow::Cow, time::Duration};

use service_runtime::database::Database;
use sqlx::{SqlSafeStr, migrate::Migrator};
use test_support::postgres;

static ALL: Migrator = sqlx::migrate!("tests/migrations");

/// The first so many of the migrations, as a version of the program knows them.
fn first(count: usize) -> &'static Migrator {
    Box::leak(Box::new(Migrator {
        migrations: Cow::Borrowed(&ALL.migrations[..count]),
        ..Migrator::DEFAULT
    }))
}

fn pool(database: &Database) -> &sqlx::PgPool {
    match database {
        Database::Postgres(pool) => pool,
        Database::Sqlite(_) => panic!("this is about PostgreSQL"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_migration_is_waited_for_by_every_process_and_older_ones_go_on() {
    let Some(server) = postgres::database().await else {
        return;
    };
    let databases = [
        Database::connect(server.url(), "things").await.unwrap(),
        Database::connect(server.url(), "things").await.unwrap(),
        Database::connect(server.url(), "others").await.unwrap(),
    ];
    let [first_process, second_process, other_service] = &databases;
    let begun = std::time::Instant::now();
    let (first_done, second_done, other_done) = tokio::join!(
        first_process.migrate("things", first(2)),
        second_process.migrate("things", first(2)),
        async {
            other_service.migrate("others", first(1)).await.unwrap();
            begun.elapsed()
        },
    );
    first_done.unwrap();
    second_done.unwrap();
    assert!(begun.elapsed() >= Duration::from_secs(6), "it was applied");
    assert!(begun.elapsed() < Duration::from_secs(12), "it was applied once");
    assert!(
        other_done < Duration::from_secs(6),
        "another service waits for none of it"
    );
    // The version before knows one migration less and starts all the same.
    first_process.migrate("things", first(1)).await.unwrap();
    sqlx::query("INSERT INTO things (id) VALUES (1)")
        .execute(pool(first_process))
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_migration_that_cannot_have_its_lock_lets_requests_pass_and_tries_again() {
    let Some(server) = postgres::database().await else {
        return;
    };
    let database = Database::connect(server.url(), "things").await.unwrap();
    database.migrate("things", first(1)).await.unwrap();
    let mut request = pool(&database).begin().await.unwrap();
    sqlx::query("INSERT INTO things (id) VALUES (1)")
        .execute(&mut *request)
        .await
        .unwrap();
    let alter: &'static Migrator = Box::leak(Box::new(Migrator {
        migrations: Cow::Owned(vec![
            ALL.migrations[0].clone(),
            sqlx::migrate::Migration::new(
                2,
                Cow::Borrowed("alter"),
                sqlx::migrate::MigrationType::Simple,
                sqlx::AssertSqlSafe("ALTER TABLE things ADD COLUMN name TEXT").into_sql_str(),
                false,
            ),
        ]),
        ..Migrator::DEFAULT
    }));
    let (migrated, ()) = tokio::join!(database.migrate("things", alter), async {
        tokio::time::sleep(Duration::from_millis(2500)).await;
        // Behind a waiting ALTER TABLE this would wait too.
        let reading = sqlx::query("SELECT count(*) FROM things").execute(pool(&database));
        tokio::time::timeout(Duration::from_secs(2), reading)
            .await
            .unwrap()
            .unwrap();
        request.commit().await.unwrap();
    });
    migrated.unwrap();
}
