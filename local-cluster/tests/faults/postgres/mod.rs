//! PostgreSQL stops, crashes, has no connection to give, waits for locks, is far away, or takes no writes.

mod away;
mod cutter;
mod failing_disk;
mod full;
mod full_disk;
mod in_doubt;
mod locks;
mod lost_races;
mod read_only;
mod slow;

use std::time::{Duration, Instant};

use sqlx::{AssertSqlSafe, Connection, PgConnection};
use test_support::postgres::Cluster;
use tokio::time::sleep;

use crate::fleet::Filter;

/// How long a recovery may take on a machine that does much else; how long it took is in the row.
const PATIENCE: Duration = Duration::from_secs(15);
/// How long a request may take while the database is away, on such a machine: less than the gateway waits.
const QUICK: Duration = Duration::from_secs(8);

/// How long a server may take to come back or to give up.
const COMES_BACK: Duration = Duration::from_secs(60);

/// The scenarios. The last one starts the server anew with fewer connections.
const NAMES: [&str; 10] = [
    "postgres_stops",
    "postgres_crashes",
    "postgres_locks",
    "postgres_is_slow",
    "postgres_is_read_only",
    "postgres_commit_in_doubt",
    "postgres_deadlocks",
    "postgres_serialization",
    "postgres_on_a_failing_disk",
    "postgres_is_full",
];

pub async fn run(filter: &Filter) {
    // On a server of its own.
    if filter.wants("postgres_on_a_full_disk") {
        full_disk::run().await;
    }
    let wanted = NAMES.iter().filter(|name| filter.wants(name));
    let wanted: Vec<&str> = wanted.copied().collect();
    if wanted.is_empty() {
        return;
    }
    // A server to be harmed.
    let Some(cluster) = Cluster::start().await else {
        return;
    };
    for name in wanted {
        match name {
            "postgres_stops" => away::stops(&cluster).await,
            "postgres_crashes" => away::crashes(&cluster).await,
            "postgres_locks" => locks::run(&cluster).await,
            "postgres_is_slow" => slow::run(&cluster).await,
            "postgres_is_read_only" => read_only::run(&cluster).await,
            "postgres_commit_in_doubt" => in_doubt::run(&cluster).await,
            "postgres_deadlocks" => lost_races::deadlocks(&cluster).await,
            "postgres_serialization" => lost_races::serialization(&cluster).await,
            "postgres_on_a_failing_disk" => failing_disk::run(&cluster).await,
            _ => full::run(&cluster).await,
        }
    }
}

/// Tells the server something, as its operator.
pub async fn tell(cluster: &Cluster, statements: &[&str]) {
    let mut operator = PgConnection::connect(&cluster.url("postgres")).await.unwrap();
    for statement in statements {
        let statement = sqlx::raw_sql(AssertSqlSafe((*statement).to_owned()));
        statement.execute(&mut operator).await.unwrap();
    }
    operator.close().await.unwrap();
}

/// Waits until the server is back, which is started again if it gives up; says how it came back.
async fn comes_back(cluster: &Cluster) -> &'static str {
    let begun = Instant::now();
    while PgConnection::connect(&cluster.url("postgres")).await.is_err() {
        if !cluster.is_running().await {
            cluster.start_again().await;
            return "was started again";
        }
        assert!(
            begun.elapsed() < COMES_BACK,
            "the server neither comes back nor ends"
        );
        sleep(Duration::from_millis(50)).await;
    }
    "came back by itself"
}
