//! Others have taken every connection that the server gives.

use std::time::{Duration, Instant};

use sqlx::{Connection, PgConnection};
use test_support::postgres::Cluster;
use tokio::time::sleep;

use super::{PATIENCE, QUICK, tell};
use crate::{
    asking::reads,
    fleet::{Fleet, Ground, Summary, Writers, millis, row},
};

/// How many connections the server gives: enough for the fleet.
const MOST: usize = 60;
const LASTS: Duration = Duration::from_secs(4);

pub async fn run(cluster: &Cluster) {
    tell(cluster, &[&format!("ALTER SYSTEM SET max_connections = {MOST}")]).await;
    cluster.stop().await;
    cluster.start_again().await;
    let mut fleet = Fleet::start(Ground::on(cluster).await, 1).await;
    let writers = Writers::start(&fleet.gateways, 4).await;
    let reads = reads(&fleet.gateways);
    sleep(Duration::from_secs(1)).await;

    let others = take_all(cluster).await;
    let from = Instant::now();
    sleep(LASTS).await;
    let to = Instant::now();
    drop(others);
    let again = reads.served_again(to, PATIENCE).await;
    let read = reads.between(from, to).await;
    let found = writers.finish().await;
    fleet.is_whole();
    let failures = Summary::of(&found.failures);
    row(
        "others have every connection of PostgreSQL for 4 s",
        "503 within about 1 s; recovery within 1 s; nothing lost",
        &format!(
            "reads: {read}, served again {} after; writes: longest failure {}; {}",
            millis(again),
            millis(failures.longest),
            found.told()
        ),
    );
    found.is_whole(&fleet);
    read.is_served_or_refused_within(QUICK);
    failures.is_served_or_refused_within(QUICK);
    assert!(read.refused > 20 && failures.refused > 0, "{read:?}");
}

/// Takes every connection there is; those of the fleet are ended, again and again, by somebody who is faster.
async fn take_all(cluster: &Cluster) -> Vec<PgConnection> {
    const END: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                       WHERE backend_type = 'client backend' AND datname <> 'postgres'";
    let mut others = Vec::new();
    while others.len() < MOST {
        match PgConnection::connect(&cluster.url("postgres")).await {
            Ok(connection) => others.push(connection),
            Err(_full) => {
                sqlx::query(END).execute(&mut others[0]).await.unwrap();
            }
        }
    }
    others
}
